"""What dies stays dead."""

from __future__ import annotations

from collections.abc import Iterator

from infra_gen.model.finding import Finding
from infra_gen.rules.contract import Rule
from infra_gen.rules.places import at_key
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="restart-missing",
    severity="error",
    confidence="high",
    what="Reports long-running services that nothing starts again: no `restart` in Compose, no "
    "`KeepAlive` in launchd.",
    why="A crash, a full memory or a reboot of the machine then ends the service until somebody "
    "notices and starts it by hand.",
    bad="services:\n  engine:\n    restart: 'no'",
    good="services:\n  engine:\n    restart: unless-stopped",
    fix="Set `restart: unless-stopped`, in a property list `KeepAlive` to true.",
    sources=(
        "https://github.com/compose-spec/compose-spec/blob/main/05-services.md",
        "ollama/ollama#2955",
    ),
)


def check(subject: Subject) -> Iterator[Finding]:
    """One finding for each such service; those that run once are left out."""
    once = subject.fetch_names
    for service in subject.deployment.services:
        if service.name in once or (service.native and service.name != "engine"):
            continue
        if service.restart in (None, "no", ""):
            key = "KeepAlive" if service.native else "restart"
            message = f"{service.name} is not started again after a crash or a reboot: no {key}"
            yield at_key(RULE, subject, service, "restart", message)
