"""Nothing tells whether the engine answers."""

from __future__ import annotations

from collections.abc import Iterator

from infra_gen.model.finding import Finding
from infra_gen.rules.contract import Rule
from infra_gen.rules.places import at_key
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="health-check-missing",
    severity="error",
    confidence="high",
    what="Reports an engine container without a health check of its own and none in a Dockerfile "
    "of this deployment, or with one that is switched off.",
    why="`docker compose up --wait` then reports success while the model is still loading, and a "
    "dead engine looks like a running one. The check inside llama.cpp's image asks a fixed port.",
    bad="healthcheck:\n  disable: true",
    good="healthcheck:\n  test: [CMD, curl, --fail, 'http://127.0.0.1:9931/health']",
    fix="Write a health check that asks the engine's own port.",
    sources=("NVIDIA/nvidia-container-toolkit#48", "ggml-org/llama.cpp#10262"),
)


def check(subject: Subject) -> Iterator[Finding]:
    """At most one finding."""
    service = subject.service
    if service is None or service.native:
        return
    dockerfile = subject.deployment.dockerfile_of(service)
    health = service.health or (dockerfile.health if dockerfile else None)
    if health is None:
        message = "no health check, and none that this tree's image would bring"
        yield at_key(RULE, subject, service, "healthcheck", message)
    elif health.disabled or not health.test:
        yield at_key(RULE, subject, service, "healthcheck", "the health check is switched off")
