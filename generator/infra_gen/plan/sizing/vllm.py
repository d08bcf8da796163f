"""vLLM: paged cache, tensor and data parallelism, a share of device memory taken at start."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from infra_gen.model.calibration import Calibration
from infra_gen.model.engine import EngineInfo
from infra_gen.model.llm import Architecture, ModelPreset, Parsers
from infra_gen.model.machine import Machine
from infra_gen.model.plan import Limits, Memory, Placement, Weights
from infra_gen.plan import legality, quantization
from infra_gen.plan.memory import Shape
from infra_gen.plan.sizing import shared_cache, vllm_memory, vllm_memory_settings
from infra_gen.plan.sizing.contract import Ask, Split
from infra_gen.plan.sizing.vllm_memory_release import batch_default

name = "vllm"
calibrated_as = "vllm"
reserves_slots = False
borrows_speed = False
gives_room = True
settings = vllm_memory_settings.settings

_GRAPH_STEP = 8  # graphs are captured at multiples of eight


def placements(arch: Architecture, machine: Machine) -> Sequence[Placement]:
    """None: everything lies on devices."""
    return ()


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
    """As many requests at once as are asked for, at most its own default for the device and version.

    More wait in its queue. A place costs buffers and graphs whether it is used or not, so a plan asks
    for no more than there are people or the device carries.
    """
    constants = vllm_memory.constants_of(ask.calibration)
    default = batch_default(constants, ask.info.version, ask.machine)
    fraction = vllm_memory.fraction(ask.machine, constants, ask.info.version)
    requests = default.max_num_seqs
    if ask.requests is not None:
        requests = min(requests, math.ceil(ask.requests / _GRAPH_STEP) * _GRAPH_STEP)
    return Limits(
        context=ask.context,
        max_num_seqs=requests,
        max_num_batched_tokens=default.max_num_batched_tokens,
        memory_fraction=fraction if ask.machine.is_gpu else None,
        kv_cache_dtype="auto",
        threads=None if ask.machine.is_gpu else ask.machine.cpu_cores,
    )


def memory_of(
    machine: Machine, arch: Architecture, shape: Shape, calibration: Calibration
) -> Memory:
    """The fullest device of one copy."""
    return vllm_memory.vllm_memory(machine, arch, shape, calibration)


def shortfall(mem: Memory, context: int) -> float:
    """GiB a device lacks; 0 when it fits."""
    return shared_cache.shortfall(mem, context)


def served_name(preset: ModelPreset, weights: Weights, asked: str | None) -> str:
    """Any name; the preset's own unless another is asked for."""
    return asked or preset.id


def parsers(preset: ModelPreset) -> Parsers | None:
    """The names of its parsers for this model."""
    return preset.vllm_parsers
