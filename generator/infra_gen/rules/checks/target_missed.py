"""A latency that the user asked for is not reached."""

from __future__ import annotations

from collections.abc import Iterator

from infra_gen.model.finding import Finding
from infra_gen.rules.contract import Rule
from infra_gen.rules.places import in_spec
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="target-missed",
    severity="error",
    confidence="medium",
    what="Compares `load.ttft_ms` and `load.tpot_ms`, where the spec sets them, with the prediction "
    "at the planned number of requests at once.",
    why="The numbers were written down because somebody relies on them. Without this finding the "
    "deployment would be handed over and miss them on the first busy day.",
    bad="load:\n  users: 40\n  ttft_ms: 50   # predicted: 435",
    good="load:\n  users: 40\n  ttft_ms: 500",
    fix="Raise the target, lower load.users, or choose a smaller model or faster hardware.",
    sources=("vllm-project/vllm#8031", "vllm-project/vllm#4853"),
)


def check(subject: Subject) -> Iterator[Finding]:
    """One finding for each target that is missed; an unknown speed is none."""
    load, speed = subject.spec.load, subject.plan.performance
    busiest = speed.peak
    wanted = (
        ("ttft_ms", load.ttft_ms, speed.meets_ttft, busiest and busiest.ttft_ms),
        ("tpot_ms", load.tpot_ms, speed.meets_tpot, busiest and busiest.tpot_ms),
    )
    for key, target, met, reached in wanted:
        if target is not None and met is False:
            have = f"{reached:.0f} ms are predicted" if reached else "more is predicted"
            message = f"{key} is {target:g}; {have} with {speed.peak_concurrency} requests at once"
            yield in_spec(RULE, subject, f"load.{key}", message)
