"""`plan --json`: the plan as a document with a fixed schema. Unknown is null."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from infra_gen.model.plan import Memory, Plan
from infra_gen.model.sourced import Record


class EngineBlock(Record):
    name: str
    version: str
    image: str | None


class ModelBlock(Record):
    id: str
    hf_id: str
    quantization: str
    params_total: int
    params_active: int
    weights_bytes: int
    weights_basis: Literal["checkpoint", "computed"]


class HardwareBlock(Record):
    id: str
    name: str
    devices: int
    nodes: int


class ParallelismBlock(Record):
    tensor: int
    pipeline: int
    data: int
    layer_split: int
    expert: bool
    replicas: int


class DeviceMemory(Record):
    """GiB of the fullest device."""

    visible_gib: float
    reserved_gib: float
    weights_gib: float
    kv_cache_gib: float
    activation_gib: float
    cuda_graph_gib: float
    runtime_gib: float
    headroom_gib: float


class HostMemory(Record):
    needed_gib: float


class MemoryBlock(Record):
    """`kv_cache_tokens` and `max_concurrency_at_context` are per replica."""

    per_device: DeviceMemory
    host: HostMemory
    kv_bytes_per_token: int
    kv_cache_tokens: int
    max_concurrency_at_context: float


class PointBlock(Record):
    concurrency: int
    input_tokens: int
    output_tokens: int
    ttft_ms: float | None
    tpot_ms: float | None
    prefill_ms: float | None
    decode_step_ms: float | None
    output_tokens_per_s: float | None


class PerformanceBlock(Record):
    basis: Literal["calibrated", "roofline", "unknown"]
    error_band: float
    users_supported: int | None
    typical_concurrency: int
    peak_concurrency: int
    points: tuple[PointBlock, ...]


class LimitsBlock(Record):
    context: int
    max_num_seqs: int
    max_num_batched_tokens: int
    memory_fraction: float | None
    kv_cache_dtype: str


class LaunchBlock(Record):
    argv: tuple[str, ...]
    env: dict[str, str]


class DecisionBlock(Record):
    what: str
    value: str
    because: str
    source: str


class AlternativeBlock(Record):
    engine: str
    model: str
    quantization: str
    why_not: str


class PlanDocument(Record):
    """The whole answer of `infra-gen plan --json`."""

    model_config = ConfigDict(frozen=True, extra="forbid", title="infra-gen plan --json")

    schema_: Literal[1] = Field(default=1, alias="schema")
    fits: bool
    shortfall_gib: float
    target: str
    engine: EngineBlock
    model: ModelBlock
    hardware: HardwareBlock
    parallelism: ParallelismBlock
    memory: MemoryBlock
    performance: PerformanceBlock
    limits: LimitsBlock
    launch: LaunchBlock
    decisions: tuple[DecisionBlock, ...]
    alternatives: tuple[AlternativeBlock, ...]
    nearest: tuple[str, ...]
    warnings: tuple[str, ...]


def _rounded(value: float) -> float:
    return round(value, 3)


def _numbers(source: object, names: tuple[str, ...]) -> dict[str, object]:
    found = {name: getattr(source, name) for name in names}
    return {k: _rounded(v) if isinstance(v, float) else v for k, v in found.items()}


def _memory(mem: Memory) -> dict[str, object]:
    return {
        "per_device": _numbers(mem, tuple(DeviceMemory.model_fields)),
        "host": {"needed_gib": _rounded(mem.host_needed_gib)},
        "kv_bytes_per_token": mem.kv_bytes_per_token,
        "kv_cache_tokens": mem.kv_cache_tokens,
        "max_concurrency_at_context": _rounded(mem.max_concurrency_at_context),
    }


def document_of(
    plan: Plan, argv: tuple[str, ...], env: dict[str, str], image: str | None
) -> PlanDocument:
    """`plan` with the engine's command line, as the document."""
    split, perf = plan.parallelism, plan.performance
    return PlanDocument.model_validate(
        {
            "fits": plan.fits,
            "shortfall_gib": _rounded(plan.shortfall_gib),
            "target": plan.target,
            "engine": {"name": plan.engine, "version": plan.engine_version, "image": image},
            "model": {
                "id": plan.model_id,
                "hf_id": plan.hf_id,
                "quantization": plan.weights.quantization,
                "params_total": plan.params_total,
                "params_active": plan.params_active,
                "weights_bytes": plan.weights.bytes,
                "weights_basis": plan.weights.basis,
            },
            "hardware": {
                "id": plan.machine.id,
                "name": plan.machine.name,
                "devices": plan.machine.devices,
                "nodes": plan.machine.nodes,
            },
            "parallelism": _numbers(split, tuple(ParallelismBlock.model_fields)),
            "memory": _memory(plan.memory),
            "performance": {
                "basis": perf.basis,
                "error_band": perf.error_band,
                "users_supported": perf.users_supported,
                "typical_concurrency": perf.typical_concurrency,
                "peak_concurrency": perf.peak_concurrency,
                "points": [_numbers(p, tuple(PointBlock.model_fields)) for p in perf.points],
            },
            "limits": _numbers(plan.limits, tuple(LimitsBlock.model_fields)),
            "launch": {"argv": argv, "env": env},
            "decisions": [_numbers(d, tuple(DecisionBlock.model_fields)) for d in plan.decisions],
            "alternatives": [
                _numbers(a, tuple(AlternativeBlock.model_fields)) for a in plan.alternatives
            ],
            "nearest": plan.nearest,
            "warnings": plan.warnings,
        }
    )
