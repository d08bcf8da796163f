"""One row a preset, engine, target or rule: what `list` prints and filters.

The fields of these rows are the keys of `list --json`; docs/how-to/find-a-preset.md describes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Size:
    """One memory size of a device: `word` is what --hardware takes. GiB of one device, GB/s.

    `nominal_gib` is on the box, `visible_gib` what programs see, `usable_gib` what plans may fill.
    """

    word: str
    nominal_gib: int | None
    visible_gib: float
    usable_gib: float
    bandwidth_gb_s: float | None


@dataclass(frozen=True, slots=True)
class HardwareRow:
    """A device. `estimated`: nobody sourced what programs see, it is taken from the nominal size."""

    id: str
    name: str
    vendor: str
    family: str
    sizes: tuple[Size, ...]
    estimated: bool
    max_per_node: int
    aliases: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class InstanceRow:
    """A rented machine: so many `devices` of a hardware preset.

    `nominal_gib` and `visible_gib` are of one device, `host_memory_gib` is the machine's RAM.
    """

    id: str
    name: str
    provider: str
    vendor: str
    device: str
    devices: int
    nominal_gib: int | None
    visible_gib: float
    vcpus: int | None
    host_memory_gib: float | None
    aliases: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CheckpointRow:
    """One set of weights; `computed`: its size is not published. `engines` load it."""

    format: str
    quantization: str
    repo: str
    bytes: int
    computed: bool
    engines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ModelRow:
    """A model. `context` in tokens; null: not sourced."""

    id: str
    name: str
    hf_id: str
    task: str
    params_total: int | None
    params_active: int | None
    context: int
    licence: str | None
    gated: bool | None
    released: str | None
    checkpoints: tuple[CheckpointRow, ...]
    aliases: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EngineRow:
    """An engine at the version that is pinned by default."""

    id: str
    name: str
    version: str
    formats: tuple[str, ...]
    tasks: tuple[str, ...]
    targets: tuple[str, ...]
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TargetRow:
    """A target, the engines that it can run, and where. `runtime` is container or native."""

    id: str
    name: str
    runtime: str
    os: str
    engines: tuple[str, ...]
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WorkloadRow:
    """A workload: tokens of one request, median and 95th percentile; pause between two, seconds."""

    id: str
    name: str
    input_p50: int
    input_p95: int
    output_p50: int
    output_p95: int
    think_s: float | None
    shared_prefix: int | None
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RuleRow:
    """A rule; `name` is what it looks for."""

    id: str
    name: str
    severity: str
    confidence: str
    aliases: tuple[str, ...] = ()


Row = HardwareRow | InstanceRow | ModelRow | EngineRow | TargetRow | WorkloadRow | RuleRow

KINDS: Mapping[str, str] = {
    "hardware": "GPUs, Apple chips and CPU hosts, for --hardware",
    "instances": "rented machines by their provider's name, for --hardware",
    "models": "open models with their checkpoints, for --model",
    "engines": "inference servers, for --engine",
    "targets": "what a deployment is written for, for --target",
    "workloads": "what requests look like, for --workload",
    "rules": "what validate and check look for",
}
