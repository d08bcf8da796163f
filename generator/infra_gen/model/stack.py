"""Stack: the services of one deployment, neutral of engine and target.

Engines write these records, targets translate them. Values that only a target can resolve (where a
volume is mounted, which address to listen on) are references, never strings made up by an engine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from infra_gen.model.gate import UPSTREAM_PATH, Gate, GateRoute, Tls
from infra_gen.model.plan import Plan
from infra_gen.model.program import Download, Image, NativeInstall
from infra_gen.model.values import (
    Arg,
    ConfigPath,
    EnvVar,
    ListenAddress,
    ListenOn,
    PeerAddress,
    SecretFile,
    Value,
    VolumePath,
)
from infra_gen.model.watching import Alert, Panel, Query, Series, Unit

__all__ = [
    "Alert",
    "Arg",
    "ConfigMount",
    "ConfigPath",
    "Devices",
    "Download",
    "EnvVar",
    "Gate",
    "GateRoute",
    "GpuProof",
    "Image",
    "Listen",
    "ListenAddress",
    "ListenOn",
    "Mount",
    "NativeInstall",
    "Panel",
    "PeerAddress",
    "Port",
    "Probe",
    "Query",
    "Resources",
    "Role",
    "Secret",
    "SecretFile",
    "Series",
    "Service",
    "Stack",
    "Tls",
    "Unit",
    "Value",
    "VolumePath",
    "WrittenFile",
]

Role = Literal["engine", "fetch", "warmup", "proxy", "metrics", "dashboard", "exporter"]


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret by reference: its name in `.env`, the variable the program reads, what it is for.

    `file_flag` is the flag that takes a file with the secret, for targets that have no `.env`.
    `made`: any random text will do, so a script makes it up.
    """

    name: str
    env: str
    because: str
    required: bool = True
    file_flag: str | None = None
    made: bool = False


@dataclass(frozen=True, slots=True)
class Port:
    """A listening port: inside, and where the host publishes it.

    `host` None: only other services reach it. `exposed`: published on every interface of the host,
    otherwise on loopback.
    """

    name: str
    container: int
    host: int | None
    exposed: bool = False


@dataclass(frozen=True, slots=True)
class Listen:
    """Where an engine is told to listen: its own port, and where the host publishes that one."""

    inside: int
    host: int | None


@dataclass(frozen=True, slots=True)
class Probe:
    """Health over HTTP. `start_s` is how long a first start may take before it counts as failed.

    `client` is the program of the image that asks; `command`, where it is not empty, is run instead
    and succeeds on a healthy service.
    """

    path: str
    port: int
    interval_s: int
    timeout_s: int
    retries: int
    start_s: int
    client: Literal["curl", "python", "wget", "command"]
    command: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Mount:
    """A volume at a path inside the container."""

    volume: str
    path: str
    read_only: bool
    because: str


@dataclass(frozen=True, slots=True)
class ConfigMount:
    """A file or folder of the deployment (`source`) that the program reads, and where it looks."""

    source: str
    path: str
    because: str


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """A file of the deployment whose lines the engine knows, such as a Modelfile; # is a comment.

    A line is what its pieces make, one after another.
    """

    path: str
    lines: tuple[tuple[Value, ...], ...]


@dataclass(frozen=True, slots=True)
class GpuProof:
    """What shows that the whole model is on the accelerator.

    `command` is run beside the engine and prints it; empty: the engine's log does, once. `pattern`
    is a basic regular expression for the line.
    """

    command: tuple[str, ...]
    pattern: str


@dataclass(frozen=True, slots=True)
class Devices:
    """Accelerators granted to a service. `accelerator` is how the program reaches them."""

    vendor: str
    count: int
    accelerator: str


@dataclass(frozen=True, slots=True)
class Resources:
    """Host memory limit and shared memory, MiB; CPUs as a count."""

    memory_mib: int | None = None
    shm_mib: int | None = None
    cpus: float | None = None


@dataclass(frozen=True, slots=True)
class Service:
    """One process of the deployment. `argv` is what follows `program`.

    `routes` are what clients may use. `metrics_path` is where metrics are, on the port of that name
    or the first; None: there are none. `metrics_secret` names the secret that a scraper must
    present, None where metrics are open. `gate` is for the proxy alone.
    `gpu_proof` is None where the engine refuses to start without an accelerator.
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
    configs: tuple[ConfigMount, ...] = ()
    secrets: tuple[Secret, ...] = ()
    devices: Devices | None = None
    resources: Resources = Resources()
    stop_seconds: int = 10
    needs: tuple[str, ...] = ()
    restart: bool = True
    equals_dialect: bool = False
    download: Download | None = None
    files: tuple[WrittenFile, ...] = ()
    routes: tuple[GateRoute, ...] = ()
    alerts: tuple[Alert, ...] = ()
    panels: tuple[Panel, ...] = ()
    metrics_path: str | None = None
    metrics_secret: str | None = None
    gate: Gate | None = None
    gpu_proof: GpuProof | None = None

    @property
    def metrics_port(self) -> int:
        """The port that a scraper asks, as the program listens on it."""
        named = [port.container for port in self.ports if port.name == "metrics"]
        return (named or [port.container for port in self.ports])[0]


@dataclass(frozen=True, slots=True)
class Scrape:
    """A job of Prometheus: the service it is called after, the one it asks, and the path there."""

    job: str
    asked: Service
    path: str


@dataclass(frozen=True, slots=True)
class Stack:
    """All services with the plan they come from.

    `build_image` is true where a Dockerfile on the official base is written, false where the
    official image runs as it is. `storage_path` is the host folder for models, None for a volume
    that the target makes; `storage_gib` is what they may take there. `offline`: nothing may be
    fetched from a network while it is installed and run.
    """

    name: str
    plan: Plan
    services: tuple[Service, ...]
    build_image: bool = True
    storage_path: str | None = None
    storage_gib: float = 0.0
    offline: bool = False

    def service(self, role: Role) -> Service:
        """The one service of that role; LookupError when there is none."""
        for service in self.services:
            if service.role == role:
                return service
        raise LookupError(role)

    def has(self, role: Role) -> bool:
        """Whether a service of that role is part of the stack."""
        return any(service.role == role for service in self.services)

    @property
    def images(self) -> tuple[Image, ...]:
        """The images of everything that runs in a container, each once."""
        contained = self.plan.runtime == "container"
        measuring = ("metrics", "dashboard", "exporter")
        used = (s.image for s in self.services if contained or s.role in measuring)
        return tuple(dict.fromkeys(image for image in used if image))

    @property
    def scrapes(self) -> tuple[Scrape, ...]:
        """Everything that Prometheus asks; a proxy also for an engine that measures nothing."""
        told = (
            Scrape(service.gate.upstream, service, UPSTREAM_PATH)
            for service in self.services
            if service.gate and service.gate.tells_upstream
        )
        own = (
            Scrape(service.name, service, service.metrics_path)
            for service in self.services
            if service.metrics_path
        )
        return (*told, *own)

    @property
    def front(self) -> Service:
        """The service that clients talk to: the proxy, or the engine where there is none."""
        return self.service("proxy" if self.has("proxy") else "engine")
