"""vLLM: paged cache, tensor and data parallelism, a share of device memory taken at start."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from infra_gen.model.calibration import Calibration
from infra_gen.model.engine import EngineInfo
from infra_gen.model.llm import Architecture, ModelPreset, Parsers
from infra_gen.model.plan import Limits, Machine, Memory, Weights
from infra_gen.plan import legality, memory, quantization
from infra_gen.plan.memory import Shape
from infra_gen.plan.sizing import shared_cache
from infra_gen.plan.sizing.contract import Ask, Split

name = "vllm"
calibrated_as = "vllm"
reserves_slots = False

_MAX_SEQS = 1024  # its own default for its largest cards; more wait in its queue
_GRAPH_STEP = 8  # graphs are captured at multiples of eight
_SMALL_BATCH = 2048  # its default for the smallest cards, where the table has no row


def problem(weights: Weights, machine: Machine, info: EngineInfo) -> str | None:
    """Why it cannot run these weights there, or None."""
    return quantization.vllm_can_run(weights.quantization, machine, info.min_capability)


def splits(
    arch: Architecture, method: str, machine: Machine, tensor: int | None
) -> Iterator[Split]:
    """Dense models: the fewest devices that hold one copy, the rest as data-parallel copies.

    Experts are shared over all devices of a data-parallel group, so for MoE models every device
    goes into tensor parallelism, with whole experts (expert parallelism) where widths do not split.
    """
    sizes = [tensor] if tensor else legality.divisors(machine.devices)
    if arch.moe and not tensor:
        sizes = sizes[::-1]
    for split, why in shared_cache.tensor_splits(arch, method, sizes):
        data = 1 if arch.moe else max(1, machine.devices // split.tensor)
        yield replace(split, data=data), why


def limits(ask: Ask) -> Limits:
    """Its own batch default for the device; as many requests as are expected, at most 1024."""
    return Limits(
        context=ask.context,
        max_num_seqs=min(_MAX_SEQS, math.ceil(ask.requests / _GRAPH_STEP) * _GRAPH_STEP),
        max_num_batched_tokens=ask.info.batched_tokens(ask.machine) or _SMALL_BATCH,
        memory_fraction=(
            memory.vllm_fraction(ask.machine, ask.calibration) if ask.machine.is_gpu else None
        ),
        kv_cache_dtype="auto",
        threads=None if ask.machine.is_gpu else ask.machine.cpu_cores,
    )


def memory_of(
    machine: Machine, arch: Architecture, shape: Shape, calibration: Calibration
) -> Memory:
    """The fullest device of one copy."""
    return memory.vllm_memory(machine, arch, shape, calibration)


def shortfall(mem: Memory, context: int) -> float:
    """GiB a device lacks; 0 when it fits."""
    return shared_cache.shortfall(mem, context)


def served_name(preset: ModelPreset, weights: Weights, asked: str | None) -> str:
    """Any name; the preset's own unless another is asked for."""
    return asked or preset.id


def parsers(preset: ModelPreset) -> Parsers | None:
    """The names of its parsers for this model."""
    return preset.vllm_parsers
