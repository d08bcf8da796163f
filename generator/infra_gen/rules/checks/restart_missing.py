"""What dies stays dead."""

from __future__ import annotations

from collections.abc import Iterator

from infra_gen.model.finding import Finding
from infra_gen.rules.contract import Rule
from infra_gen.rules.places import at_key, own_key
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="restart-missing",
    severity="error",
    confidence="high",
    what="Reports long-running services that nothing starts again: no `restart` in Compose, no "
    "`KeepAlive` in launchd, no `Restart` in a unit, or none that starts them with the machine.",
    why="A crash, a full memory or a reboot of the machine then ends the service until somebody "
    "notices and starts it by hand.",
    bad="services:\n  engine:\n    restart: 'no'",
    good="services:\n  engine:\n    restart: unless-stopped",
    fix="Set `restart: unless-stopped`; in a property list `KeepAlive` to true; in a unit "
    "`Restart=always` and `WantedBy=` under [Install].",
    sources=(
        "https://github.com/compose-spec/compose-spec/blob/main/05-services.md",
        "ollama/ollama#2955",
        "https://www.freedesktop.org/software/systemd/man/latest/systemd.service.html",
    ),
)


def check(subject: Subject) -> Iterator[Finding]:
    """One finding for each such service; those that run once are left out."""
    for service in subject.deployment.services:
        planned = subject.planned(service)
        if planned is None and service.native:
            continue  # helpers beside the engine, such as one that trims logs
        if planned is not None and not planned.restart:
            continue
        if service.restart in (None, "no", ""):
            key = own_key(service, "restart")
            message = f"{service.name} is not started again after a crash or a reboot: no {key}"
            yield at_key(RULE, subject, service, "restart", message)
        elif service.at_boot is False:
            key = own_key(service, "at_boot")
            message = f"{service.name} is not started with the machine: no {key}"
            yield at_key(RULE, subject, service, "at_boot", message)
