"""A container that lost its GPU stays healthy."""

from __future__ import annotations

from collections.abc import Iterator

from infra_gen.model.finding import Finding
from infra_gen.rules.contract import Rule
from infra_gen.rules.places import at_key
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="gpu-loss-unnoticed",
    severity="warning",
    confidence="high",
    what="Reports an engine on NVIDIA whose health check does not look for the GPU.",
    why="After `systemctl daemon-reload` on the host a running container can lose its GPUs (`Failed "
    "to initialize NVML: Unknown Error`). Ollama then answers from the CPU, others fail one "
    "request after another, and /health says 200.",
    bad="healthcheck:\n  test: [CMD, curl, --fail, 'http://127.0.0.1:8000/health']",
    good="healthcheck:\n  test: [CMD-SHELL, 'curl --fail http://127.0.0.1:8000/health && nvidia-smi -L']",
    fix="Add `nvidia-smi -L` to the health check; the container must then be made anew, not only "
    "restarted.",
    sources=(
        "NVIDIA/nvidia-container-toolkit#48",
        "ollama/ollama#8594",
        "NVIDIA/gpu-operator#485",
    ),
)


def check(subject: Subject) -> Iterator[Finding]:
    """At most one finding."""
    service = subject.service
    if service is None or service.native or subject.plan.machine.vendor != "nvidia":
        return
    health = service.health
    if health is None or health.disabled or not health.test:
        return  # health-check-missing speaks of that
    if "nvidia" not in " ".join(health.test):
        message = "the health check passes without a GPU"
        yield at_key(RULE, subject, service, "healthcheck.test", message)
