"""vLLM's memory on the fullest device of one copy.

kv = fraction x visible - weights - activation - outside torch - graphs inside the budget
"""

from __future__ import annotations

import math
from dataclasses import replace

from infra_gen.model.calibration import Calibration, known
from infra_gen.model.calibration_memory import VllmMemory, at_version, reached
from infra_gen.model.llm import Architecture
from infra_gen.model.machine import Machine
from infra_gen.model.plan import GIB, Memory
from infra_gen.plan import kv_cache
from infra_gen.plan.memory import Shape
from infra_gen.plan.sizing import (
    vllm_memory_cache,
    vllm_memory_graphs,
    vllm_memory_peak,
    vllm_memory_weights,
)
from infra_gen.plan.sizing.vllm_memory_release import Release, cache_dtype, release_of
from infra_gen.plan.sizing.vllm_memory_stage import Stage, part_of, stages, with_guess_layer

_PAIR = 2  # devices that talk to each other without a switch
# From this compute capability on NVLink switches add numbers up themselves, in buffers of their own.
_ADDING_SWITCH = 9.0


def constants_of(calibration: Calibration) -> VllmMemory:
    """The constants of vLLM's memory."""
    if calibration.vllm_memory is None:
        raise ValueError("the calibration holds no constants of vLLM's memory")
    return calibration.vllm_memory


def driver_context(machine: Machine, constants: VllmMemory) -> float:
    """GiB that the driver holds of a device as soon as a process uses it."""
    return machine.visible_gib * known(constants.driver_context_share) if machine.is_gpu else 0.0


def _switch_adds(machine: Machine) -> bool:
    capability = float(machine.compute_capability or 0)
    return machine.interconnect == "nvlink" and capability >= _ADDING_SWITCH


def free_fraction(machine: Machine, constants: VllmMemory) -> float:
    """The share of visible memory that is free at start, to two digits.

    vLLM refuses to start where less than its share is free, so what the system or display holds
    and the driver's context stay outside.
    """
    free = machine.usable_gib - driver_context(machine, constants)
    return max(0.0, math.floor(free / machine.visible_gib * 100) / 100)


def fraction(machine: Machine, constants: VllmMemory, version: str | None) -> float:
    """`--gpu-memory-utilization`: the version's default, or less where memory is kept free."""
    default = at_version(constants.default_fraction, version).value
    return min(default, free_fraction(machine, constants))


def outside_torch(machine: Machine, shape: Shape, constants: VllmMemory) -> float:
    """GiB of the process that PyTorch does not hold: libraries, communication, kernels.

    Old versions count the driver's context too.
    """
    held = constants.outside_torch_gib
    context = 0.0
    if machine.is_gpu and not reached(constants.context_outside_since, shape.version):
        context = driver_context(machine, constants)
    if machine.memory_kind != "discrete" and machine.is_gpu:
        return known(held.unified) + context
    together = shape.tensor * shape.pipeline * shape.data
    if together == 1:
        return known(held.single) + context
    switched = together > _PAIR and _switch_adds(machine)
    return known(held.group if switched else held.pair) + context


def _graphs_gib(
    machine: Machine, arch: Architecture, shape: Shape, release: Release, constants: VllmMemory
) -> tuple[float, float]:
    """GiB of CUDA graphs, and the part of them that is taken out of the memory fraction."""
    if not machine.is_gpu:
        return 0.0, 0.0
    if release.budgeted:
        inside = vllm_memory_graphs.estimated(arch, shape, release, constants.graphs) / GIB
        return inside, inside
    return vllm_memory_graphs.taken(arch, shape, release, constants.graphs) / GIB, 0.0


def _stage_memory(
    machine: Machine, whole: Architecture, shape: Shape, stage: Stage, constants: VllmMemory
) -> Memory:
    """The fullest device of one stage of a pipeline, as if it alone decided on the cache."""
    release, arch = release_of(constants, whole, shape), part_of(whole, stage)
    share = machine.usable_gib / machine.visible_gib
    if machine.is_gpu:
        share = shape.fraction or fraction(machine, constants, shape.version)
    capability = machine.compute_capability
    loaded_gib = vllm_memory_weights.held_bytes(whole, shape, stage, constants, capability) / GIB
    activation = vllm_memory_peak.peak(arch, shape, release, constants, stage) / GIB
    runtime = outside_torch(machine, shape, constants)
    graphs, inside = _graphs_gib(machine, arch, shape, release, constants)
    used = loaded_gib + activation + runtime + inside
    kv_gib = share * machine.visible_gib - used
    guess = shape.own.speculation
    if guess and guess.by != "nothing" and stage.last:
        arch = with_guess_layer(arch)
    if shape.own.cache_bytes:
        kv_gib = shape.own.cache_bytes / GIB
    pool = vllm_memory_cache.capacity(arch, shape, release, kv_gib)
    if shape.own.blocks:
        kv_gib = pool.blocks * pool.block_bytes / GIB
    concurrency = pool.concurrency if pool.per_request else float(shape.max_num_seqs)
    left = machine.visible_gib - machine.reserved_gib - used - kv_gib - (graphs - inside)
    groups = kv_cache.cache_groups(arch, shape.tensor, shape.kv_dtype)
    host = 4.0 + min(8.0, shape.weight_bytes / GIB * 0.25)
    return Memory(
        visible_gib=machine.visible_gib,
        reserved_gib=machine.reserved_gib,
        weights_gib=loaded_gib,
        kv_cache_gib=kv_gib,
        activation_gib=activation,
        cuda_graph_gib=graphs,
        runtime_gib=runtime,
        headroom_gib=left,
        # The loader maps shards one after another; the whole checkpoint passes the page cache.
        host_needed_gib=host + shape.own.offload_gib * shape.tensor * shape.pipeline,
        kv_bytes_per_token=kv_cache.bytes_per_token(groups),
        kv_cache_tokens=int(concurrency * shape.context),
        max_concurrency_at_context=concurrency,
        driver_gib=driver_context(machine, constants),
        state_blocks=pool.blocks if pool.states else None,
        most_requests=pool.most_requests,
        states_lacking_gib=_states_lacking(shape, release, pool) if machine.is_gpu else 0.0,
    )


def _states_lacking(shape: Shape, release: Release, pool: vllm_memory_cache.Capacity) -> float:
    """GiB of blocks that are missing where every request at once must be able to have a state."""
    if not pool.states or not release.states_for_all:
        return 0.0
    return max(0, shape.max_num_seqs - pool.blocks) * pool.block_bytes / GIB


def vllm_memory(
    machine: Machine, arch: Architecture, shape: Shape, calibration: Calibration
) -> Memory:
    """The fullest device. `kv_cache_gib` may be negative: it does not fit.

    Graphs that lie outside the fraction lessen the headroom instead of the cache. On a CPU the
    cache is a number of bytes, not a share of a device: all that is left of the host. Of several
    stages the one with the fewest blocks decides for all (vllm/v1/core/kv_cache_utils.py).
    """
    constants = constants_of(calibration)
    shape = replace(shape, kv_dtype=cache_dtype(constants, shape))
    found = [
        _stage_memory(machine, arch, shape, stage, constants)
        for stage in stages(arch.layers, shape.pipeline)
    ]
    return min(found, key=lambda mem: (mem.max_concurrency_at_context, mem.headroom_gib))
