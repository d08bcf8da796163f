"""More threads than processors."""

from __future__ import annotations

from collections.abc import Iterator

from infra_gen.model.finding import Finding
from infra_gen.rules.contract import Rule
from infra_gen.rules.places import at_setting
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="threads-over-cores",
    severity="warning",
    confidence="high",
    what="Compares the threads that an engine is told to use with the cores of the machine.",
    why="Each step of a model waits for its slowest thread. Threads that share a core make all of "
    "them slow, and the server slower than with half as many.",
    bad="command: [--threads, '64']   # 16 cores",
    good="command: [--threads, '16']",
    fix="Set as many threads as there are physical cores for the engine.",
    sources=(
        "https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md",
        "https://docs.vllm.ai/en/stable/getting_started/installation/cpu.html",
    ),
)


_FLAGS = ("--threads", "--threads-batch")


def check(subject: Subject) -> Iterator[Finding]:
    """One finding for each flag that the engine has and that is above."""
    command, cores = subject.command, subject.plan.machine.cpu_cores
    if command is None or cores is None:
        return
    for flag in _FLAGS:
        have = command.number(flag)
        if have is not None and have > cores:
            message = f"{flag} {have:g} is above the {cores} cores of {subject.plan.machine.name}"
            yield at_setting(RULE, subject, flag, message)
