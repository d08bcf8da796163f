"""Measurements are kept for as long as nobody says."""

from __future__ import annotations

from collections.abc import Iterator

from infra_gen.model.finding import Finding
from infra_gen.rules.contract import Rule
from infra_gen.rules.places import at_key
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="retention-missing",
    severity="warning",
    confidence="high",
    what="Reports a Prometheus without a limit of time or size for what it stores.",
    why="Its default may change and says nothing about this disk, which models already fill. A full "
    "disk ends alerts first.",
    bad="command: [--config.file=/etc/prometheus/prometheus.yml]",
    good="command: [--config.file=/etc/prometheus/prometheus.yml, --storage.tsdb.retention.time=15d]",
    fix="Set `--storage.tsdb.retention.time` or `.size`.",
    sources=("https://prometheus.io/docs/prometheus/latest/storage/",),
)


def check(subject: Subject) -> Iterator[Finding]:
    """One finding for each Prometheus."""
    for service in subject.deployment.services:
        image = (service.image or "").partition("@")[0]
        if subject.role(service) != "metrics" and "prom/prometheus" not in image:
            continue
        if not any(word.startswith("--storage.tsdb.retention.") for word in service.words):
            message = f"{service.name} has no limit for what it keeps"
            yield at_key(RULE, subject, service, "command", message)
