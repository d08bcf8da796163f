"""Numbers in the files that need more memory than was planned."""

from __future__ import annotations

from collections.abc import Iterator

from infra_gen.model.finding import Finding
from infra_gen.rules.command_line import CommandLine
from infra_gen.rules.contract import Rule
from infra_gen.rules.places import at_flag
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="memory-over-budget",
    severity="error",
    confidence="medium",
    what="Compares the memory numbers on the command line with the plan: vLLM's fraction and "
    "context length, llama.cpp's context over all slots.",
    why="vLLM stops when its share of the card is not free, and when one request of full length "
    "does not fit the cache. llama.cpp allocates its cache at once and fails, or pushes a desktop "
    "and its browser out of memory.",
    bad="command:\n  - --gpu-memory-utilization=0.99",
    good="command:\n  - --gpu-memory-utilization=0.92",
    fix="Go back to the planned number, or change the spec so that another plan is made.",
    sources=(
        "vllm-project/vllm#2248",
        "vllm-project/vllm#10439",
        "https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md",
    ),
)


def check(subject: Subject) -> Iterator[Finding]:
    """One finding for each number that is too high."""
    command = subject.command
    if command is None:
        return
    if subject.engine.name == "vllm":
        yield from _fraction(subject, command)
        yield from _length(subject, command)
    else:
        yield from _cache(subject, command)


def _fraction(subject: Subject, command: CommandLine) -> Iterator[Finding]:
    flag = "--gpu-memory-utilization"
    have, planned = command.number(flag), subject.plan.limits.memory_fraction
    if have is None or planned is None or have <= planned + 1e-9:
        return
    memory = subject.plan.memory
    more = (have - planned) * memory.visible_gib
    message = (
        f"{flag} {have:g} takes {more:.2f} GiB more of each device than the planned {planned:g}; "
        f"{memory.headroom_gib:.2f} GiB were left free beside {memory.reserved_gib:g} reserved"
    )
    yield at_flag(RULE, subject, flag, message)


def _length(subject: Subject, command: CommandLine) -> Iterator[Finding]:
    flag = "--max-model-len"
    have, room = command.number(flag), subject.plan.memory.kv_cache_tokens
    if have is not None and have > room:
        message = f"one request of {have:.0f} tokens does not fit the cache of {room} tokens"
        yield at_flag(RULE, subject, flag, message)


def _cache(subject: Subject, command: CommandLine) -> Iterator[Finding]:
    flag, plan = "--ctx-size", subject.plan
    planned = plan.limits.context * plan.limits.max_num_seqs
    have = command.number(flag)
    if have is None or have <= planned:
        return
    more = plan.memory.kv_cache_gib * (have / planned - 1)
    if more > plan.memory.headroom_gib:
        message = (
            f"{flag} {have:.0f} needs up to {more:.1f} GiB more cache than the planned {planned}; "
            f"{plan.memory.headroom_gib:.1f} GiB are free"
        )
        yield at_flag(RULE, subject, flag, message)
