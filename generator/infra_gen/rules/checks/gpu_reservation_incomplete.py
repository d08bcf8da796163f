"""A GPU deployment whose container is not given the GPU."""

from __future__ import annotations

from collections.abc import Iterator

from infra_gen.model.finding import Finding
from infra_gen.rules.contract import Rule
from infra_gen.rules.places import at_key
from infra_gen.rules.service import Reservation, Service
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="gpu-reservation-incomplete",
    severity="error",
    confidence="high",
    what="Checks that an engine planned for NVIDIA reserves devices with a driver, the capability "
    "`gpu` and exactly one of `count` and `device_ids`, and that one planned for AMD is given "
    "/dev/kfd and /dev/dri, for "
    "Intel /dev/dri. A Quadlet must add the NVIDIA devices by their CDI name.",
    why="Compose refuses an entry without `capabilities` or with both `count` and `device_ids`. "
    "Without any entry the container starts and sees no GPU: vLLM stops, llama.cpp quietly uses "
    "the CPU.",
    bad="deploy:\n  resources:\n    reservations:\n      devices:\n        - count: 1",
    good="deploy:\n  resources:\n    reservations:\n      devices:\n        - driver: nvidia\n"
    "          count: 1\n          capabilities: [gpu]",
    fix="Write driver, one of count and device_ids, and capabilities; for AMD list both devices.",
    sources=(
        "https://docs.docker.com/compose/gpu-support",
        "NVIDIA/nvidia-docker#1682",
        "https://docs.vllm.ai/en/stable/deployment/k8s.html",
        "https://docs.podman.io/en/latest/markdown/podman-systemd.unit.5.html",
    ),
)
_KEY = "deploy.resources.reservations.devices"
_NODES = {"rocm": ("/dev/kfd", "/dev/dri"), "vulkan": ("/dev/dri",), "xpu": ("/dev/dri",)}


def check(subject: Subject) -> Iterator[Finding]:
    """What is missing, one finding each."""
    service, vendor = subject.service, subject.plan.machine.vendor
    if service is None or service.native:
        return
    if vendor == "nvidia":
        yield from _nvidia(subject, service)
    else:
        devices = subject.stack.service("engine").devices
        wanted = _NODES.get(devices.accelerator, ()) if devices else ()
        missing = [node for node in wanted if not any(d.startswith(node) for d in service.devices)]
        if missing:
            message = f"the engine is not given {' and '.join(missing)}"
            yield at_key(RULE, subject, service, "devices", message)


def _nvidia(subject: Subject, service: Service) -> Iterator[Finding]:
    image = subject.stack.service("engine").image
    runtime = image.runtime if image else None
    if runtime:
        if service.runtime != runtime and not service.cdi_devices:
            message = f"this board's GPU is reached through the container runtime {runtime} alone"
            yield at_key(RULE, subject, service, "runtime", message)
    elif not (service.reservations or service.cdi_devices or service.runtime):
        message = (
            f"no GPU is reserved; the plan needs {subject.plan.parallelism.devices_per_replica}"
        )
        yield at_key(RULE, subject, service, _KEY, message)
    for number, entry in enumerate(service.reservations):
        problems = ", ".join(_problems(entry))
        if problems:
            message = f"the device reservation has {problems}"
            yield at_key(RULE, subject, service, f"{_KEY}.{number}", message)


def _problems(entry: Reservation) -> Iterator[str]:
    if entry.driver is None:
        yield "no driver"
    if entry.count is None and entry.device_ids is None:
        yield "neither count nor device_ids"
    if entry.count is not None and entry.device_ids is not None:
        yield "both count and device_ids"
    if not {"gpu", "nvidia"} & set(entry.capabilities) and entry.driver != "cdi":
        yield "no capability gpu"
