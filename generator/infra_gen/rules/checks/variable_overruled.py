"""A variable that stands for a flag, beside that flag with another value."""

from __future__ import annotations

from collections.abc import Iterator

from infra_gen.model.finding import Finding
from infra_gen.rules.command_line import is_variable
from infra_gen.rules.contract import Rule
from infra_gen.rules.places import at_key
from infra_gen.rules.reading.values import resolve
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="variable-overruled",
    severity="warning",
    confidence="high",
    what="Reports a variable of llama.cpp or TGI that stands for a flag, where the command has that "
    "flag with another value.",
    why="The command line counts. Whoever changes the variable, in an override file or a unit, "
    "changes nothing, and llama.cpp says so in one line of its log only.",
    bad="command: [--ctx-size, '4096']\nenvironment:\n  LLAMA_ARG_CTX_SIZE: '32768'",
    good="command: [--ctx-size, '32768']",
    fix="Remove the variable, and change the flag where its value was meant.",
    sources=(
        "https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md",
        "https://github.com/huggingface/text-generation-inference/blob/main/launcher/src/main.rs",
    ),
)


def check(subject: Subject) -> Iterator[Finding]:
    """One finding for each such variable of the engine's service."""
    service, command = subject.service, subject.command
    if service is None or command is None:
        return
    for used in command.used:
        twin = used.spec.env if used.spec and used.spec.takes_value else None
        value = resolve(service.env.get(twin, "")) if twin else ""
        if twin and value and not is_variable(value) and value != used.value:
            message = f"{subject.title}: {twin} {value!r} has no effect beside {used.spelling}"
            yield at_key(RULE, subject, service, f"environment.{twin}", message)
