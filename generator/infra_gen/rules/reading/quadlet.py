"""Podman Quadlet: container units as the same records as compose services.

A unit names others: an image that a `.build` unit makes, services that come first, files of the
user's in `NAME.container.d`. So all units of a deployment are read together.
"""

from __future__ import annotations

import json
import posixpath
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from infra_gen.rules.reading.ini import Values, ini_values
from infra_gen.rules.reading.quadlet_places import mounts, ports
from infra_gen.rules.reading.values import duration_s, size_mib
from infra_gen.rules.reading.yaml_text import UnreadableError
from infra_gen.rules.service import Health, Service, Unreadable

_DROP_IN = re.compile(r"(.+\.container)\.d/[^/]+\.conf$")
_ON = ("1", "yes", "true", "on")


@dataclass(frozen=True, slots=True)
class Unit:
    """One unit, its files of the user's merged in."""

    path: str
    values: Values

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return posixpath.basename(self.path).rpartition(".")[0]

    def all(self, key: str, section: str = "Container") -> list[str]:
        """Every value of the key."""
        return self.values.get((section, key), [])

    def last(self, key: str, section: str = "Container") -> str | None:
        """The value that counts."""
        return next(reversed(self.all(key, section)), None)

    def words(self, key: str, section: str = "Container") -> tuple[str, ...]:
        """All values as words, as the program gets them."""
        return tuple(word for value in self.all(key, section) for word in _words(value, key))

    def on(self, key: str) -> bool:
        """Whether a switch is on."""
        return (self.last(key) or "").lower() in _ON


def is_quadlet(path: str) -> bool:
    """Whether the file says something about containers that Quadlet starts."""
    return path.endswith((".container", ".build")) or bool(_DROP_IN.match(path))


def quadlet_values(text: str) -> Values:
    """The settings in `text`. Raises UnreadableError."""
    return ini_values(text, "")  # Quadlet puts nothing between the lines of a value


def quadlet_services(
    found: Mapping[str, Values],
) -> tuple[tuple[Service, ...], tuple[Unreadable, ...]]:
    """The container units among `found` (path to settings), and those that make no sense."""
    units = {path: Unit(path, _merged(path, found)) for path in found if not _DROP_IN.match(path)}
    builds = {unit.name: unit for path, unit in units.items() if path.endswith(".build")}
    containers = [unit for path, unit in sorted(units.items()) if path.endswith(".container")]
    by_service = {unit.name: unit for unit in containers}
    services: list[Service] = []
    broken: list[Unreadable] = []
    for unit in containers:
        try:
            services.append(_service(unit, builds, by_service))
        except UnreadableError as error:
            broken.append(Unreadable(unit.path, error.line, error.problem))
    return tuple(services), tuple(broken)


def _merged(path: str, found: Mapping[str, Values]) -> Values:
    """The unit's settings, those of the user's files after its own."""
    merged = {key: list(values) for key, values in found[path].items()}
    for other in sorted(found):
        belongs = _DROP_IN.match(other)
        if belongs and belongs[1] == path:
            for key, values in found[other].items():
                merged.setdefault(key, []).extend(values)
    return merged


def _service(unit: Unit, builds: Mapping[str, Unit], others: Mapping[str, Unit]) -> Service:
    image, build = _image(unit, builds)
    extra = unit.words("PodmanArgs")
    user, group = unit.last("User"), unit.last("Group")
    program, own = _entrypoint(unit.last("Entrypoint"))
    shm = unit.last("ShmSize")
    return Service(
        name=_name(unit),
        file=unit.path,
        key_path="",
        words=(*own, *unit.words("Exec")),
        env=_environment(unit),
        native=False,
        program=program,
        image=image,
        build=build,
        pull_policy=unit.last("Pull"),
        ports=ports(unit.all("PublishPort")),
        mounts=mounts(
            unit.all("Volume"),
            unit.words("Mount"),
            unit.all("Tmpfs"),
            memory=unit.on("ReadOnly") and unit.last("ReadOnlyTmpfs") != "false",
        ),
        user=f"{user}:{group}" if user and group else user,
        read_only=unit.on("ReadOnly"),
        shm_mib=size_mib(shm) if shm else None,
        memory_mib=_memory(unit, extra),
        ipc=_option(extra, "--ipc"),
        pid=_option(extra, "--pid"),
        network_mode="host" if "host" in unit.all("Network") else None,
        stop_s=_seconds(unit.last("StopTimeout")),
        supervisor_stop_s=_seconds(unit.last("TimeoutStopSec", "Service")),
        start_timeout_s=_seconds(unit.last("TimeoutStartSec", "Service")),
        restart=unit.last("Restart", "Service") or "no",
        at_boot=bool(unit.all("WantedBy", "Install")),
        waits_for=_waits(unit, others),
        devices=tuple(unit.words("AddDevice")),
        group_add=tuple(unit.all("GroupAdd")),
        security_opt=_security(unit, extra),
        cap_add=unit.words("AddCapability"),
        cap_drop=tuple(word.upper() for word in unit.words("DropCapability")),
        privileged="--privileged" in extra,
        health=_health(unit),
        logs_limited=_logs_limited(unit),
        extra_args=extra,
        env_files=tuple(unit.all("EnvironmentFile")),
    )


def _name(unit: Unit) -> str:
    """The name by which the others find it, else what follows the last hyphen."""
    return unit.last("NetworkAlias") or unit.name.rpartition("-")[2]


def _words(text: str, key: str) -> list[str]:
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UnreadableError(f"{key}: {error}", None) from error
    return [_literal(word) for word in words]


def _literal(text: str) -> str:
    return text.replace("$$", "$").replace("%%", "%")


def _image(unit: Unit, builds: Mapping[str, Unit]) -> tuple[str | None, str | None]:
    """(image, Dockerfile that makes it)."""
    image = unit.last("Image")
    made = builds.get(image.removesuffix(".build")) if image and image.endswith(".build") else None
    if made is None:
        return image, None
    file = made.last("File", "Build") or "Dockerfile"
    path = posixpath.normpath(posixpath.join(posixpath.dirname(made.path), file))
    return made.last("ImageTag", "Build"), path


def _entrypoint(text: str | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(program, flags that stand with it)."""
    try:
        listed = json.loads(_literal(text or "[]"))
    except ValueError:
        listed = [_literal(text or "")]
    words = tuple(map(str, listed)) if isinstance(listed, list) else (str(listed),)
    flags_at = next((i for i, word in enumerate(words) if word.startswith("-")), len(words))
    shell = bool(words) and posixpath.basename(words[0]) in ("sh", "bash")
    return words, () if shell else words[flags_at:]


def _environment(unit: Unit) -> dict[str, str]:
    """Variables, and secrets that become variables: their values are known at start only."""
    pairs = (word.partition("=") for word in unit.words("Environment"))
    found = {name: value for name, _, value in pairs}
    for secret in unit.all("Secret"):
        name, *options = secret.split(",")
        given = dict(option.partition("=")[::2] for option in options)
        if given.get("type") == "env":
            found[given.get("target", name)] = f"${{{name}}}"
    return found


def _memory(unit: Unit, extra: tuple[str, ...]) -> float | None:
    limit = unit.last("MemoryMax", "Service") or unit.last("Memory") or _option(extra, "--memory")
    return size_mib(limit) if limit else None


def _option(extra: tuple[str, ...], name: str) -> str | None:
    """The value of an option among `PodmanArgs`, joined by `=` or following."""
    for place, word in enumerate(extra):
        if word.startswith(f"{name}="):
            return word.partition("=")[2]
        if word == name and place + 1 < len(extra):
            return extra[place + 1]
    return None


def _security(unit: Unit, extra: tuple[str, ...]) -> tuple[str, ...]:
    found = ["no-new-privileges:true"] if unit.on("NoNewPrivileges") else []
    if unit.on("SecurityLabelDisable"):
        found.append("label=disable")
    profile, option = unit.last("SeccompProfile"), _option(extra, "--security-opt")
    return (*found, *([f"seccomp={profile}"] if profile else []), *([option] if option else []))


def _health(unit: Unit) -> Health | None:
    command = unit.last("HealthCmd")
    if command is None:
        return None
    start = unit.last("HealthStartPeriod")
    try:
        listed = json.loads(_literal(command))
    except ValueError:
        listed = None
    test = (
        ("CMD", *map(str, listed)) if isinstance(listed, list) else ("CMD-SHELL", _literal(command))
    )
    return Health(
        test=test,
        start_s=(duration_s(start) or 0.0) if start else 0.0,
        disabled=command.lower() == "none",
    )


def _waits(unit: Unit, others: Mapping[str, Unit]) -> dict[str, str]:
    """Services that come first, and what of them is waited for."""
    waits = {}
    for name in unit.words("After", "Unit"):
        other = others.get(name.removesuffix(".service"))
        if other is None:
            continue
        state = "service_started"
        if other.last("Type", "Service") == "oneshot":
            state = "service_completed_successfully"
        elif (other.last("Notify") or "").lower() == "healthy":
            state = "service_healthy"
        waits[_name(other)] = state
    return waits


def _logs_limited(unit: Unit) -> bool | None:
    driver = unit.last("LogDriver")
    if driver in (None, "journald", "none", "passthrough"):
        return None
    return any(option.startswith("max-size") for option in unit.all("LogOpt"))


def _seconds(text: str | None) -> float | None:
    """A time span of systemd; `infinity` is one."""
    if text is None or text.isdigit():
        return None if text is None else float(text)
    if text == "infinity":
        return float("inf")
    return duration_s(text.replace("min", "m").replace(" ", ""))
