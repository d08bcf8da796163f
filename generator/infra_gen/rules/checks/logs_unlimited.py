"""Logs grow until the disk is full."""

from __future__ import annotations

from collections.abc import Iterator

from infra_gen.model.finding import Finding
from infra_gen.rules.contract import Rule
from infra_gen.rules.places import at_key
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="logs-unlimited",
    severity="warning",
    confidence="high",
    what="Reports containers whose log has no limit, and launchd agents that write logs which nothing "
    "trims.",
    why="Docker's default keeps every line for ever, and launchd rotates nothing. A busy server "
    "writes gigabytes in weeks; a full disk then stops it, its monitoring and whatever else is on"
    " the machine.",
    bad="image: x   # no logging",
    good="logging:\n  driver: json-file\n  options: {max-size: 10m, max-file: '3'}",
    fix="Set `max-size`, use the `local` or `journald` driver, or keep the agent that trims logs.",
    sources=(
        "https://docs.docker.com/engine/logging/drivers/json-file/",
        "https://github.com/compose-spec/compose-spec/blob/main/05-services.md",
    ),
)


_TRIMS = "rotate-logs"


def check(subject: Subject) -> Iterator[Finding]:
    """One finding for each such service."""
    trimmed = any(
        service.form == "plist" and any(_TRIMS in word for word in service.words)
        for service in subject.deployment.services
    )
    for service in subject.deployment.services:
        text = subject.deployment.files.get(service.file, "")
        if service.logs_limited is False:
            message = f"the log of {service.name} has no limit"
            yield at_key(RULE, subject, service, "logging", message)
        elif service.form == "plist" and not trimmed and "<key>StandardOutPath</key>" in text:
            message = f"nothing trims the log of {service.name}"
            yield at_key(RULE, subject, service, "logging", message)
