"""An image, or a quantization, that this machine's chip cannot run."""

from __future__ import annotations

import re
from collections.abc import Iterator

from infra_gen.model.engine_facts import ImageFacts
from infra_gen.model.finding import Finding
from infra_gen.rules.contract import Rule
from infra_gen.rules.places import at_flag
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="architecture-not-in-image",
    severity="error",
    confidence="high",
    what="Compares the engine's image with the machine: processor, GPU vendor, the compute "
    "capabilities that the image has kernels for, and the lowest one that the quantization needs.",
    why="The engine stops with `no kernel image is available for execution on the device`, `exec "
    "format error`, or finds no accelerator at all.",
    bad="FROM vllm/vllm-openai-rocm:v0.33.0   # on an RTX 4090",
    good="FROM vllm/vllm-openai:v0.33.0",
    fix="Use the image for this machine; `infra-gen plan` names it.",
    sources=("vllm-project/vllm#16901", "vllm-project/vllm#18995", "vllm-project/vllm#13306"),
)

_HUB = "docker.io/"
_ACCELERATORS = {
    "nvidia": ("cuda", "vulkan"),
    "amd": ("rocm", "vulkan"),
    "intel": ("xpu", "vulkan"),
    "habana": ("hpu",),
    "cpu": ("cpu",),
}


def check(subject: Subject) -> Iterator[Finding]:
    """The image against the machine, then the quantization against it."""
    service, machine = subject.service, subject.plan.machine
    if service is None or service.native:
        return
    for reference, file, line in _images(subject):
        # One tag may be several images, by processor or by device: one that fits is enough.
        found = [list(_problems(facts, subject)) for facts in _facts_of(reference, subject)]
        for problem in min(found, key=len, default=()):
            yield RULE.finding(file, f"{reference} {problem} {machine.name}", line=line)
    yield from _quantization(subject)


def _quantization(subject: Subject) -> Iterator[Finding]:
    command, have = subject.command, subject.plan.machine.compute_capability
    method = command.text("--quantization") if command else None
    lowest = subject.engine.min_capability.get(method or "")
    if lowest is None or have is None:
        return
    need = lowest / 10 if lowest >= 20 else lowest  # tables write 75 for 7.5
    if _number(have) < need:
        message = f"--quantization {method} needs compute capability {need:g}; this GPU has {have}"
        yield at_flag(RULE, subject, "--quantization", message)


def _images(subject: Subject) -> Iterator[tuple[str, str, int | None]]:
    """(reference, file, line) of what the engine's container is made from."""
    service, deployment = subject.service, subject.deployment
    if service is None:
        return
    dockerfile = deployment.dockerfile_of(service)
    if dockerfile:
        for reference, base_line in dockerfile.bases:
            yield reference, dockerfile.file, base_line
    elif service.image:
        line = deployment.line_at(service.file, f"{service.key_path}.image")
        yield service.image, service.file, line


def _facts_of(reference: str, subject: Subject) -> Iterator[ImageFacts]:
    """The official images that `reference` is, whatever its version."""
    name, _, tag = reference.partition("@")[0].rpartition(":")
    for image in subject.engine.facts.images:
        pattern = re.escape(image.tag).replace(re.escape("{version}"), r"[\d.]+(?:rc\d+)?")
        same = image.repository.removeprefix(_HUB) == name.removeprefix(_HUB)
        if same and re.fullmatch(pattern, tag):
            yield image


def _problems(facts: ImageFacts, subject: Subject) -> Iterator[str]:
    machine = subject.plan.machine
    platform = {"x86_64": "linux/amd64", "arm64": "linux/arm64"}.get(machine.arch, machine.arch)
    if platform not in facts.platforms:
        yield f"is built for {', '.join(facts.platforms)}, not for the {machine.arch} of"
    if facts.accelerator not in _ACCELERATORS.get(machine.vendor, ("vulkan", "cpu")):
        yield f"is made for {facts.accelerator}, not for"
    have = machine.compute_capability
    floors = [*(facts.compute_capabilities or ()), facts.min_compute_capability]
    lowest = min((floor for floor in floors if floor is not None), default=None)
    if have and lowest is not None and facts.accelerator == "cuda" and _number(have) < lowest:
        yield f"needs compute capability {lowest:g}, above the {have} of"
    if facts.gfx and machine.gfx and machine.gfx not in facts.gfx:
        yield f"has code for {', '.join(facts.gfx)}, not for the {machine.gfx} of"


def _number(capability: str) -> float:
    try:
        return float(capability)
    except ValueError:
        return float("inf")
