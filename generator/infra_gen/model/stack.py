"""Stack: the services of one deployment, neutral of engine and target.

Engines write these records, targets translate them. Values that only a target can resolve (where a
volume is mounted, which address to listen on) are references, never strings made up by an engine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from infra_gen.model.plan import Plan

Role = Literal["engine", "fetch", "metrics"]


@dataclass(frozen=True, slots=True)
class VolumePath:
    """A path below a volume; a target knows where that volume is."""

    volume: str
    path: str = ""


@dataclass(frozen=True, slots=True)
class SecretFile:
    """The file that holds a secret, where the target can provide one."""

    secret: str


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """The address to bind: every interface inside a container, loopback on a bare host."""


Value = str | VolumePath | SecretFile | ListenAddress


@dataclass(frozen=True, slots=True)
class Arg:
    """One flag with its value (None: a switch; an empty flag: positional) and the reason for it.

    `mine` marks what the user wrote in `engine_args`.
    """

    flag: str
    value: Value | None
    because: str
    mine: bool = False


@dataclass(frozen=True, slots=True)
class EnvVar:
    """An environment variable with its reason."""

    name: str
    value: Value
    because: str


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret by reference: its name in `.env`, the variable the program reads, what it is for.

    `file_flag` is the flag that takes a file with the secret, for targets that have no `.env`.
    """

    name: str
    env: str
    because: str
    required: bool = True
    file_flag: str | None = None


@dataclass(frozen=True, slots=True)
class Port:
    """A listening port: inside, and published on loopback."""

    name: str
    container: int
    host: int


@dataclass(frozen=True, slots=True)
class Probe:
    """Health over HTTP. `start_s` is how long a first start may take before it counts as failed."""

    path: str
    port: int
    interval_s: int
    timeout_s: int
    retries: int
    start_s: int
    client: Literal["curl", "python", "wget"]


@dataclass(frozen=True, slots=True)
class Mount:
    """A volume at a path inside the container."""

    volume: str
    path: str
    read_only: bool
    because: str


@dataclass(frozen=True, slots=True)
class Image:
    """The official image, pinned, and what infra-gen knows of it.

    `user` is the uid:gid that the program works as (None: only as the image's own user, root).
    `min_driver` is the oldest NVIDIA driver that the image's CUDA runs on.
    """

    repository: str
    tag: str
    digest: str | None
    verified: str
    user: str | None
    source: str
    min_driver: str | None = None

    @property
    def reference(self) -> str:
        """`repository:tag`, with the digest where it is known."""
        base = f"{self.repository}:{self.tag}"
        return f"{base}@{self.digest}" if self.digest else base


@dataclass(frozen=True, slots=True)
class Devices:
    """Accelerators granted to a service."""

    vendor: str
    count: int


@dataclass(frozen=True, slots=True)
class Resources:
    """Host memory limit and shared memory, MiB; CPUs as a count."""

    memory_mib: int | None = None
    shm_mib: int | None = None
    cpus: float | None = None


@dataclass(frozen=True, slots=True)
class NativeInstall:
    """The program as a release archive, for targets that run it without a container."""

    version: str
    url: str
    archive: str
    binary: str
    sha256: str | None
    source: str


@dataclass(frozen=True, slots=True)
class Download:
    """What the fetch service brings: files of a repository at a revision."""

    repo: str
    revision: str
    files: tuple[str, ...]
    bytes: int
    sha256: str | None
    tool: Literal["hf", "curl"]


@dataclass(frozen=True, slots=True)
class Series:
    """One input series of a rule test, in promtool's notation."""

    series: str
    values: str


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert rule, and the two series sets that must fire and must not."""

    name: str
    expr: str
    for_: str
    severity: Literal["critical", "warning"]
    summary: str
    runbook: str
    fires: tuple[Series, ...]
    quiet: tuple[Series, ...]
    at: str


@dataclass(frozen=True, slots=True)
class Service:
    """One process of the deployment. `argv` is what follows `program`.

    `metrics_secret` names the secret that a scraper must present, None where metrics are open.
    `gpu_log` is a basic regular expression for the log line that the engine writes once the whole
    model is on the accelerator, None where the engine refuses to start without one.
    """

    role: Role
    name: str
    program: tuple[str, ...]
    argv: tuple[Arg, ...]
    env: tuple[EnvVar, ...] = ()
    image: Image | None = None
    native: NativeInstall | None = None
    ports: tuple[Port, ...] = ()
    probe: Probe | None = None
    mounts: tuple[Mount, ...] = ()
    secrets: tuple[Secret, ...] = ()
    devices: Devices | None = None
    resources: Resources = Resources()
    stop_seconds: int = 10
    needs: tuple[str, ...] = ()
    restart: bool = True
    equals_dialect: bool = False
    download: Download | None = None
    alerts: tuple[Alert, ...] = ()
    metrics_path: str | None = None
    metrics_secret: str | None = None
    gpu_log: str | None = None


@dataclass(frozen=True, slots=True)
class Stack:
    """All services with the plan they come from.

    `build_image` is true where a Dockerfile on the official base is written, false where the
    official image runs as it is. `storage_path` is the host folder for models, None for a volume
    that the target makes.
    """

    name: str
    plan: Plan
    services: tuple[Service, ...]
    build_image: bool = True
    storage_path: str | None = None

    def service(self, role: Role) -> Service:
        """The one service of that role; LookupError when there is none."""
        for service in self.services:
            if service.role == role:
                return service
        raise LookupError(role)

    def has(self, role: Role) -> bool:
        """Whether a service of that role is part of the stack."""
        return any(service.role == role for service in self.services)
