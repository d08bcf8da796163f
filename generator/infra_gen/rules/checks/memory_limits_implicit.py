"""vLLM without the numbers that its memory depends on."""

from __future__ import annotations

from collections.abc import Iterator

from infra_gen.model.finding import Finding
from infra_gen.rules.contract import Rule
from infra_gen.rules.places import at_key
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="memory-limits-implicit",
    severity="error",
    confidence="high",
    what="Reports vLLM without `--max-model-len`, `--max-num-seqs` or `--gpu-memory-utilization`.",
    why="Left out, they come from the model's file, the card and the version: vLLM 0.20 raised the "
    "memory fraction from 0.9 to 0.92. The same file then runs here and ends in `No available "
    "memory for the cache blocks` there.",
    bad="command:\n  - Qwen/Qwen3-8B",
    good="command:\n  - Qwen/Qwen3-8B\n  - --max-model-len=5120\n  - --max-num-seqs=24\n"
    "  - --gpu-memory-utilization=0.92",
    fix="Write the three numbers that the plan was made with.",
    sources=("vllm-project/vllm#2248", "vllm-project/vllm#10439", "vllm-project/vllm#46803"),
)
_NEEDED = (
    ("--max-model-len",),
    ("--max-num-seqs",),
    ("--gpu-memory-utilization", "--kv-cache-memory-bytes"),
)


def check(subject: Subject) -> Iterator[Finding]:
    """One finding with all that is missing."""
    service, command = subject.service, subject.command
    if service is None or command is None or subject.engine.name != "vllm":
        return
    if command.of("--config"):
        return  # a file of its own may hold them
    missing = [names[0] for names in _NEEDED if command.text(*names) is None]
    if missing:
        message = f"left to the engine's defaults: {', '.join(missing)}"
        yield at_key(RULE, subject, service, "command", message)
