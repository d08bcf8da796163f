"""What a preflight script asks of any Linux host, whatever runs on it."""

from __future__ import annotations

from dataclasses import dataclass

from infra_gen.model.plan import GIB, Plan
from infra_gen.model.stack import Stack
from infra_gen.targets.names import certificates, engine_of


@dataclass(frozen=True, slots=True)
class PublishedPort:
    """A port of this host, the service that takes it, and the setting that avoids it."""

    host: int
    service: str
    setting: str


@dataclass(frozen=True, slots=True)
class HostView:
    """The names below `host` in templates/scripts/_host_*.sh.j2 and each target's preflight.

    `groups`: device files belong to groups of the host whose numbers differ. Memory in MiB.
    `own_memory`: the devices have memory of their own, else they take the host's.
    """

    arch: str
    uname: str
    memory_mib: int
    model_gib: str
    model_kib: int
    gpu: bool
    nvidia: bool
    amd: bool
    intel: bool
    groups: bool
    devices: int
    own_memory: bool
    device_mib: int
    min_driver: str | None
    compute_capability: str | None
    ports: tuple[PublishedPort, ...]
    certificates: tuple[str, ...]


_SETTINGS = {
    "engine": "serve.port",
    "proxy": "serve.port",
    "metrics": "monitoring.prometheus_port",
    "dashboard": "monitoring.grafana_port",
}


def published_ports(stack: Stack) -> tuple[PublishedPort, ...]:
    """Every port that the deployment takes on the host."""
    return tuple(
        PublishedPort(port.host, service.name, _SETTINGS.get(service.role, "monitoring: false"))
        for service in stack.services
        for port in service.ports
        if port.host is not None
    )


def host_view(stack: Stack) -> HostView:
    """What the host must have."""
    plan, engine = stack.plan, engine_of(stack)
    devices = engine.devices
    vendor = devices.vendor if devices else "cpu"
    image, native = engine.image, engine.native
    if native and image and native.accelerator != image.accelerator:
        image = None  # another build than the one that the image's driver is known for
    return HostView(
        arch=plan.machine.arch,
        uname="aarch64 | arm64" if plan.machine.arch == "arm64" else plan.machine.arch,
        memory_mib=int(_host_gib(plan) * 1024),
        model_gib=f"{plan.weights.bytes / GIB:.1f} GiB",
        model_kib=_model_kib(stack),
        gpu=vendor in ("nvidia", "amd", "intel"),
        nvidia=vendor == "nvidia",
        amd=vendor == "amd",
        intel=vendor == "intel",
        groups=devices is not None and devices.vendor in ("amd", "intel"),
        devices=devices.count if devices else 0,
        own_memory=plan.machine.memory_kind == "discrete",
        device_mib=int(plan.memory.planned_gib * 1024),
        min_driver=image.min_driver if image else plan.machine.min_driver,
        compute_capability=plan.machine.compute_capability,
        ports=published_ports(stack),
        certificates=certificates(stack.front),
    )


def _model_kib(stack: Stack) -> int:
    """Disk for models: the model, or more where the user keeps more for them."""
    return max(stack.plan.weights.bytes, int(stack.storage_gib * GIB)) // 1024


def _host_gib(plan: Plan) -> float:
    """Memory of the host that must be free; without memory of its own a device takes the host's."""
    if plan.machine.memory_kind == "discrete":
        return plan.memory.host_needed_gib
    return max(plan.memory.host_needed_gib, plan.memory.planned_gib)
