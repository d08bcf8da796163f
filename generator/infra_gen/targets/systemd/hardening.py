"""What a unit may not do: every right that its program does not need is taken, with the reason.

What cannot be taken is said too, so that nobody adds it at night and wonders.
"""

from __future__ import annotations

from collections.abc import Iterator

from infra_gen.model.stack import Devices, Service, Stack
from infra_gen.targets.names import engine_of
from infra_gen.targets.systemd.places import ONCE, volume_folder
from infra_gen.targets.unit_file import Line, path

_LOWEST_FREE_PORT = 1024
_HOMES = ("/home/", "/root/", "/run/user/")


def hardening(stack: Stack, service: Service) -> tuple[Line, ...]:
    """The lines of [Service] that close it in."""
    return (
        *_rights(service),
        *_files(stack, service),
        *_devices(service.devices),
        *_kernel(service),
        *_network(service),
        *_calls(stack, service),
    )


def low_ports(service: Service) -> bool:
    """Whether it listens where only root may."""
    return any(port.container < _LOWEST_FREE_PORT for port in service.ports)


def _rights(service: Service) -> Iterator[Line]:
    yield Line("NoNewPrivileges", "yes", "No program that it starts gets more rights than it has")
    if low_ports(service):
        yield Line(
            "CapabilityBoundingSet", "CAP_NET_BIND_SERVICE", "It listens on a port below 1024"
        )
        yield Line("AmbientCapabilities", "CAP_NET_BIND_SERVICE")
    else:
        yield Line("CapabilityBoundingSet", "", "No capability is needed")
        yield Line("AmbientCapabilities", "")
    if service.devices is None and not low_ports(service):
        yield Line("PrivateUsers", "yes", "Other users of this machine do not exist for it")
    yield Line("UMask", "0077", "What it writes is for it alone")


def _files(stack: Stack, service: Service) -> Iterator[Line]:
    yield Line("ProtectSystem", "strict", "Everything is read-only but the folders named here")
    shown = _in_home(stack, service)
    if shown:
        yield Line("ProtectHome", "tmpfs", "Homes are empty, but for the folder of models")
        key = "BindPaths" if service.role == "fetch" else "BindReadOnlyPaths"
        yield Line(key, path(shown))
    else:
        yield Line("ProtectHome", "yes", "Homes are out of sight")
    yield Line("PrivateTmp", "yes", "A /tmp of its own, gone when it stops")
    for mount in service.mounts:
        folder = volume_folder(stack, mount.volume)
        because = mount.because
        if mount.read_only or folder == shown:
            continue
        if folder.startswith("/var/lib/"):
            yield Line("StateDirectory", folder.removeprefix("/var/lib/"), because)
        elif folder.startswith("/var/cache/"):
            yield Line("CacheDirectory", folder.removeprefix("/var/cache/"), because)
        else:
            yield Line("ReadWritePaths", path(folder), because)


def _in_home(stack: Stack, service: Service) -> str | None:
    """The folder of models, where that lies in somebody's home."""
    for mount in service.mounts:
        folder = volume_folder(stack, mount.volume)
        if f"{folder}/".startswith(_HOMES):
            return folder
    return None


Allowed = tuple[tuple[str, str], ...]
_NVIDIA: Allowed = (
    ("char-nvidia*", "the GPUs, their memory and their compute nodes"),
    ("/dev/dxg", ""),
)
_AMD: Allowed = (("char-kfd", "compute"), ("char-drm", "memory of the GPU"))
_DRM: Allowed = (("char-drm", "the GPU"),)


def _devices(devices: Devices | None) -> Iterator[Line]:
    if devices is None:
        yield Line("PrivateDevices", "yes", "No device but /dev/null and its like")
        return
    allowed = {"nvidia": _NVIDIA, "amd": _AMD}.get(devices.vendor, _DRM)
    if devices.accelerator == "vulkan" and allowed is _NVIDIA:
        allowed = (*_NVIDIA, ("char-drm", "Vulkan finds the GPU by it"))
    yield Line(
        "DevicePolicy",
        "closed",
        "Of all devices the accelerator alone, and /dev/null and its like; PrivateDevices would hide it",
    )
    for name, because in allowed:
        yield Line("DeviceAllow", f"{name} rw", because)
    if devices.vendor in ("amd", "intel"):
        yield Line("SupplementaryGroups", "video render", "These groups may open the GPU's files")
    yield Line("LimitMEMLOCK", "infinity", "Buffers that the GPU reads directly stay in memory")


def _kernel(service: Service) -> Iterator[Line]:
    yield Line(
        "ProtectKernelTunables", "yes", "The kernel and the system's settings are not its business"
    )
    for key in ("ProtectKernelModules", "ProtectKernelLogs", "ProtectControlGroups",
                "ProtectClock", "ProtectHostname"):  # fmt: skip
        yield Line(key, "yes")
    # These share their user with the engine: what they cleaned up could be the engine's.
    if service.role not in ONCE:
        yield Line("RemoveIPC", "yes", "Shared memory that a killed process left is freed")
    yield Line(
        "ProtectProc",
        "invisible",
        "It sees no process of others. Not ProcSubset=pid: memory and processors are read in /proc",
    )
    yield Line("KeyringMode", "private")
    yield Line("RestrictNamespaces", "yes", "No containers, no foreign code formats, no real-time "
               "priority, no files that run as their owner")  # fmt: skip
    for key in ("LockPersonality", "RestrictRealtime", "RestrictSUIDSGID"):
        yield Line(key, "yes")


def _network(service: Service) -> Iterator[Line]:
    yield Line(
        "RestrictAddressFamilies",
        "AF_UNIX AF_INET AF_INET6 AF_NETLINK",
        "Ordinary sockets, and the one that lists the machine's own addresses",
    )
    if service.role != "engine":
        return
    if service.native and service.native.method == "python":
        yield Line(
            "# IPAddressDeny",
            "any",
            "Not used: processes of torch.distributed also meet at this machine's own address",
        )
        return
    yield Line(
        "IPAddressDeny",
        "any",
        "It talks to this machine alone: clients come through the proxy or from here, and models "
        "are brought by another unit",
    )
    yield Line("IPAddressAllow", "localhost")


def _calls(stack: Stack, service: Service) -> Iterator[Line]:
    # Downloads and warm-ups run programs of the engine's.
    native = service.native or (engine_of(stack).native if service.role in ONCE else None)
    compiles = native is not None and native.method == "python"
    drivers = service.devices is not None and service.devices.accelerator == "vulkan"
    if compiles or drivers:
        who = "Python libraries" if compiles else "Vulkan drivers"
        yield Line(
            "# MemoryDenyWriteExecute",
            "yes",
            f"Not used: {who} write code into memory and run it",
        )
    else:
        yield Line("MemoryDenyWriteExecute", "yes", "No memory is written and then run as code")
    yield Line("SystemCallArchitectures", "native", "Only calls that services need; others fail")
    yield Line("SystemCallFilter", "@system-service")
    # Engines pin threads to processors and memory to nodes, which is @resources.
    plain = service.role in ("proxy", "fetch")
    yield Line("SystemCallFilter", "~@privileged @resources" if plain else "~@privileged")
    yield Line("SystemCallErrorNumber", "EPERM")
