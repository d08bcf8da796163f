"""The Mac sleeps, and the server with it."""

from __future__ import annotations

from collections.abc import Iterator

from infra_gen.model.finding import Finding
from infra_gen.rules.contract import Rule
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="mac-may-sleep",
    severity="warning",
    confidence="high",
    what="Reports a deployment on macOS in which nothing keeps the machine awake.",
    why="A Mac without a user at it goes to sleep after minutes. Requests from the network do not "
    "wake it, and long answers stop in the middle.",
    bad="launchd/infra-gen.chat.plist alone",
    good="launchd/infra-gen.chat.awake.plist   # /usr/bin/caffeinate -is",
    fix="Keep the agent that runs caffeinate, or set `pmset -a sleep 0` and allow this rule.",
    sources=(
        "ollama/ollama#13675",
        "ollama/ollama#2955",
    ),
)


def check(subject: Subject) -> Iterator[Finding]:
    """At most one finding."""
    service = subject.service
    if service is None or service.form != "plist":
        return
    for other in subject.deployment.services:
        if any("caffeinate" in word for word in (*other.program, *other.words)):
            return
    yield RULE.finding(service.file, "no agent keeps this Mac awake while the engine runs")
