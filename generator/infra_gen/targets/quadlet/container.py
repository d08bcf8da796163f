"""The [Container] section of a unit: what podman runs, with what, and what it may not do.

Quadlet puts these values into an ExecStart= line. So systemd reads them once more: `%` and `$` are
doubled everywhere, and quoted words are quoted as systemd does it.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Sequence

from infra_gen.model.stack import Devices, Mount, Port, Probe, Service, Stack
from infra_gen.render.text import comment_lines
from infra_gen.targets.container import confinement, runs_as_plain_user
from infra_gen.targets.health import health_command
from infra_gen.targets.names import FETCH_SCRIPT, METRICS_TOKEN, certificates, engine_of, is_built
from infra_gen.targets.placement import Word, container_placement, words
from infra_gen.targets.quadlet.names import (
    image_reference,
    secret_name,
    secrets_of_service,
    unit_name,
    volume_name,
)
from infra_gen.targets.unit_file import Line, quoted

KEEP_GROUPS = "keep-groups"
_SHELL_NOTE_WIDTH = 98


def container_lines(stack: Stack, service: Service) -> tuple[Line, ...]:
    """Every line of the section, in the order in which one reads them."""
    return (
        *_image(stack, service),
        *_network(stack, service),
        *_command(service),
        *_environment(stack, service),
        *(_port(port) for port in service.ports if port.host is not None),
        *_mounts(stack, service),
        *_hardware(service),
        *_health(service),
        *_hardening(stack, service),
        Line(
            "StopTimeout",
            str(service.stop_seconds),
            "seconds between SIGTERM and SIGKILL" + _drain(service),
        ),
        Line(
            "LogDriver",
            "journald",
            "the journal keeps to its own limits on disk (journald.conf) and drops lines of a flood; "
            "bin/logs shows it",
        ),
    )


def plain(text: str) -> str:
    """A value that quadlet hands on as one word: neither variables nor specifiers of systemd.

    ValueError for what cannot stand in a line of a unit, or would lose its quotes there.
    """
    if "\n" in text or text[:1] == '"' or text[-1:] == '"' or text != text.strip():
        raise ValueError(f"{text!r} cannot be the value of a key in a Quadlet unit")
    return text.replace("%", "%%").replace("$", "$$")


def _drain(service: Service) -> str:
    return ", for answers that are still running" if service.role in ("engine", "proxy") else ""


def _image(stack: Stack, service: Service) -> Iterator[Line]:
    if is_built(stack, service):
        unit = f"{unit_name(stack, engine_of(stack))}.build"
        yield Line("Image", unit, "made from image/Dockerfile by that unit")
        yield Line("Pull", "never", "nobody's image of this name may be pulled")
        return
    yield Line("Image", plain(image_reference(stack, service)))
    if stack.offline:
        yield Line("Pull", "never", "no network: the image is here already, bin/preflight looks")
    else:
        yield Line(
            "Pull", "missing", "bin/install brings it; a pinned image is never looked up again"
        )


def _network(stack: Stack, service: Service) -> Iterator[Line]:
    yield Line("ContainerName", unit_name(stack, service))
    yield Line("Network", f"{stack.name}.network")
    yield Line("NetworkAlias", service.name, "how the others find it")


def _command(service: Service) -> Iterator[Line]:
    if service.role in ("engine", "fetch", "warmup"):
        yield Line("RunInit", "true", "a small first process: reaps children, passes signals on")
    arguments = words(service, container_placement(service))
    texts = [word.text for word in arguments]
    if "" in texts:
        why = "the whole command: Exec= cannot hold an empty word, podman stops reading there"
        yield Line("Entrypoint", _json((*service.program, *texts)), why)
        return
    yield Line("Entrypoint", _json(service.program))
    if arguments:
        yield Line("Exec", _exec(arguments))


def _json(command: Sequence[str]) -> str:
    return plain(json.dumps(command, separators=(",", ":"), ensure_ascii=False))


def _exec(arguments: Sequence[Word]) -> str:
    """Words over several lines: a flag with its value on one, the reason above it."""
    lines: list[str] = []
    for word in arguments:
        text = _word(word.text)
        if word.because:
            reason = word.because if word.because.endswith(".") else f"{word.because}."
            lines.append(f"{comment_lines(reason, _SHELL_NOTE_WIDTH, '    # ')}\n    {text}")
        elif lines:
            lines[-1] += f" {text}"
        else:
            lines.append(f"    {text}")
    return "\\\n" + " \\\n".join(lines)


def _word(text: str) -> str:
    if text == ";":
        raise ValueError("a lone ; would end the command: systemd takes it for a separator")
    return quoted(text)


def _environment(stack: Stack, service: Service) -> Iterator[Line]:
    placement = container_placement(service)
    for variable in service.env:
        pair = f"{variable.name}={placement.text(variable.value)}"
        yield Line("Environment", _word(pair), variable.because)
    if service.role == "engine" and not stack.build_image and runs_as_plain_user(stack, service):
        yield Line("Environment", "HOME=/tmp", "the only place that this user can write to")
    for secret in secrets_of_service(stack, service):
        name = secret_name(stack, secret)
        if secret not in service.secrets:
            yield Line(
                "Secret",
                f"{name},type=mount,target={METRICS_TOKEN}",
                "the engine's metrics need its key, and Prometheus reads it from a file only",
            )
        elif secret.required:
            why = f"{secret.because.rstrip('.')}. bin/rotate-key made it"
            note = why if secret.made else f"{secret.because.rstrip('.')}. bin/install registers it"
            yield Line("Secret", f"{name},type=env,target={secret.env}", note)


def _port(port: Port) -> Line:
    if port.exposed:
        return Line("PublishPort", f"{port.host}:{port.container}", "every interface of this host")
    return Line(
        "PublishPort",
        f"127.0.0.1:{port.host}:{port.container}",
        "this machine only",
    )


def _mounts(stack: Stack, service: Service) -> Iterator[Line]:
    for mount in service.mounts:
        yield _mount(stack, mount)
    if service.role == "fetch":
        yield _config("../bin/fetch-model", FETCH_SCRIPT, "the script that downloads")
    for one in service.configs:
        yield _config(f"../{one.source}", one.path, one.because)
    for path in certificates(service):
        yield _bind(path, path, True, "read at start: restart the proxy after it was renewed")


def _config(source: str, target: str, because: str) -> Line:
    note = f"{because.rstrip('.')}. z: labelled for containers where SELinux is on"
    return Line("Volume", f"{source}:{target}:ro,z", note)


def _mount(stack: Stack, mount: Mount) -> Line:
    if mount.volume == "models" and stack.storage_path:
        note = f"{mount.because.rstrip('.')}. Your folder: neither its owners nor its labels are changed"
        return _bind(stack.storage_path, mount.path, mount.read_only, note)
    end = ":ro" if mount.read_only else ""
    source = f"{volume_name(stack, mount.volume)}.volume"
    return Line("Volume", f"{source}:{mount.path}{end}", mount.because)


def _bind(source: str, target: str, read_only: bool, because: str) -> Line:
    """A folder of the host, also one with a colon in its name."""
    parts = ["type=bind", _field(f"source={source}"), _field(f"destination={target}")]
    if read_only:
        parts.append("ro=true")
    return Line("Mount", quoted(",".join(parts)), because)


def _field(text: str) -> str:
    """One field of a list with commas."""
    quotes = text.replace('"', '""')
    return f'"{quotes}"' if {",", '"'} & set(text) else text


def _hardware(service: Service) -> Iterator[Line]:
    resources, devices = service.resources, service.devices
    if resources.shm_mib:
        why = (
            "shared memory between the engine's processes; podman's default of 64 MiB is too small"
        )
        yield Line("ShmSize", f"{resources.shm_mib}m", why)
    if service.role == "engine":
        why = (
            "podman stops at 2048 threads, and an engine has some for each core and card; the "
            "service's own TasksMax still holds"
        )
        yield Line("PidsLimit", "-1", why)
    if devices is None or devices.vendor == "cpu":
        return
    yield from _devices(devices)
    if service.role == "engine":
        why = "as much as the service itself may lock, see LimitMEMLOCK below"
        yield Line("Ulimit", "memlock=-1:-1", why)


def _devices(devices: Devices) -> Iterator[Line]:
    if devices.vendor == "nvidia":
        why = "the planned cards by CDI; `nvidia-ctk cdi list` names them"
        for index in range(devices.count):
            yield Line("AddDevice", f"nvidia.com/gpu={index}", why if index == 0 else "")
        return
    if devices.vendor == "amd":
        yield Line("AddDevice", "/dev/kfd", "compute")
    yield Line("AddDevice", "/dev/dri", "the cards; all of the host's are seen")
    why = (
        "your own groups may open those devices, also inside. Needs crun. For root bin/install "
        "writes the devices' groups here, as numbers"
    )
    yield Line("GroupAdd", KEEP_GROUPS, why)


def _health(service: Service) -> Iterator[Line]:
    probe = service.probe
    if probe is None:
        if service.role in ("fetch", "warmup"):
            why = "the image's own check asks the engine; a long download would count as unhealthy"
            yield Line("HealthCmd", "none", why)
        return
    nvidia = service.devices is not None and service.devices.vendor == "nvidia"
    yield Line(
        "HealthCmd", plain(_health_command(probe, nvidia=nvidia)), _health_note(nvidia=nvidia)
    )
    yield Line("HealthInterval", f"{probe.interval_s}s")
    yield Line("HealthTimeout", f"{probe.timeout_s}s")
    yield Line("HealthRetries", str(probe.retries))
    yield Line("HealthStartPeriod", f"{probe.start_s}s", "so long no failure counts")
    if nvidia:
        why = "killed when it stays unhealthy: a new container gets its GPUs back"
        yield Line("HealthOnFailure", "kill", why)
    why = "counts as started when it is healthy, so that what comes after really can use it"
    yield Line("Notify", "healthy", why)


def _health_command(probe: Probe, *, nvidia: bool) -> str:
    command = shlex.join(health_command(probe))
    return f"{command} && nvidia-smi -L > /dev/null" if nvidia else command


def _health_note(*, nvidia: bool) -> str:
    note = "on the port that the program really uses"
    if nvidia:
        note += ". nvidia-smi: a container can lose its GPUs while the server still answers"
    return note


def _hardening(stack: Stack, service: Service) -> Iterator[Line]:
    wanted = confinement(stack, service)
    if wanted.user:
        user, _, group = wanted.user.partition(":")
        yield Line("User", user)
        if group:
            yield Line("Group", group)
    if wanted.read_only:
        yield Line("ReadOnly", "true", "nothing can be written but volumes and memory")
        if wanted.tmp:
            yield Line("Tmpfs", f"/tmp:{wanted.tmp}", wanted.tmp_because)  # noqa: S108 - a tmpfs
    yield Line("DropCapability", "all", wanted.drop_because)
    if wanted.keeps:
        yield Line("AddCapability", " ".join(wanted.keeps), wanted.keep_because)
    yield Line("NoNewPrivileges", "true")
