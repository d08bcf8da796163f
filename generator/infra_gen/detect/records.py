"""What was found: devices, the host around them, and what a person should know. Memory in GiB."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Vendor = Literal["nvidia", "amd", "intel", "apple", "cpu"]
MemoryKind = Literal["discrete", "unified", "host"]


@dataclass(frozen=True, slots=True)
class Found:
    """One device.

    `visible_gib` is what programs get (as `torch.cuda.mem_get_info` counts it), `total_gib` what is
    on the board, which tells an 8 GB card from one of 16 GB. `integrated` graphics is worth naming
    only when a preset knows it. `other_names` are names of the same device from elsewhere.
    """

    vendor: Vendor
    name: str
    memory_kind: MemoryKind = "discrete"
    visible_gib: float | None = None
    total_gib: float | None = None
    free_gib: float | None = None
    compute_capability: str | None = None
    gfx: str | None = None
    driver: str | None = None
    gpu_cores: int | None = None
    integrated: bool = False
    other_names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Seen:
    """What one source saw."""

    devices: tuple[Found, ...] = ()
    notes: tuple[str, ...] = ()

    def plus(self, other: Seen) -> Seen:
        """Both."""
        return Seen((*self.devices, *other.devices), (*self.notes, *other.notes))


@dataclass(frozen=True, slots=True)
class Host:
    """The machine around the devices.

    `memory_gib` and `cpu_cores` are what this process may use, after the limits of its container.
    `cpu_cores` are physical cores. `board` is a single-board computer's name.
    """

    os: str
    arch: str
    cpu_name: str | None = None
    memory_gib: float | None = None
    free_gib: float | None = None
    cpu_cores: int | None = None
    numa_nodes: int | None = None
    vector_extensions: tuple[str, ...] = ()
    container: bool = False
    wsl2: bool = False
    board: str | None = None
