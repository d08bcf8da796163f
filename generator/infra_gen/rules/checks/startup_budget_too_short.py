"""A model that is still loading counts as failed."""

from __future__ import annotations

from collections.abc import Iterator

from infra_gen.model.finding import Finding
from infra_gen.rules.contract import Rule
from infra_gen.rules.places import at_key, at_text, own_key
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="startup-budget-too-short",
    severity="error",
    confidence="high",
    what="Compares `start_period` of the engine's health check, in the compose file and in the "
    "Dockerfile, and a unit's `TimeoutStartSec`, with the start-up time that was planned from the "
    "model's size.",
    why="Until `start_period` is over, a failing check is no failure; after it, three of them mark "
    "the container unhealthy, `docker compose up --wait` gives up, and supervisors kill a server "
    "that was loading well. systemd ends a unit that is not up in time (90 s by default).",
    bad="healthcheck:\n  start_period: 30s   # planned: 420 s",
    good="healthcheck:\n  start_period: 420s",
    fix="Set start_period (TimeoutStartSec) to the planned start-up budget or more; a longer "
    "timeout does not help.",
    sources=(
        "kserve/kserve#5062",
        "mudler/LocalAI#11733",
        "https://github.com/compose-spec/compose-spec/blob/main/05-services.md",
        "https://www.freedesktop.org/software/systemd/man/latest/systemd.service.html",
    ),
)
_SYSTEMD_DEFAULT_S = 90.0


def check(subject: Subject) -> Iterator[Finding]:
    """The compose file's check, and the image's own."""
    service, budget = subject.service, _budget(subject)
    if service is None:
        return
    health, given = service.health, service.start_timeout_s
    if given is not None and given < budget:
        message = f"TimeoutStartSec is {given:g} s; the planned start takes up to {budget} s"
        yield at_key(RULE, subject, service, "start_timeout", message)
    start_s = health.start_s if health else 0.0
    if service.form == "unit":
        start_s = start_s or _SYSTEMD_DEFAULT_S
    if health and not health.disabled and start_s < budget:
        key = own_key(service, "healthcheck.start_period").rpartition(".")[2]
        message = f"{key} is {start_s:g} s; the planned start takes up to {budget} s"
        yield at_key(RULE, subject, service, "healthcheck.start_period", message)
    dockerfile = subject.deployment.dockerfile_of(service)
    own = dockerfile.health if dockerfile else None
    if dockerfile and own and not own.disabled and own.start_s < budget:
        message = f"--start-period is {own.start_s:g} s; the planned start takes up to {budget} s"
        yield at_text(RULE, subject, dockerfile.file, "HEALTHCHECK", message)


def _budget(subject: Subject) -> int:
    """Seconds until the engine answers. Where a warm-up loads the model, that is not the loading."""
    probe = subject.stack.service("engine").probe
    if probe and subject.stack.has("warmup"):
        return probe.start_s
    return subject.plan.startup.budget_s
