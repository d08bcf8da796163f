"""More requests at once than were planned for."""

from __future__ import annotations

from collections.abc import Iterator

from infra_gen.model.finding import Finding
from infra_gen.rules.contract import Rule
from infra_gen.rules.places import at_setting
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="concurrency-over-plan",
    severity="warning",
    confidence="medium",
    what="Reports `--max-num-seqs`, `--parallel` or `OLLAMA_NUM_PARALLEL` above the number in the "
    "plan.",
    why="Every request in the batch slows all the others, and long ones no longer fit the cache "
    "together: vLLM then throws requests out and starts them again. The latencies in the README "
    "were predicted for the planned number.",
    bad="command:\n  - --max-num-seqs=256   # planned: 24",
    good="command:\n  - --max-num-seqs=24",
    fix="Raise `load.users` in infra-gen.yaml instead and run `infra-gen update`.",
    sources=("vllm-project/vllm#2308", "vllm-project/vllm#8031"),
)


def check(subject: Subject) -> Iterator[Finding]:
    """At most one finding."""
    command = subject.command
    if command is None:
        return
    name = subject.engine.facts.knobs.concurrency
    have, planned = command.setting_number(name), subject.plan.limits.max_num_seqs
    if name and have is not None and have > planned:
        message = f"{name} {have:g} is above the planned {planned}"
        yield at_setting(RULE, subject, name, message)
