"""Units beside those of services: what prepares the GPU, and settings for an engine's own unit."""

from __future__ import annotations

from infra_gen.model.stack import EnvVar, Service, Stack
from infra_gen.targets.names import engine_of
from infra_gen.targets.systemd.places import unit_placement
from infra_gen.targets.unit_file import Line, Section, unit_file, variable

GPU = "gpu"


def needs_gpu_unit(stack: Stack) -> bool:
    """Whether device files are made by the driver's own tools, and must be there before a start."""
    devices = engine_of(stack).devices
    return devices is not None and devices.vendor == "nvidia"


def gpu_unit(stack: Stack) -> str:
    """The text of the unit that makes the device files."""
    lines = (
        Line("Type", "oneshot"),
        Line("RemainAfterExit", "yes"),
        Line(
            "ExecStart",
            "-/usr/bin/nvidia-smi -L",
            "Each makes files that are missing; one that is not installed is passed over",
        ),
        Line("ExecStart", "-/usr/bin/nvidia-modprobe -c 0 -u"),
        Line(
            "ProtectSystem",
            "strict",
            "Root, for that is who may make device files, and little else",
        ),
        Line("ProtectHome", "yes"),
        Line("PrivateTmp", "yes"),
        Line("PrivateNetwork", "yes"),
        Line("ProtectControlGroups", "yes"),
        Line("RestrictAddressFamilies", "AF_UNIX"),
        Line("RestrictRealtime", "yes"),
        Line("RestrictSUIDSGID", "yes"),
        Line("MemoryDenyWriteExecute", "yes"),
        Line("SystemCallArchitectures", "native"),
        Line("RestrictNamespaces", "yes"),
        Line("LockPersonality", "yes"),
    )
    order = (
        Line("Description", f"Device files of the GPUs for {stack.name}"),
        Line(
            "After",
            "nvidia-persistenced.service",
            "The driver makes them late on some machines, and a program without rights cannot",
        ),
    )
    return unit_file(
        "Makes the files in /dev that CUDA opens, before the engine starts: systemd reads the list of "
        "devices when it starts a unit, and what is missing then stays closed to it.",
        [Section("Unit", order), Section("Service", lines)],
    )


def drop_in(stack: Stack, engine: Service, unit: str) -> str:
    """The planned settings as a part of `unit`, which the engine's own installer makes."""
    places = unit_placement(stack, engine)

    def line(one: EnvVar) -> Line:
        return Line("Environment", variable(one.name, places.text(one.value)), one.because)

    return unit_file(
        f"For those who keep {unit}, which the engine's own installer makes: the planned settings on "
        f"top of it. Copy to /etc/systemd/system/{unit}.d/ and restart it. Nothing else here uses it.",
        [Section("Service", tuple(line(one) for one in engine.env))],
    )
