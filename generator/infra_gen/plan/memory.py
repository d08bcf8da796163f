"""Device memory: what an engine takes beside weights, and what is left for the cache.

vLLM:      kv = fraction x visible - weights - activation - runtime - graphs       (per device)
llama.cpp: kv + weights + compute buffer + runtime must stay within usable memory  (per device)
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from infra_gen.model.calibration import Calibration, known
from infra_gen.model.llm import Architecture
from infra_gen.model.plan import GIB, Machine, Memory
from infra_gen.plan import kv_cache

UBATCH = 512  # llama.cpp's default --ubatch-size, set explicitly in the launch


@dataclass(frozen=True, slots=True)
class Shape:
    """The choices that memory depends on. `ubatch`: llama.cpp's, None for its default."""

    weight_bytes: int
    tensor: int
    layer_split: int
    context: int
    max_num_seqs: int
    max_num_batched_tokens: int
    kv_dtype: str
    expert_parallel: bool = False
    ubatch: int | None = None


def vllm_fraction(machine: Machine, calibration: Calibration) -> float:
    """`--gpu-memory-utilization`: the engine's default, or less where memory is kept free.

    vLLM refuses to start when less than this share of the visible memory is free, so what the
    system or display holds, and a driver context of about a third of a GiB, stay outside.
    """
    return min(known(calibration.vllm_max_fraction), _free_fraction(machine, calibration))


def _free_fraction(machine: Machine, calibration: Calibration) -> float:
    """The share of visible memory that plans may fill, less a driver context, to two digits."""
    free = machine.usable_gib - known(calibration.vllm_runtime_gib.single)
    return max(0.0, math.floor(free / machine.visible_gib * 100) / 100)


def vllm_activation_gib(arch: Architecture, shape: Shape, calibration: Calibration) -> float:
    """Peak of one forward pass: the MLP of a full batch, or the sampler's logits, per device."""
    tokens, hidden = shape.max_num_batched_tokens, arch.hidden_size
    rows, width = tokens, arch.intermediate_size
    factor = known(calibration.vllm_activation_factor.dense)
    if arch.moe:
        rows, width = tokens * arch.moe.experts_per_token, arch.moe.intermediate_size
        factor = known(calibration.vllm_activation_factor.moe)
    width = math.ceil(width / shape.tensor)
    mlp = rows * 3 * width * 2 + 2 * tokens * hidden * 2
    if arch.moe:
        mlp += rows * hidden * 2
    logits = shape.max_num_seqs * arch.vocab_size * 6
    return max(mlp * factor, float(logits)) / GIB


def tgi_fraction(machine: Machine, calibration: Calibration) -> float:
    """`--cuda-memory-fraction`: all that the system leaves free. TGI keeps a tenth of it back."""
    return min(1.0, _free_fraction(machine, calibration))


def tgi_memory(
    machine: Machine, arch: Architecture, shape: Shape, calibration: Calibration
) -> Memory:
    """The fullest shard of TGI: its warm-up leaves a part of its share unused (TGI_WIGGLE_ROOM)."""
    fraction = tgi_fraction(machine, calibration) * known(calibration.tgi_wiggle_room)
    return _paged_memory(machine, arch, shape, calibration, fraction)


def vllm_memory(
    machine: Machine, arch: Architecture, shape: Shape, calibration: Calibration
) -> Memory:
    """The fullest device of one vLLM replica. `kv_cache_gib` may be negative: it does not fit.

    On a CPU the cache is a number of bytes, not a share of a device: all that is left of the host.
    """
    fraction = machine.usable_gib / machine.visible_gib
    if machine.is_gpu:
        fraction = vllm_fraction(machine, calibration)
    return _paged_memory(machine, arch, shape, calibration, fraction)


def _paged_memory(
    machine: Machine, arch: Architecture, shape: Shape, calibration: Calibration, fraction: float
) -> Memory:
    """A device of which `fraction` is the engine's: what nothing else takes becomes cache."""
    budget = fraction * machine.visible_gib
    weights = shape.weight_bytes / shape.tensor / GIB
    if shape.tensor > arch.kv_heads and not arch.mla:
        weights *= 1.02  # key and value projections are copied to several devices
    activation = vllm_activation_gib(arch, shape, calibration)
    runtime = known(
        calibration.vllm_runtime_gib.parallel
        if shape.tensor > 1
        else calibration.vllm_runtime_gib.single
    )
    graphs = known(calibration.vllm_graph_gib) if machine.is_gpu else 0.0
    kv_gib = budget - weights - activation - runtime - graphs
    groups = kv_cache.cache_groups(arch, shape.tensor, shape.kv_dtype)
    sequence = kv_cache.vllm_sequence_bytes(groups, shape.context, shape.max_num_batched_tokens)
    sequence += kv_cache.state_bytes(arch, shape.tensor)
    concurrency = max(0.0, kv_gib) * GIB / sequence if sequence else float(shape.max_num_seqs)
    return Memory(
        visible_gib=machine.visible_gib,
        reserved_gib=machine.reserved_gib,
        weights_gib=weights,
        kv_cache_gib=kv_gib,
        activation_gib=activation,
        cuda_graph_gib=graphs,
        runtime_gib=runtime,
        headroom_gib=machine.visible_gib - machine.reserved_gib - budget,
        # The loader maps shards one after another; the whole checkpoint passes the page cache.
        host_needed_gib=4.0 + min(8.0, shape.weight_bytes / GIB * 0.25),
        kv_bytes_per_token=kv_cache.bytes_per_token(groups),
        kv_cache_tokens=int(concurrency * shape.context),
        max_concurrency_at_context=concurrency,
    )


def llamacpp_memory(
    machine: Machine, arch: Architecture, shape: Shape, calibration: Calibration
) -> Memory:
    """The fullest device of llama-server; headroom below zero means that it does not fit.

    A layer split gives each device its share of layers and cache, and its own compute buffer.
    """
    groups = kv_cache.cache_groups(arch, 1, shape.kv_dtype)
    cache = kv_cache.llamacpp_cache_bytes(groups, shape.context, shape.max_num_seqs, UBATCH)
    cache += shape.max_num_seqs * kv_cache.state_bytes(arch, 1)
    split = shape.layer_split
    # Whole layers go to a device, so the fullest one holds up to one layer more than its share.
    share = math.ceil(arch.layers / split) / arch.layers
    logits = _micro_batch(calibration, shape) * arch.vocab_size * 4
    scratch = _micro_batch(calibration, shape) * (
        arch.hidden_size * 16 + arch.intermediate_size * 8
    )
    compute = (logits + scratch) / GIB
    runtime = known(calibration.llamacpp_runtime_gib[machine.vendor])
    weights = shape.weight_bytes * share / GIB
    kv_gib = cache * share / GIB
    planned = weights + kv_gib + compute + runtime
    shared = machine.memory_kind != "discrete"
    return Memory(
        visible_gib=machine.visible_gib,
        reserved_gib=round(machine.visible_gib - machine.usable_gib, 3),
        weights_gib=weights,
        kv_cache_gib=kv_gib,
        activation_gib=compute,
        cuda_graph_gib=0.0,
        runtime_gib=runtime,
        headroom_gib=machine.usable_gib - planned,
        host_needed_gib=0.0 if shared else 2.0,
        kv_bytes_per_token=kv_cache.bytes_per_token(groups),
        kv_cache_tokens=shape.context * shape.max_num_seqs,
        max_concurrency_at_context=float(shape.max_num_seqs),
    )


def _micro_batch(calibration: Calibration, shape: Shape) -> int:
    """Tokens of one micro-batch, which the compute buffer is reserved for."""
    return shape.ubatch or calibration.llamacpp_compute_floor_tokens.value or UBATCH
