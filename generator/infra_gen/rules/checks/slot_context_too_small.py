"""The context is divided, so that each slot gets less than planned."""

from __future__ import annotations

from collections.abc import Iterator

from infra_gen.model.finding import Finding
from infra_gen.rules.contract import Rule
from infra_gen.rules.places import at_setting
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="slot-context-too-small",
    severity="error",
    confidence="high",
    what="Divides llama.cpp's `--ctx-size` by `--parallel` and compares with the planned context.",
    why="llama-server splits the context among its slots: `-c 32768 -np 8` leaves 4096 tokens to "
    "each request. Longer prompts are refused or cut, which reads like a stupid model.",
    bad="command: [--ctx-size, '5120', --parallel, '4']   # 1280 each",
    good="command: [--ctx-size, '20480', --parallel, '4']  # 5120 each",
    fix="Set --ctx-size to the planned context times the number of slots.",
    sources=(
        "https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md",
        "ollama/ollama#8099",
    ),
)


def check(subject: Subject) -> Iterator[Finding]:
    """At most one finding."""
    command = subject.command
    knobs = subject.engine.facts.knobs
    if command is None or knobs.context is None or not knobs.context_shared:
        return
    if command.on("--kv-unified"):
        return  # one pool for all, as long as they fit together
    total = command.setting_number(knobs.context)
    slots = command.setting_number(knobs.concurrency)
    if not total or not slots or slots < 1:
        return  # memory-limits-implicit speaks of that
    each, planned = int(total // slots), subject.plan.limits.context
    if each < planned:
        message = f"{total:.0f} tokens in {slots:.0f} slots are {each} each; planned are {planned}"
        yield at_setting(RULE, subject, knobs.context, message)
