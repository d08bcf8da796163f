"""The model may run its own code."""

from __future__ import annotations

from collections.abc import Iterator

from infra_gen.model.finding import Finding
from infra_gen.rules.contract import Rule
from infra_gen.rules.places import at_flag
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="trust-remote-code",
    severity="error",
    confidence="high",
    what="Reports `--trust-remote-code`.",
    why="Python files from the model's repository then run inside the server, with its keys and "
    "volumes. Whoever can push to that repository, or to a branch that is not pinned, runs them.",
    bad="command:\n  - --trust-remote-code",
    good="command:\n  - --revision=0499c3ac83fdef8810b907a23894ba91e95eddd8",
    fix="Drop the flag; if the model needs it, read its code, pin the revision and allow this rule.",
    sources=(
        "https://docs.vllm.ai/en/stable/usage/security/",
        "https://docs.vllm.ai/en/stable/deployment/k8s.html",
    ),
)
_FLAG = "--trust-remote-code"


def check(subject: Subject) -> Iterator[Finding]:
    """At most one finding."""
    command = subject.command
    if command is not None and command.on(_FLAG):
        revision = command.text("--revision") or "the default branch"
        message = f"code of {subject.plan.hf_id} at {revision} runs in the server"
        yield at_flag(RULE, subject, _FLAG, message)
