"""The records that deployment files are read into; rules see these and never a file format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Mount:
    """Something mounted at `target`; `source` is a volume's name, a folder, or empty for tmpfs."""

    target: str
    source: str
    kind: Literal["volume", "bind", "tmpfs"]
    read_only: bool = False

    def holds(self, path: str) -> bool:
        """Whether `path` is this mount point or below it."""
        return path == self.target or path.startswith(self.target.rstrip("/") + "/")


@dataclass(frozen=True, slots=True)
class PublishedPort:
    """A published port; None where the file leaves it open or names a range or a variable."""

    text: str
    container: int | None
    host: int | None
    address: str | None


@dataclass(frozen=True, slots=True)
class Reservation:
    """One entry of reserved devices. `count` None: not written; -1: all."""

    driver: str | None
    count: int | None
    device_ids: tuple[str, ...] | None
    capabilities: tuple[str, ...]

    @property
    def granted(self) -> int | None:
        """How many devices that is, -1 for all, None when the entry does not say."""
        return len(self.device_ids) if self.device_ids is not None else self.count


@dataclass(frozen=True, slots=True)
class Health:
    """A health check; `start_s` is zero unless the file says otherwise."""

    test: tuple[str, ...]
    start_s: float = 0.0
    disabled: bool = False


@dataclass(frozen=True, slots=True)
class Dockerfile:
    """What a Dockerfile says of the image it makes; `bases` are (reference, line)."""

    file: str
    bases: tuple[tuple[str, int], ...]
    user: str | None
    env: Mapping[str, str]
    health: Health | None
    entrypoint: tuple[str, ...] = ()


Form = Literal["compose", "plist", "unit", "quadlet"]
"""How a service is written down: which keys its file has for the same thing."""
_FORMS: dict[str, Form] = {"plist": "plist", "service": "unit", "container": "quadlet"}


@dataclass(frozen=True, slots=True)
class Service:
    """One service as deployed. Times in seconds, sizes in MiB; None: the file does not say.

    `words` is the command line after the program. `build` is the Dockerfile's path in the tree.
    `native`: it runs on the host, in no container. `stop_s` is the time between SIGTERM and SIGKILL
    of the program, `supervisor_stop_s` that of what stands around it (a Quadlet's unit), and
    `start_timeout_s` after how long a start is given up; both are infinite where there is no limit.
    `waits_for` maps services that must come first to what of them is waited for, in Compose's words
    (`service_started`, `service_healthy`, `service_completed_successfully`).
    `at_boot`: whether it starts with the machine. `logs_limited`: whether its log has a bound;
    None where the log is kept by something with a bound of its own, such as the journal.
    `extra_args` go to the container tool, `env_files` are files with more variables, `runtime` is the
    container runtime where it is not the usual one.
    """

    name: str
    file: str
    key_path: str
    words: tuple[str, ...]
    env: Mapping[str, str]
    native: bool
    program: tuple[str, ...] = ()
    image: str | None = None
    build: str | None = None
    pull_policy: str | None = None
    ports: tuple[PublishedPort, ...] = ()
    mounts: tuple[Mount, ...] = ()
    user: str | None = None
    read_only: bool = False
    shm_mib: float | None = None
    memory_mib: float | None = None
    ipc: str | None = None
    network_mode: str | None = None
    stop_s: float | None = None
    restart: str | None = None
    reservations: tuple[Reservation, ...] = ()
    devices: tuple[str, ...] = ()
    group_add: tuple[str, ...] = ()
    security_opt: tuple[str, ...] = ()
    health: Health | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    privileged: bool = False
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    pid: str | None = None
    logs_limited: bool | None = None
    waits_for: Mapping[str, str] | None = None
    start_timeout_s: float | None = None
    supervisor_stop_s: float | None = None
    at_boot: bool | None = None
    extra_args: tuple[str, ...] = ()
    runtime: str | None = None
    env_files: tuple[str, ...] = ()

    @property
    def form(self) -> Form:
        """How it is written down, by its file's name."""
        return _FORMS.get(self.file.rpartition(".")[2], "compose")

    @property
    def cdi_devices(self) -> tuple[str, ...]:
        """Devices given by a CDI name such as `nvidia.com/gpu=all`."""
        return tuple(name for name in self.devices if "/" in name and "=" in name)

    def mount_of(self, path: str) -> Mount | None:
        """The mount that `path` lies on: the deepest one."""
        holding = [mount for mount in self.mounts if mount.holds(path)]
        return max(holding, key=lambda mount: len(mount.target), default=None)

    @property
    def gpus(self) -> int | None:
        """Reserved devices in all, -1 for all of the machine, None when none are reserved."""
        counts = [one.granted for one in self.reservations if one.granted is not None]
        counts += [-1 if name.endswith("=all") else 1 for name in self.cdi_devices]
        if not counts:
            return None
        return -1 if -1 in counts else sum(counts)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file that cannot be parsed, and why."""

    file: str
    line: int | None
    problem: str
