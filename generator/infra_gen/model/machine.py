"""Machine: the hardware that a spec's words resolve to."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Machine:
    """The hardware a spec resolves to: `devices` equal devices on each of `nodes` nodes.

    Memory in GiB per device: `visible_gib` as the driver shows it, `reserved_gib` kept for the
    system or display, `usable_gib` what a plan may fill; `share` is the part of each device that
    this deployment may take. `accelerator` is how programs reach the devices. `host_memory_gib` is
    the RAM of a node where it is known, `numa_nodes` the parts that it is in.
    """

    id: str
    name: str
    vendor: str
    family: str
    os: str
    arch: str
    devices: int
    memory_kind: str
    visible_gib: float
    reserved_gib: float
    usable_gib: float
    bandwidth_gb_s: float
    fp16_tflops: float | None
    fp8_tflops: float | None
    compute_capability: str | None
    gfx: str | None
    cpu_cores: int | None
    vector_extensions: tuple[str, ...]
    interconnect: str
    interconnect_gb_s: float | None
    accelerator: str = "cpu"
    nodes: int = 1
    share: float = 1.0
    host_memory_gib: float | None = None
    min_driver: str | None = None
    int8_tops: float | None = None
    numa_nodes: int | None = None
    assumptions: tuple[str, ...] = ()

    @property
    def platform(self) -> str:
        """What images for it are built for."""
        return {"x86_64": "linux/amd64"}.get(self.arch, f"linux/{self.arch}")

    @property
    def is_gpu(self) -> bool:
        """Whether an accelerator does the work."""
        return self.accelerator != "cpu"
