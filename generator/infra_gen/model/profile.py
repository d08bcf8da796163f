"""A hardware profile: what `infra-gen detect` writes, and what a spec may hold in its place."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from infra_gen.model.hardware import Accelerator, Arch, MemoryKind, Os, Vendor
from infra_gen.model.sourced import Record


class InlineDevice(Record):
    """A device that no preset describes: what was measured, the rest null. Memory in GiB."""

    name: str = Field(min_length=1, max_length=120)
    vendor: Vendor
    arch: Arch
    os: Os = "linux"
    memory_kind: MemoryKind = "discrete"
    accelerator: Accelerator | None = None
    visible_gib: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    bandwidth_gb_s: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    fp16_tflops: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    compute_capability: str | None = Field(default=None, pattern=r"^\d+\.\d$")
    gfx: str | None = None
    driver: str | None = None
    vector_extensions: tuple[str, ...] = ()
    cpu_cores: int | None = Field(default=None, gt=0)


class Host(Record):
    """The machine around the devices."""

    os: Os = "linux"
    arch: Arch
    memory_gib: float | None = Field(default=None, gt=0)
    cpu_cores: int | None = Field(default=None, gt=0)
    numa_nodes: int | None = Field(default=None, gt=0)
    vector_extensions: tuple[str, ...] = ()
    container: bool = False
    wsl2: bool = False


class Profile(Record):
    """One machine. Either `hardware` names a preset or `device` holds what was measured.

    `visible_gib` is the smallest that a driver showed for one of the devices, `free_gib` what was
    free at that time.
    """

    schema_: Literal[1] = Field(default=1, alias="schema")
    hardware: str | None = None
    device: InlineDevice | None = None
    devices: int = Field(default=1, gt=0, le=1024)
    visible_gib: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    free_gib: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    driver: str | None = None
    host: Host | None = None
    notes: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _names_one(self) -> Profile:
        if (self.hardware is None) == (self.device is None):
            raise ValueError("either hardware names a preset or device describes the machine")
        if self.device and not (self.visible_gib or self.device.visible_gib):
            raise ValueError("device needs visible_gib, the memory that its driver shows")
        return self
