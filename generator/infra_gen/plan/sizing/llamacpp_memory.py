"""llama-server's memory on the fullest device.

weights + cache + states + compute buffer + runtime must stay within usable memory

The compute buffer is what one micro-batch needs at its worst moment, in 32 bits: logits of all its
tokens at the end, or, without flash attention, the scores of one layer. Numbers below are checked
against what llama.cpp prints when it loads a model (generator/tools/fit_llamacpp.py).
"""

from __future__ import annotations

import math

from infra_gen.model.calibration import Calibration, known
from infra_gen.model.llm import Architecture
from infra_gen.model.plan import GIB, Machine, Memory
from infra_gen.plan import kv_cache
from infra_gen.plan.memory import UBATCH, Shape
from infra_gen.plan.weights import MATRIX_BITS

_F32 = 4  # bytes; ggml keeps what it computes with in 32 bits
# Rows of the model's width that live while scores do: input, normed input, queries.
_ROWS_BESIDE_SCORES = 3
# With several devices a batch is worked on while the next ones wait: ggml keeps so many copies of
# what goes into a graph (GGML_SCHED_MAX_COPIES in ggml/src/ggml-backend.cpp).
_COPIES = 4
# GiB: the server itself, its tokenizer and the prompts it keeps.
_PROCESS_GIB = 2.0
# Bits of the embedding table in a mix of types; in others it has the type of the file.
_TABLE_BITS = {"Q4_K_M": 4.5, "Q4_K_S": 4.5, "Q5_K_M": 5.5, "Q5_K_S": 5.5, "Q3_K_M": 3.4375}


def table_bytes(arch: Architecture, quantization: str) -> float:
    """The embedding table, from which rows are looked up: it stays on the CPU."""
    bits = _TABLE_BITS.get(quantization) or MATRIX_BITS.get(quantization, 16.0)
    return arch.vocab_size * arch.hidden_size * bits / 8


def device_weight_bytes(arch: Architecture, quantization: str, weight_bytes: float) -> float:
    """Weights that lie on devices. A tied table is there once more, as the output projection."""
    if arch.tied_embeddings:
        return weight_bytes
    return max(0.0, weight_bytes - table_bytes(arch, quantization))


def cells(context: int) -> int:
    """Cells of one slot's cache: its context, padded."""
    return math.ceil(context / kv_cache.LLAMACPP_PAD) * kv_cache.LLAMACPP_PAD


def cache_bytes(
    arch: Architecture, context: int, slots: int, kv_dtype: str, ubatch: int = UBATCH
) -> float:
    """Keys and values of all slots, whole model; what llama.cpp prints as its KV buffer."""
    groups = kv_cache.cache_groups(arch, 1, kv_dtype)
    return kv_cache.llamacpp_cache_bytes(groups, context, slots, ubatch)


def states_bytes(arch: Architecture, slots: int) -> float:
    """Recurrent states of all slots, whole model; llama.cpp keeps them in a buffer of their own."""
    return slots * kv_cache.state_bytes(arch, 1)


def mask_bytes(context: int, ubatch: int) -> int:
    """Which cell each token of a micro-batch may look at."""
    return cells(context) * ubatch * _F32


def compute_bytes(
    arch: Architecture, context: int, ubatch: int, devices: int = 1, *, flash_attention: bool = True
) -> float:
    """The compute buffer of one device."""
    row = ubatch * arch.hidden_size * _F32
    mask = mask_bytes(context, ubatch)
    logits = ubatch * arch.vocab_size * _F32 + row
    scores = 0
    if not flash_attention:
        scores = arch.heads * cells(context) * ubatch * _F32 + _ROWS_BESIDE_SCORES * row
    copies = (_COPIES - 1) * (mask + row) if devices > 1 else 0
    return max(logits, scores) + mask + copies


def host_bytes(arch: Architecture, shape: Shape, ubatch: int) -> float:
    """What stays in the host's memory: the embedding table, the input of a graph, logits to sample."""
    row = ubatch * arch.hidden_size * _F32
    output = shape.max_num_seqs * arch.vocab_size * _F32
    inputs = mask_bytes(shape.context, ubatch) + row
    return table_bytes(arch, shape.quantization) + inputs + output


def llamacpp_memory(
    machine: Machine, arch: Architecture, shape: Shape, calibration: Calibration
) -> Memory:
    """The fullest device of llama-server; headroom below zero means that it does not fit.

    A layer split gives each device its share of layers and cache, and its own compute buffer.
    Where devices and host share their memory, the host's part counts too. Recurrent states are in
    `runtime_gib`, so that `kv_cache_gib` is what llama.cpp calls so.
    """
    groups = kv_cache.cache_groups(arch, 1, shape.kv_dtype)
    ubatch = shape.ubatch or calibration.llamacpp_compute_floor_tokens.value or UBATCH
    split = shape.layer_split
    # Whole layers go to a device, so the fullest one holds up to one layer more than its share.
    share = math.ceil(arch.layers / split) / arch.layers
    cache = cache_bytes(arch, shape.context, shape.max_num_seqs, shape.kv_dtype)
    compute = compute_bytes(arch, shape.context, ubatch, split) / GIB
    states = states_bytes(arch, shape.max_num_seqs) * share / GIB
    runtime = known(calibration.llamacpp_runtime_gib[machine.vendor]) + states
    shared = machine.memory_kind != "discrete"
    host = host_bytes(arch, shape, ubatch) / GIB
    weights = device_weight_bytes(arch, shape.quantization, shape.weight_bytes) * share / GIB
    kv_gib = cache * share / GIB
    planned = weights + kv_gib + compute + runtime + (host if shared else 0.0)
    return Memory(
        visible_gib=machine.visible_gib,
        reserved_gib=round(machine.visible_gib - machine.usable_gib, 3),
        weights_gib=weights,
        kv_cache_gib=kv_gib,
        activation_gib=compute,
        cuda_graph_gib=0.0,
        runtime_gib=runtime,
        headroom_gib=machine.usable_gib - planned,
        host_needed_gib=0.0 if shared else _PROCESS_GIB + host,
        kv_bytes_per_token=kv_cache.bytes_per_token(groups),
        kv_cache_tokens=shape.context * shape.max_num_seqs,
        max_concurrency_at_context=float(shape.max_num_seqs),
    )
