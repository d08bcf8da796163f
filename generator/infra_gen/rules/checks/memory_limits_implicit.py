"""The numbers that memory depends on are left to the engine."""

from __future__ import annotations

from collections.abc import Iterator

from infra_gen.model.finding import Finding
from infra_gen.rules.command_line import CommandLine
from infra_gen.rules.contract import Rule
from infra_gen.rules.places import at_key
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="memory-limits-implicit",
    severity="error",
    confidence="high",
    what="Reports an engine without the numbers that its memory depends on, or with values such as "
    "`auto` in their place: context, requests at once, memory fraction, layers on the GPU, shards, "
    "whichever the engine chooses by the machine when they are left out.",
    why="The same file then behaves differently on every machine and in every version. vLLM 0.20 "
    "raised its memory fraction from 0.9 to 0.92 and ends in `No available memory for the cache "
    "blocks`. llama-server takes four slots and as many layers as fit. Ollama cuts prompts after "
    "4096 tokens on small cards, without a word.",
    bad="command:\n  - Qwen/Qwen3-8B",
    good="command:\n  - Qwen/Qwen3-8B\n  - --max-model-len=5120\n  - --max-num-seqs=24\n"
    "  - --gpu-memory-utilization=0.92",
    fix="Write the numbers that the plan was made with.",
    sources=(
        "vllm-project/vllm#2248",
        "vllm-project/vllm#10439",
        "vllm-project/vllm#46803",
        "https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md",
        "https://github.com/ollama/ollama/blob/main/docs/faq.mdx",
        "ollama/ollama#8099",
    ),
)
# What else says the same, where the engine has it: bytes of cache in place of a fraction.
_INSTEAD = {"memory_fraction": "--kv-cache-memory-bytes"}


def check(subject: Subject) -> Iterator[Finding]:
    """One finding with all that is missing or automatic."""
    service, command = subject.service, subject.command
    if service is None or command is None:
        return
    if command.of("--config"):
        return  # a file of its own may hold them
    knobs = subject.engine.facts.knobs
    missing = [
        str(getattr(knobs, field)) for field in knobs.explicit if _left_out(subject, command, field)
    ]
    if missing:
        key = "command" if any(name.startswith("-") for name in missing) else "environment"
        message = f"left to {subject.title}: {', '.join(missing)}"
        yield at_key(RULE, subject, service, key, message)


def _left_out(subject: Subject, command: CommandLine, field: str) -> bool:
    knobs, limits = subject.engine.facts.knobs, subject.plan.limits
    if field == "memory_fraction" and limits.memory_fraction is None:
        return False  # such as on a CPU
    value = command.setting(getattr(knobs, field))
    if value is None and field in _INSTEAD:
        value = command.text(_INSTEAD[field])
    return value is None or value in knobs.automatic.get(field, ())
