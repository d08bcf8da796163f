"""More people than this hardware carries."""

from __future__ import annotations

from collections.abc import Iterator

from infra_gen.model.finding import Finding
from infra_gen.rules.contract import Rule
from infra_gen.rules.places import in_spec
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="users-over-capacity",
    severity="error",
    confidence="medium",
    what="Compares `load.users` with the number of people that the plan can carry.",
    why="Beyond it requests queue at busy times, and each waits for those before it: the server "
    "answers, but nobody wants to use it.",
    bad="load:\n  users: 500   # the plan carries 46",
    good="load:\n  users: 40",
    fix="Lower load.users, choose a smaller model or quantization, or take more hardware.",
    sources=("vllm-project/vllm#8031", "vllm-project/vllm#4853", "vllm-project/vllm#2308"),
)


def check(subject: Subject) -> Iterator[Finding]:
    """At most one finding; an unknown capacity is none."""
    supported, users = subject.plan.performance.users_supported, subject.plan.users
    if supported is not None and supported < users:
        message = f"{users} users are asked for, the plan carries {supported}"
        yield in_spec(RULE, subject, "load.users", message)
