"""What a compose service may use and what it may not: devices, limits, health, privileges."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from infra_gen.model.stack import Devices, Probe, Service, Stack
from infra_gen.render.yamldoc import Noted
from infra_gen.targets.health import health_command
from infra_gen.targets.names import image_of, is_built


def literal(text: str) -> str:
    """`text` as compose reads it back: it would replace $NAME by a variable."""
    return text.replace("$", "$$")


def healthcheck(probe: Probe, devices: Devices | None) -> Noted:
    """The probe as a health check; start-up time is grace, not a longer timeout."""
    command = health_command(probe)
    note = f"Asks the program where it really listens. Up to {probe.start_s} s of start are no failure."
    test = ["CMD", *command]
    if devices and devices.vendor == "nvidia":
        note += " nvidia-smi: after `systemctl daemon-reload` a container can lose its GPUs."
        test = ["CMD-SHELL", f"{shlex.join(command)} && nvidia-smi -L > /dev/null"]
    return Noted(
        {
            "test": [literal(word) for word in test],
            "interval": f"{probe.interval_s}s",
            "timeout": f"{probe.timeout_s}s",
            "retries": probe.retries,
            "start_period": f"{probe.start_s}s",
        },
        note,
    )


def hardware(service: Service) -> dict[str, object]:
    """Memory, shared memory and accelerators."""
    body: dict[str, object] = {}
    resources = service.resources
    if resources.memory_mib:
        body["mem_limit"] = f"{resources.memory_mib}m"
    if resources.cpus:
        body["cpus"] = resources.cpus
    if resources.shm_mib:
        note = (
            "Shared memory between the engine's processes; Docker's default of 64 MiB is too small."
        )
        body["shm_size"] = Noted(f"{resources.shm_mib}m", note)
    if service.devices and service.devices.vendor != "cpu":
        body.update(_devices(service.devices, image_of(service).runtime))
    if service.devices and service.role == "engine":
        note = "Buffers that the accelerator reads directly must not be swapped out."
        body["ulimits"] = Noted({"memlock": {"soft": -1, "hard": -1}}, note)
    return body


def _devices(devices: Devices, runtime: str | None) -> dict[str, object]:
    if runtime:
        note = (
            "This board's GPU is reached through its container runtime, not as a reserved device."
        )
        return {"runtime": Noted(runtime, note)}
    if devices.vendor == "nvidia":
        wanted = {"driver": "nvidia", "count": devices.count, "capabilities": ["gpu"]}
        return {"deploy": {"resources": {"reservations": {"devices": [wanted]}}}}
    nodes = ["/dev/kfd:/dev/kfd"] if devices.accelerator == "rocm" else []
    groups = [f"${{{group}_GID:?is not set, README.md says how}}" for group in ("VIDEO", "RENDER")]
    return {
        "devices": [*nodes, "/dev/dri:/dev/dri"],
        "group_add": Noted(groups, "Who may open those devices; the numbers differ between hosts."),
    }


def runs_as_plain_user(stack: Stack, service: Service) -> bool:
    """Whether the service can run as its image's plain user with a read-only root.

    A new volume belongs to root unless the image holds its folder: so with the official image only
    a service that writes to no volume gives up root.
    """
    image = image_of(service)
    if image.user is None or is_built(stack, service) or service.role == "metrics":
        return image.user is not None
    return all(mount.read_only or mount.path in image.open_folders for mount in service.mounts)


@dataclass(frozen=True, slots=True)
class Confinement:
    """What a container may not do, each with its reason.

    `user` is uid:gid where the image would run as somebody else. `keeps` are the capabilities that
    are not taken away. `tmp` are the options of the /tmp in memory of a read-only container.
    """

    user: str | None
    read_only: bool
    drop_because: str
    keeps: tuple[str, ...]
    keep_because: str
    tmp: str
    tmp_because: str


def confinement(stack: Stack, service: Service) -> Confinement:
    """User, capabilities and a root file system that nothing can write to."""
    plain = runs_as_plain_user(stack, service)
    root = "This image is made to run as root; without capabilities that root is a plain user."
    executable = service.role == "engine"
    return Confinement(
        user=image_of(service).user if plain and not is_built(stack, service) else None,
        read_only=plain,
        drop_because="No capability is needed." if plain else root,
        keeps=image_of(service).capabilities,
        keep_because="Its program carries this capability and does not start without it.",
        tmp="exec,mode=1777" if executable else "",
        tmp_because="exec: kernels compiled at run time are loaded from here."
        if executable
        else "",
    )


def hardening(stack: Stack, service: Service) -> dict[str, object]:
    """The confinement as keys of a compose service."""
    body: dict[str, object] = {}
    wanted = confinement(stack, service)
    if wanted.user:
        body["user"] = wanted.user
    body["cap_drop"] = Noted(["ALL"], wanted.drop_because)
    if wanted.keeps:
        body["cap_add"] = Noted(list(wanted.keeps), wanted.keep_because)
    body["security_opt"] = ["no-new-privileges:true"]
    if wanted.read_only:
        body["read_only"] = True
        # /tmp is a tmpfs of that container alone
        tmp = Noted(f"/tmp:{wanted.tmp}", wanted.tmp_because) if wanted.tmp else "/tmp"  # noqa: S108
        body["tmpfs"] = [tmp]
    return body
