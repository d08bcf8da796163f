"""A model that is still loading counts as failed."""

from __future__ import annotations

from collections.abc import Iterator

from infra_gen.model.finding import Finding
from infra_gen.rules.contract import Rule
from infra_gen.rules.places import at_key, at_text
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="startup-budget-too-short",
    severity="error",
    confidence="high",
    what="Compares `start_period` of the engine's health check, in the compose file and in the "
    "Dockerfile, with the start-up time that was planned from the model's size.",
    why="Until `start_period` is over, a failing check is no failure; after it, three of them mark "
    "the container unhealthy, `docker compose up --wait` gives up, and supervisors kill a server "
    "that was loading well.",
    bad="healthcheck:\n  start_period: 30s   # planned: 420 s",
    good="healthcheck:\n  start_period: 420s",
    fix="Set start_period to the planned start-up budget or more; a longer timeout does not help.",
    sources=(
        "kserve/kserve#5062",
        "mudler/LocalAI#11733",
        "https://github.com/compose-spec/compose-spec/blob/main/05-services.md",
    ),
)


def check(subject: Subject) -> Iterator[Finding]:
    """The compose file's check, and the image's own."""
    service, budget = subject.service, subject.plan.startup.budget_s
    if service is None or service.native:
        return
    health = service.health
    if health and not health.disabled and health.start_s < budget:
        message = f"start_period is {health.start_s:g} s; the planned start takes up to {budget} s"
        yield at_key(RULE, subject, service, "healthcheck.start_period", message)
    dockerfile = subject.deployment.dockerfile_of(service)
    own = dockerfile.health if dockerfile else None
    if dockerfile and own and not own.disabled and own.start_s < budget:
        message = f"--start-period is {own.start_s:g} s; the planned start takes up to {budget} s"
        yield at_text(RULE, subject, dockerfile.file, "HEALTHCHECK", message)
