"""llama.cpp without the numbers that its memory depends on."""

from __future__ import annotations

from collections.abc import Iterator

from infra_gen.model.finding import Finding
from infra_gen.rules.contract import Rule
from infra_gen.rules.places import at_key
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="slots-implicit",
    severity="error",
    confidence="high",
    what="Reports llama.cpp without an explicit `--ctx-size`, `--parallel` or `--n-gpu-layers`.",
    why="Left out, llama-server takes the context from the model, four slots that share it, and as "
    "many layers as fit beside what else is in memory (`--fit` is on). The same file then behaves "
    "differently on every machine and after every restart.",
    bad="command: [--model, /models/model.gguf]",
    good="command: [--model, /models/model.gguf, --ctx-size, '20480', --parallel, '4',\n"
    "          --n-gpu-layers, '999']",
    fix="Write the three numbers that the plan was made with.",
    sources=("https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md",),
)
_AUTOMATIC = {"--ctx-size": ("0",), "--parallel": ("-1",), "--n-gpu-layers": ("auto", "-1")}


def check(subject: Subject) -> Iterator[Finding]:
    """One finding with all that is missing or automatic."""
    service, command = subject.service, subject.command
    if service is None or command is None or subject.engine.name != "llama.cpp":
        return
    missing = [
        flag
        for flag, automatic in _AUTOMATIC.items()
        if (value := command.text(flag)) is None or value in automatic
    ]
    if missing:
        message = f"left to llama-server: {', '.join(missing)}"
        yield at_key(RULE, subject, service, "command", message)
