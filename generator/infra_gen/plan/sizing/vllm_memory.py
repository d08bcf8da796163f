"""vLLM's memory on the fullest device of one copy.

kv = fraction x visible - weights - activation - outside torch - graphs inside the budget
"""

from __future__ import annotations

import math

from infra_gen.model.calibration import Calibration, known
from infra_gen.model.calibration_memory import VllmMemory, at_version, reached
from infra_gen.model.llm import Architecture
from infra_gen.model.plan import GIB, Machine, Memory
from infra_gen.plan import kv_cache, weights
from infra_gen.plan.memory import Shape
from infra_gen.plan.sizing import vllm_memory_cache, vllm_memory_graphs, vllm_memory_peak
from infra_gen.plan.sizing.vllm_memory_release import release_of

_PAIR = 2  # devices that talk to each other without a switch


def constants_of(calibration: Calibration) -> VllmMemory:
    """The constants of vLLM's memory."""
    if calibration.vllm_memory is None:
        raise ValueError("the calibration holds no constants of vLLM's memory")
    return calibration.vllm_memory


def free_fraction(machine: Machine, constants: VllmMemory) -> float:
    """The share of visible memory that is free at start, to two digits.

    vLLM refuses to start where less than its share is free, so what the system or display holds
    and the driver's context stay outside.
    """
    free = machine.usable_gib - known(constants.driver_context_gib)
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
        context = known(constants.driver_context_gib)
    if machine.memory_kind != "discrete" and machine.is_gpu:
        return known(held.unified) + context
    if shape.tensor == 1:
        return known(held.single) + context
    return known(held.pair if shape.tensor == _PAIR else held.group) + context


def vllm_memory(
    machine: Machine, arch: Architecture, shape: Shape, calibration: Calibration
) -> Memory:
    """The fullest device. `kv_cache_gib` may be negative: it does not fit.

    Graphs that lie outside the fraction lessen the headroom instead of the cache. On a CPU the
    cache is a number of bytes, not a share of a device: all that is left of the host.
    """
    constants = constants_of(calibration)
    release = release_of(constants, arch, shape)
    share = machine.usable_gib / machine.visible_gib
    if machine.is_gpu:
        share = shape.fraction or fraction(machine, constants, shape.version)
    budget = share * machine.visible_gib
    loaded = weights.device_bytes(
        arch,
        shape.quantization,
        shape.weight_bytes,
        tensor=shape.tensor,
        expert_parallel=shape.expert_parallel,
    )
    loaded_gib = loaded / GIB
    activation = vllm_memory_peak.peak(arch, shape, release, constants) / GIB
    runtime = outside_torch(machine, shape, constants)
    graphs = inside = 0.0
    if machine.is_gpu:
        graphs = vllm_memory_graphs.taken(arch, shape, release, constants.graphs) / GIB
    if machine.is_gpu and release.budgeted:
        inside = vllm_memory_graphs.estimated(arch, shape, release, constants.graphs) / GIB
        graphs = inside
    kv_gib = budget - loaded_gib - activation - runtime - inside
    pool = vllm_memory_cache.capacity(arch, shape, release, kv_gib)
    concurrency = pool.concurrency if pool.per_request else float(shape.max_num_seqs)
    groups = kv_cache.cache_groups(arch, shape.tensor, shape.kv_dtype)
    return Memory(
        visible_gib=machine.visible_gib,
        reserved_gib=machine.reserved_gib,
        weights_gib=loaded_gib,
        kv_cache_gib=kv_gib,
        activation_gib=activation,
        cuda_graph_gib=graphs,
        runtime_gib=runtime,
        headroom_gib=machine.visible_gib - machine.reserved_gib - budget - (graphs - inside),
        # The loader maps shards one after another; the whole checkpoint passes the page cache.
        host_needed_gib=4.0 + min(8.0, shape.weight_bytes / GIB * 0.25),
        kv_bytes_per_token=kv_cache.bytes_per_token(groups),
        kv_cache_tokens=int(concurrency * shape.context),
        max_concurrency_at_context=concurrency,
    )
