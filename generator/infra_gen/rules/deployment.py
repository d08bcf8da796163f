"""A deployment as its files state it: what rules judge.

Compose files and property lists are read into the same records, so a rule never asks which target
it looks at, and a file edited by hand is judged like a generated one.
"""

from __future__ import annotations

import plistlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from xml.parsers.expat import ExpatError

COMPOSE = "compose.yaml"
_SIZE = re.compile(r"^(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?$", re.IGNORECASE)
_FACTOR = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|s|us|ns)")
_UNIT_S = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}


def size_mib(text: object) -> float | None:
    """`2gb`, `64m` or bytes as MiB; None when it is no size."""
    match = _SIZE.match(str(text))
    return float(match[1]) * _FACTOR[match[2].lower()] / 2**20 if match else None


def duration_s(text: object) -> float | None:
    """`1m30s` as seconds; None when it is no duration."""
    parts = _DURATION.findall(str(text))
    if not parts or "".join(a + b for a, b in parts) != str(text):
        return None
    return sum(float(number) * _UNIT_S[unit] for number, unit in parts)


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag of a command line; `value` None for a switch."""

    name: str
    value: str | None


@dataclass(frozen=True, slots=True)
class Service:
    """One service as deployed. Times in seconds, sizes in MiB; None: the file does not say."""

    name: str
    file: str
    key_path: str
    words: tuple[str, ...]
    env: Mapping[str, str]
    native: bool
    image: str | None = None
    build: str | None = None
    ports: tuple[str, ...] = ()
    volumes: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None
    read_only: bool = False
    shm_mib: float | None = None
    ipc: str | None = None
    stop_s: float | None = None
    restart: str | None = None
    gpus: Mapping[str, Any] | None = None
    gpu_count: int | None = None
    health_test: tuple[str, ...] = ()
    health_start_s: float | None = None

    def flag(self, *names: str) -> Flag | None:
        """The last flag of one of these names, as the engine would read it."""
        found = None
        for one in self.flags():
            if one.name in names:
                found = one
        return found

    def value(self, *names: str) -> str | None:
        """That flag's value."""
        flag = self.flag(*names)
        return flag.value if flag else None

    def number(self, *names: str) -> float | None:
        """That flag's value as a number."""
        try:
            return float(self.value(*names) or "")
        except ValueError:
            return None

    def flags(self) -> tuple[Flag, ...]:
        """The command line as flags; what stands alone is a positional with an empty name."""
        found: list[Flag] = []
        waiting: str | None = None
        for word in self.words:
            if word.startswith("-") and not re.match(r"^-\d", word):
                if waiting:
                    found.append(Flag(waiting, None))
                waiting = None
                if "=" in word:
                    name, _, value = word.partition("=")
                    found.append(Flag(name, value))
                else:
                    waiting = word
            elif waiting:
                found.append(Flag(waiting, word))
                waiting = None
            else:
                found.append(Flag("", word))
        if waiting:
            found.append(Flag(waiting, None))
        return tuple(found)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file that cannot be parsed, and why."""

    file: str
    line: int | None
    problem: str


@dataclass(frozen=True, slots=True)
class Deployment:
    """All services that the files state, and the raw files."""

    files: Mapping[str, str]
    services: tuple[Service, ...]
    unreadable: tuple[Unreadable, ...] = ()

    @property
    def engine(self) -> Service | None:
        """The service that runs the engine."""
        return next((s for s in self.services if s.name == "engine"), None)

    def line_of(self, file: str, needle: str) -> int | None:
        """The first line of `file` that holds `needle`, counted from 1."""
        for number, line in enumerate(self.files.get(file, "").splitlines(), 1):
            if needle in line:
                return number
        return None


def read_deployment(files: Mapping[str, str]) -> Deployment:
    """The services in `files` (path to text)."""
    services: list[Service] = []
    broken: list[Unreadable] = []
    for path, text in sorted(files.items()):
        if path == COMPOSE:
            _read_compose(path, text, services, broken)
        elif path.startswith("launchd/") and path.endswith(".plist"):
            _read_plist(path, text, services, broken)
    return Deployment(files, tuple(services), tuple(broken))


def _read_compose(path: str, text: str, services: list[Service], broken: list[Unreadable]) -> None:
    from ruamel.yaml import YAML  # noqa: PLC0415
    from ruamel.yaml.error import YAMLError  # noqa: PLC0415

    try:
        document = YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = str(getattr(error, "problem", None) or "not valid YAML")
        broken.append(Unreadable(path, mark.line + 1 if mark else None, problem))
        return
    found = document.get("services") if isinstance(document, Mapping) else None
    if not isinstance(found, Mapping):
        broken.append(Unreadable(path, None, "no services"))
        return
    for name, body in found.items():
        if isinstance(body, Mapping):
            services.append(_compose_service(str(name), body, path))


def _words(value: object) -> tuple[str, ...]:
    if isinstance(value, list):
        return tuple(str(v) for v in value)
    return tuple(str(value).split()) if value else ()


def _env(value: object) -> dict[str, str]:
    if isinstance(value, Mapping):
        return {str(k): "" if v is None else str(v) for k, v in value.items()}
    pairs = (str(item).partition("=") for item in value) if isinstance(value, list) else ()
    return {name: text for name, _, text in pairs}


def _nested(body: Mapping[str, Any], *keys: str) -> Any:
    node: Any = body
    for key in keys:
        node = node.get(key) if isinstance(node, Mapping) else None
    return node


def _gpus(body: Mapping[str, Any]) -> tuple[Mapping[str, Any] | None, int | None]:
    devices = _nested(body, "deploy", "resources", "reservations", "devices")
    first = devices[0] if isinstance(devices, list) and devices else None
    if not isinstance(first, Mapping):
        return None, None
    ids = first.get("device_ids")
    count = len(ids) if isinstance(ids, list) else first.get("count")
    return first, count if isinstance(count, int) else None


def _volumes(body: Mapping[str, Any]) -> dict[str, str]:
    """Mount point to source."""
    found: dict[str, str] = {}
    for item in body.get("volumes") or ():
        if isinstance(item, Mapping):
            found[str(item.get("target"))] = str(item.get("source") or item.get("type"))
        else:
            source, _, rest = str(item).partition(":")
            found[rest.partition(":")[0]] = source
    for item in body.get("tmpfs") or ():
        found[str(item).partition(":")[0]] = "tmpfs"
    return found


def _compose_service(name: str, body: Mapping[str, Any], path: str) -> Service:
    gpus, count = _gpus(body)
    build = body.get("build")
    health = body.get("healthcheck")
    health = health if isinstance(health, Mapping) else {}
    return Service(
        name=name,
        file=path,
        key_path=f"services.{name}",
        words=_words(body.get("command")),
        env=_env(body.get("environment")),
        native=False,
        image=str(body["image"]) if body.get("image") else None,
        build=str(build.get("context") if isinstance(build, Mapping) else build) if build else None,
        ports=tuple(str(p) for p in body.get("ports") or ()),
        volumes=_volumes(body),
        user=str(body["user"]) if body.get("user") else None,
        read_only=bool(body.get("read_only")),
        shm_mib=size_mib(body["shm_size"]) if body.get("shm_size") else None,
        ipc=body.get("ipc"),
        stop_s=duration_s(body["stop_grace_period"]) if body.get("stop_grace_period") else None,
        restart=str(body["restart"]) if "restart" in body else None,
        gpus=gpus,
        gpu_count=count,
        health_test=_words(health.get("test")),
        health_start_s=duration_s(health["start_period"]) if health.get("start_period") else None,
    )


def _read_plist(path: str, text: str, services: list[Service], broken: list[Unreadable]) -> None:
    try:
        document = plistlib.loads(text.encode())
    except (plistlib.InvalidFileException, ExpatError, ValueError) as error:
        broken.append(Unreadable(path, getattr(error, "lineno", None), str(error)))
        return
    label = str(document.get("Label", ""))
    helper = label.rsplit(".", 1)[-1] in ("awake", "logs")
    words = tuple(str(word) for word in document.get("ProgramArguments", ()))
    services.append(
        Service(
            name=label.rsplit(".", 1)[-1] if helper else "engine",
            file=path,
            key_path="ProgramArguments",
            words=words[1:],
            env={str(k): str(v) for k, v in document.get("EnvironmentVariables", {}).items()},
            native=True,
            stop_s=document.get("ExitTimeOut"),
            restart="always" if document.get("KeepAlive") else "no",
        )
    )
