"""A service starts before what it needs is there."""

from __future__ import annotations

from collections.abc import Iterator

from infra_gen.model.finding import Finding
from infra_gen.model.stack import Service as Planned
from infra_gen.rules.contract import Rule
from infra_gen.rules.places import at_key
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="started-before-ready",
    severity="warning",
    confidence="high",
    what="Compares what each service waits for with the plan: a download that is complete, a server "
    "that is healthy.",
    why="The engine then starts without its model and ends, or downloads it a second time. The proxy "
    "answers 502 while the model loads, and clients take that for an outage.",
    bad="proxy:\n  depends_on: [engine]",
    good="proxy:\n  depends_on:\n    engine:\n      condition: service_healthy",
    fix="Wait for `service_completed_successfully` of what runs once and `service_healthy` of a "
    "server.",
    sources=(
        "https://github.com/compose-spec/compose-spec/blob/main/05-services.md",
        "https://docs.podman.io/en/latest/markdown/podman-systemd.unit.5.html",
    ),
)


def check(subject: Subject) -> Iterator[Finding]:
    """One finding for each service that is not waited for."""
    there = {service.name for service in subject.deployment.services}
    for service in subject.deployment.services:
        planned, waits = subject.planned(service), service.waits_for
        if planned is None or waits is None:
            continue
        for name in planned.needs:
            if name not in there:
                continue
            wanted = _wanted(subject, name)
            if name not in waits:
                message = f"{service.name} does not wait for {name}"
            elif wanted not in ("service_started", waits[name]):
                message = f"{service.name} waits for {name} until {waits[name]}, not {wanted}"
            else:
                continue
            yield at_key(RULE, subject, service, "depends_on", message)


def _wanted(subject: Subject, name: str) -> str:
    needed: Planned = next(one for one in subject.stack.services if one.name == name)
    if not needed.restart:
        return "service_completed_successfully"
    return "service_healthy" if needed.probe else "service_started"
