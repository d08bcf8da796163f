"""Hardware: the preset file of one device, and the machine that a spec resolves to."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from infra_gen.model.sourced import Record, Sourced

Vendor = Literal["nvidia", "amd", "intel", "apple", "cpu"]
MemoryKind = Literal["discrete", "unified", "host"]
Os = Literal["linux", "macos"]
Arch = Literal["x86_64", "arm64"]
Accelerator = Literal["cuda", "rocm", "vulkan", "xpu", "hpu", "metal", "cpu"]
# How programs reach a vendor's devices unless a preset says otherwise.
USUAL_ACCELERATOR: dict[str, Accelerator] = {
    "nvidia": "cuda",
    "amd": "rocm",
    "intel": "xpu",
    "apple": "metal",
    "cpu": "cpu",
}


def _plain(aliases: tuple[str, ...]) -> tuple[str, ...]:
    if any(a != a.lower() or not a for a in aliases):
        raise ValueError("aliases are lower case")
    return aliases


Aliases = Annotated[tuple[str, ...], AfterValidator(_plain)]


class Interconnect(Record):
    """How devices of one machine reach each other; `gb_s` is per device and direction."""

    kind: Literal["none", "pcie", "nvlink", "xgmi"]
    gb_s: Sourced[float]


class MemoryOption(Record):
    """One memory size that a chip is sold with, and what changes with it.

    Keys left out keep the chip's own value.
    """

    gib: int = Field(gt=0)
    gpu_cores: int | None = None
    cpu_cores: int | None = None
    bandwidth_gb_s: Sourced[float] | None = None
    fp16_tflops: Sourced[float] | None = None
    gpu_limit_fraction: Sourced[float] | None = None


class DevicePreset(Record):
    """`presets/hardware/<id>.yaml`: one GPU, Apple chip or CPU host.

    Units: memory GiB (2**30), bandwidth GB/s (10**9), compute dense TFLOPS without sparsity.
    `visible_gib` is what the driver shows to a program (`torch.cuda.mem_get_info` total), never the
    figure on the box. For unified and host memory it is the machine's RAM, and `gpu_limit_fraction`
    is the share that the GPU may wire (Metal's recommended working set).
    """

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    name: str
    vendor: Vendor
    family: str = Field(description="architecture, such as ada, hopper, m3, cdna3, x86-64-v3")
    accelerator: Accelerator | None = Field(
        default=None, description="how programs reach it; null: as usual for the vendor"
    )
    aliases: Aliases = ()
    os: Os = "linux"
    arch: Arch = "x86_64"
    memory_kind: MemoryKind
    nominal_gib: Sourced[int]
    visible_gib: Sourced[float] | None = None
    memory_options: tuple[MemoryOption, ...] = ()
    default_memory_gib: int | None = None
    default_memory_note: str | None = None
    gpu_limit_fraction: Sourced[float] | None = None
    reserved_gib: Sourced[float]
    bandwidth_gb_s: Sourced[float]
    fp16_tflops: Sourced[float]
    fp8_tflops: Sourced[float] | None = None
    int8_tops: Sourced[float] | None = None
    compute_capability: str | None = Field(default=None, pattern=r"^\d+\.\d$")
    gfx: str | None = Field(default=None, description="AMD LLVM target, such as gfx942")
    min_driver: Sourced[str] | None = Field(
        default=None, description="oldest driver that knows the device"
    )
    gpu_cores: int | None = None
    cpu_cores: int | None = None
    vector_extensions: tuple[str, ...] = ()
    interconnect: Interconnect | None = None
    max_per_node: int = Field(default=1, gt=0)
    notes: tuple[str, ...] = ()


class InstancePreset(Record):
    """`presets/instances/<id>.yaml`: a rented machine by its provider's name.

    `device` is the id of a hardware preset, `devices` how many of it the machine has. Memory GiB.
    """

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")
    name: str = Field(description="as the provider spells it")
    provider: Literal["aws", "azure", "gcp"]
    aliases: Aliases = ()
    device: str
    devices: int = Field(gt=0)
    vcpus: Sourced[int]
    host_memory_gib: Sourced[float]
    visible_gib: Sourced[float] | None = Field(
        default=None, description="where the provider gives less of the device than it has"
    )
    notes: tuple[str, ...] = ()
