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

_UBATCH = 512  # llama.cpp's default --ubatch-size, set explicitly in the launch


@dataclass(frozen=True, slots=True)
class Shape:
    """The choices that memory depends on. `data` replicas share no memory."""

    weight_bytes: int
    tensor: int
    layer_split: int
    context: int
    max_num_seqs: int
    max_num_batched_tokens: int
    kv_dtype: str
    expert_parallel: bool = False


def vllm_fraction(machine: Machine, calibration: Calibration) -> float:
    """`--gpu-memory-utilization`: the engine's default, or less where memory is kept free.

    vLLM refuses to start when less than this share of the visible memory is free, so what the
    system or display holds, and a driver context of about a third of a GiB, stay outside.
    """
    context_gib = known(calibration.vllm_runtime_gib.single)
    free = (machine.visible_gib - machine.reserved_gib - context_gib) / machine.visible_gib
    return max(0.0, min(known(calibration.vllm_max_fraction), math.floor(free * 100) / 100))


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


def vllm_memory(
    machine: Machine, arch: Architecture, shape: Shape, calibration: Calibration
) -> Memory:
    """The fullest device of one vLLM replica. `kv_cache_gib` may be negative: it does not fit."""
    budget = vllm_fraction(machine, calibration) * machine.visible_gib
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
    cache = kv_cache.llamacpp_cache_bytes(groups, shape.context, shape.max_num_seqs, _UBATCH)
    split = shape.layer_split
    # Whole layers go to a device, so the fullest one holds up to one layer more than its share.
    share = math.ceil(arch.layers / split) / arch.layers
    logits = known_int(calibration) * arch.vocab_size * 4
    scratch = known_int(calibration) * (arch.hidden_size * 16 + arch.intermediate_size * 8)
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


def known_int(calibration: Calibration) -> int:
    """Tokens of one micro-batch, which the compute buffer is reserved for."""
    return calibration.llamacpp_compute_floor_tokens.value or _UBATCH
