"""The units of a Quadlet deployment: network, volumes, the image that is built, containers."""

from __future__ import annotations

from infra_gen.model.filetree import File
from infra_gen.model.stack import Service, Stack
from infra_gen.targets.names import engine_of, is_built
from infra_gen.targets.quadlet.container import container_lines
from infra_gen.targets.quadlet.names import (
    UNITS,
    image_reference,
    unit_name,
    volume_name,
)
from infra_gen.targets.unit_file import Line, Section, unit_file

_PURPOSE = {
    "engine": "The inference server.",
    "fetch": "Downloads the model once, then ends; the engine starts only after it succeeded.",
    "warmup": "Loads the model into memory once the engine is up, then ends.",
    "proxy": "The only way in: listed routes, the key, limits, measurements.",
    "metrics": "Reads the metrics of the others and evaluates the alerts.",
    "dashboard": "Shows the dashboards.",
    "exporter": "Measures the GPUs.",
}
_SHORT = {
    "engine": "inference server",
    "fetch": "download of the model",
    "warmup": "loading of the model",
    "proxy": "proxy",
    "metrics": "Prometheus",
    "dashboard": "dashboards",
    "exporter": "GPU metrics",
}
_PULL_S = 900  # for an image that bin/install did not bring, or that was removed since
_REMOVE_S = 15  # podman removes the container after the program has ended
_ENDLESS = "infinity"


def unit_files(stack: Stack) -> dict[str, File]:
    """Every unit by path. Their relative paths hold in this folder and where bin/install copies it."""
    files = {f"{UNITS}/{stack.name}.network": _network(stack)}
    for volume in volumes(stack):
        files[f"{UNITS}/{volume_name(stack, volume)}.volume"] = _volume(stack, volume)
    engine = engine_of(stack)
    if is_built(stack, engine):
        files[f"{UNITS}/{unit_name(stack, engine)}.build"] = _build(stack, engine)
    for service in stack.services:
        files[f"{UNITS}/{unit_name(stack, service)}.container"] = _container(stack, service)
    return {path: File(text) for path, text in files.items()}


def volumes(stack: Stack) -> tuple[str, ...]:
    """The volumes that podman makes."""
    found = [mount.volume for service in stack.services for mount in service.mounts]
    return tuple(v for v in dict.fromkeys(found) if not (v == "models" and stack.storage_path))


def held(stack: Stack, volume: str) -> str:
    """What is in a volume, in the words of the first service that mounts it."""
    found = [m.because for s in stack.services for m in s.mounts if m.volume == volume]
    return found[0].rstrip(".")


def _network(stack: Stack) -> str:
    lines = (Line("NetworkName", stack.name, "without it the name would be systemd-" + stack.name),)
    purpose = "The network of these containers alone: there they find each other by name."
    unit = Section("Unit", (Line("Description", f"{stack.name}: network"),))
    return unit_file(purpose, [unit, Section("Network", lines)])


def _volume(stack: Stack, volume: str) -> str:
    name = volume_name(stack, volume)
    purpose = f"A volume: {held(stack, volume)}. It outlives bin/stop and bin/uninstall."
    unit = Section("Unit", (Line("Description", f"{stack.name}: volume {volume}"),))
    return unit_file(purpose, [unit, Section("Volume", (Line("VolumeName", name),))])


def _build(stack: Stack, engine: Service) -> str:
    pull = (
        Line("Pull", "never", "no network: the base image is here already, bin/preflight looks")
        if stack.offline
        else Line("Pull", "missing", "only the first time: a pinned image does not change")
    )
    lines = (
        Line(
            "ImageTag",
            image_reference(stack, engine),
            "the tag ends with a hash of image/Dockerfile: a changed one is built",
        ),
        Line("File", "../image/Dockerfile"),
        Line("SetWorkingDirectory", "file", "the folder of that file is all that a build sees"),
        pull,
    )
    wait = Line("TimeoutStartSec", _ENDLESS, "a first build can pull many gigabytes")
    purpose = "Makes the engine's image before the first container that runs it."
    unit = Section("Unit", (Line("Description", f"{stack.name}: image of the engine"),))
    return unit_file(purpose, [unit, Section("Build", lines), Section("Service", (wait,))])


def _container(stack: Stack, service: Service) -> str:
    sections = [
        Section("Unit", _unit(stack, service)),
        Section("Container", container_lines(stack, service)),
        Section("Service", _service(stack, service)),
        Section(
            "Install",
            (
                Line(
                    "WantedBy",
                    "default.target",
                    "starts at boot; for a plain user that needs linger",
                ),
            ),
        ),
    ]
    return unit_file(_PURPOSE[service.role], sections)


def _unit(stack: Stack, service: Service) -> tuple[Line, ...]:
    lines = [Line("Description", f"{stack.name}: {_SHORT[service.role]}")]
    for name in service.needs:
        needed = _named(stack, name)
        lines += [
            Line("After", f"{unit_name(stack, needed)}.service", _wait(service, needed)),
            Line("Requires", f"{unit_name(stack, needed)}.service"),
        ]
    return tuple(lines)


def _named(stack: Stack, name: str) -> Service:
    return next(service for service in stack.services if service.name == name)


def _wait(service: Service, needed: Service) -> str:
    if not needed.restart:
        return f"not before {needed.name} has succeeded"
    if needed.probe:
        return f"{needed.name} counts as started when it is healthy (Notify=healthy)"
    return f"{service.name} uses {needed.name}"


def _service(stack: Stack, service: Service) -> tuple[Line, ...]:
    lines = [*_lifecycle(service), *_again(stack, service), *_times(stack, service)]
    memory, cpus = service.resources.memory_mib, service.resources.cpus
    if memory:
        lines.append(Line("MemoryMax", f"{memory}M", "the container and its supervisor together"))
    if cpus:
        lines.append(Line("CPUQuota", f"{round(cpus * 100)}%", f"{cpus:g} CPUs"))
    if service.role == "engine" and service.devices and service.devices.vendor != "cpu":
        why = (
            "buffers that the accelerator reads directly must not be swapped out. A plain user gets "
            "as much as the host allows, instead of a start that fails"
        )
        lines.append(Line("LimitMEMLOCK", "infinity", why))
    return tuple(lines)


def _lifecycle(service: Service) -> list[Line]:
    if service.restart:
        return [
            Line("Restart", "always", "after a crash, and when the container is killed"),
            Line("RestartSec", "10", "a crash loop is slow, and systemd never gives up"),
        ]
    return [
        Line("Type", "oneshot", "runs once"),
        Line("RemainAfterExit", "yes", "counts as done until bin/stop; the next start looks again"),
        Line("Restart", "on-failure", "a download that was cut off is resumed"),
        Line("RestartSec", "60"),
    ]


def _again(stack: Stack, service: Service) -> list[Line]:
    if not any(service.name in other.needs for other in stack.services):
        return []
    why = (
        "what waits for this goes on waiting while it is tried again. Needs systemd 254; older ones "
        "ignore the line, there bin/start is needed once more"
    )
    return [Line("RestartMode", "direct", why)]


def _times(stack: Stack, service: Service) -> list[Line]:
    stop = Line(
        "TimeoutStopSec",
        str(service.stop_seconds + _REMOVE_S),
        "longer than StopTimeout above: systemd must not kill what podman still waits for",
    )
    if not service.restart:
        return [Line("TimeoutStartSec", _ENDLESS, "as long as it takes"), stop]
    start_s, parts = 0, []
    if service.probe:
        start_s += service.probe.start_s + 2 * service.probe.interval_s
        parts.append(f"{service.probe.start_s} s to become healthy, and two checks")
    if not is_built(stack, service) and not stack.offline:
        start_s += _PULL_S
        parts.append(f"{_PULL_S} s to pull the image if it is gone")
    if not parts:
        return [stop]
    return [Line("TimeoutStartSec", str(start_s), "; ".join(parts)), stop]
