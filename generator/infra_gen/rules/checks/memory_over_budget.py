"""Numbers in the files that need more memory than was planned."""

from __future__ import annotations

from collections.abc import Iterator

from infra_gen.model.finding import Finding
from infra_gen.rules.command_line import CommandLine
from infra_gen.rules.contract import Rule
from infra_gen.rules.places import at_setting
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="memory-over-budget",
    severity="error",
    confidence="medium",
    what="Compares the memory numbers on the command line and in variables with the plan: the "
    "fraction and the length of one request, or the context over all slots where the cache is made "
    "for them.",
    why="vLLM stops when its share of the card is not free, and when one request of full length "
    "does not fit the cache. llama.cpp and Ollama allocate their cache at once and fail, push "
    "layers to the CPU, or a desktop and its browser out of memory.",
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
    if subject.engine.facts.knobs.memory_fraction:
        yield from _fraction(subject, command)
        yield from _length(subject, command)
    else:
        yield from _cache(subject, command)


def _fraction(subject: Subject, command: CommandLine) -> Iterator[Finding]:
    facts = subject.engine.facts
    flag, planned = facts.knobs.memory_fraction or "", subject.plan.limits.memory_fraction
    written = command.setting_number(flag)
    have = facts.memory.fraction_default.value if written is None else written
    if have is None or planned is None or have <= planned + 1e-9:
        return
    if written is None and command.text("--kv-cache-memory-bytes"):
        return  # bytes of cache take the fraction's place
    memory = subject.plan.memory
    more = (have - planned) * memory.visible_gib
    said = f"{flag} {have:g}" if written is not None else f"{flag} is not set, so {have:g}: that"
    message = (
        f"{said} takes {more:.2f} GiB more of each device than the planned {planned:g}; "
        f"{memory.headroom_gib:.2f} GiB were left free beside {memory.reserved_gib:g} reserved"
    )
    yield at_setting(RULE, subject, flag, message)


def _length(subject: Subject, command: CommandLine) -> Iterator[Finding]:
    """The cache is what memory is left: one request must fit it."""
    name = subject.engine.facts.knobs.context or ""
    have, room = command.setting_number(name), subject.plan.memory.kv_cache_tokens
    if have is not None and have > room:
        message = f"one request of {have:.0f} tokens does not fit the cache of {room} tokens"
        yield at_setting(RULE, subject, name, message)


def _cache(subject: Subject, command: CommandLine) -> Iterator[Finding]:
    """The cache is made for all requests at once, as large as they may become."""
    knobs, plan = subject.engine.facts.knobs, subject.plan
    name, slots = knobs.context or "", plan.limits.max_num_seqs
    planned, have = plan.limits.context * slots, command.setting_number(name)
    if have is None:
        return
    if not knobs.context_shared:
        have *= command.setting_number(knobs.concurrency) or slots
    if have <= planned:
        return
    more = plan.memory.kv_cache_gib * (have / planned - 1)
    if more > plan.memory.headroom_gib:
        message = (
            f"{have:.0f} tokens by {name} need up to {more:.1f} GiB more cache than the planned "
            f"{planned}; {plan.memory.headroom_gib:.1f} GiB are free"
        )
        yield at_setting(RULE, subject, name, message)
