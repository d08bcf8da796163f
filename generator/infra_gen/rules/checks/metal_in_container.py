"""A container on a Mac, where no container reaches the GPU."""

from __future__ import annotations

from collections.abc import Iterator

from infra_gen.model.finding import Finding
from infra_gen.rules.contract import Rule
from infra_gen.rules.places import at_key
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="metal-in-container",
    severity="error",
    confidence="high",
    what="Reports an engine in a container on macOS.",
    why="Containers on a Mac run in a Linux machine without Metal: the CPU does all the work. One "
    "comparison measured 0.15 tokens a second in Docker and 28.64 outside.",
    bad="target: compose   # hardware: apple-m3",
    good="target: launchd",
    fix="Use `target: launchd`: the engine then runs on the host.",
    sources=("ollama/ollama#3849", "compdemocracy/polis#2260"),
)


def check(subject: Subject) -> Iterator[Finding]:
    """At most one finding."""
    service, machine = subject.service, subject.plan.machine
    if service is not None and not service.native and machine.os == "macos":
        message = f"on {machine.name} this container has no GPU"
        yield at_key(RULE, subject, service, "image", message)
