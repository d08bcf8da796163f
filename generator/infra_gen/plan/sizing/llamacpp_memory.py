"""llama-server's memory on the fullest device.

weights + cache + states + compute buffer + runtime must stay within usable memory

The compute buffer is what one micro-batch needs at its worst moment, in 32 bits: logits of all its
tokens at the end, or, without flash attention, the scores of one layer. Numbers below are checked
against what llama.cpp prints when it loads a model (generator/tools/fit_llamacpp.py).
"""

from __future__ import annotations

from infra_gen.model.calibration import Calibration, known
from infra_gen.model.llm import Architecture
from infra_gen.model.machine import Machine
from infra_gen.model.plan import GIB, HostShare, Memory, Placement
from infra_gen.plan.memory import UBATCH, Shape
from infra_gen.plan.sizing.llamacpp_cache import (
    bytes_per_token,
    cache_bytes,
    cells_of,
    states_bytes,
)
from infra_gen.plan.sizing.llamacpp_layout import Layout
from infra_gen.plan.sizing.llamacpp_weights import Parts, Placed, parts_of, placed, table_bytes

_F32 = 4  # bytes; ggml keeps what it computes with in 32 bits
# Rows of the model's width that live while scores do: input, normed input, queries.
_ROWS_BESIDE_SCORES = 3
# With several devices a batch is worked on while the next ones wait: ggml keeps so many copies of
# what goes into a graph (GGML_SCHED_MAX_COPIES in ggml/src/ggml-backend.cpp).
_COPIES = 4
# An MLP, or an expert, is three matrices: gate, up, down.
_MLP_MATRICES = 3
# GiB: the server itself, its tokenizer and the prompts it keeps.
_PROCESS_GIB = 2.0


def mask_bytes(context: int, ubatch: int) -> int:
    """Which cell each token of a micro-batch may look at; `context` in cells."""
    return context * ubatch * _F32


def compute_bytes(
    arch: Architecture,
    cells: int,
    ubatch: int,
    *,
    flash_attention: bool = True,
    pipelined: bool = False,
) -> float:
    """The compute buffer of one device for streams of `cells` cells.

    `pipelined`: several devices hold layers, and each keeps copies of what comes in.
    """
    row = ubatch * arch.hidden_size * _F32
    mask = mask_bytes(cells, ubatch)
    logits = ubatch * arch.vocab_size * _F32 + row
    scores = 0
    if not flash_attention:
        scores = arch.heads * cells * ubatch * _F32 + _ROWS_BESIDE_SCORES * row
    copies = (_COPIES - 1) * (mask + row) if pipelined else 0
    return max(logits, scores) + mask + copies


def staging_bytes(parts: Parts, placement: Placement) -> float:
    """The largest matrix of the CPU's: devices fetch it when they read long prompts."""
    if placement.whole:
        return 0.0
    beside = parts.expert_layer if placement.cpu_moe_layers else 0.0
    layer = 0.0
    if placement.gpu_layers is not None and placement.gpu_layers <= parts.layers:
        layer = max(parts.plain_layer, parts.expert_layer)
    head = parts.head if placement.gpu_layers == 0 else 0.0
    return max(head, max(beside, layer) / _MLP_MATRICES)


def _pipelined(shape: Shape, devices: int) -> bool:
    """Whether batches go through several devices one after another (b11434 src/llama-context.cpp)."""
    layout = shape.layout
    by_layer = layout.split_mode == "layer" and layout.kv_offload
    return devices > 1 and by_layer and shape.placement.whole


def fullest_gib(
    arch: Architecture, shape: Shape, found: Placed, cache: float, states: float
) -> tuple[float, float, float]:
    """GiB of weights, cache and states of the device that holds most."""
    layout, layers = shape.layout, arch.layers
    kept = cache if layout.kv_offload else 0.0
    sizes = zip(found.device_bytes, found.device_layers, strict=True)
    rows = [(size, kept * n / layers, states * n / layers) for size, n in sizes]
    weights, keys, state = max(rows, key=sum)
    return weights / GIB, keys / GIB, state / GIB


def host_bytes(
    arch: Architecture, shape: Shape, found: Placed, *, inputs: float, cache: float
) -> float:
    """What stays in the host's memory.

    The embedding table, the input of a graph, logits to sample, and layers that are not on devices
    with their cache.
    """
    output = shape.max_num_seqs * arch.vocab_size * _F32
    share = found.host_layers / arch.layers if shape.layout.kv_offload else 1.0
    held = found.host_plain + found.host_experts + cache * share
    return table_bytes(arch, shape.quantization) + inputs + output + held


def _on_host(parts: Parts, found: Placed, layout: Layout) -> HostShare:
    """What the CPU works on. A layer's attention is computed where its cache lies."""
    return HostShare(
        plain=found.host_plain / parts.plain if parts.plain else 0.0,
        experts=found.host_experts / parts.experts if parts.experts else 0.0,
        cache=found.host_layers / parts.layers if layout.kv_offload else 1.0,
    )


def capacity(shape: Shape) -> tuple[int, float]:
    """Tokens that all caches hold, and requests of full context that they hold."""
    layout, context = shape.layout, shape.context
    total = layout.total_context or context * shape.max_num_seqs
    if layout.unified:
        return total, min(float(shape.max_num_seqs), total / context)
    return total, float(shape.max_num_seqs)


def llamacpp_memory(
    machine: Machine, arch: Architecture, shape: Shape, calibration: Calibration
) -> Memory:
    """The fullest device of llama-server; headroom below zero means that it does not fit.

    A layer split gives each device its layers and their cache, and its own compute buffer. Where
    devices and host share their memory, the host's part counts too. Recurrent states are in
    `runtime_gib`, so that `kv_cache_gib` is what llama.cpp calls so.
    """
    layout: Layout = shape.layout
    ubatch = shape.ubatch or calibration.llamacpp_compute_floor_tokens.value or UBATCH
    cells = cells_of(shape.context, shape.max_num_seqs, layout).cells
    parts = parts_of(arch, shape.quantization, shape.weight_bytes)
    found = placed(parts, shape.placement, shape.layer_split, layout)
    slots = shape.max_num_seqs
    cache = cache_bytes(arch, shape.context, slots, shape.kv_dtype, ubatch=ubatch, layout=layout)
    held = states_bytes(arch, slots)
    weights, kv_gib, states = fullest_gib(arch, shape, found, cache, held)
    compute = compute_bytes(
        arch,
        cells,
        ubatch,
        flash_attention=layout.flash_attention,
        pipelined=_pipelined(shape, shape.layer_split),
    )
    compute = (compute + staging_bytes(parts, shape.placement)) / GIB
    runtime = known(calibration.llamacpp_runtime_gib[machine.vendor]) + states
    usable = machine.usable_gib - layout.kept_free_gib
    inputs = mask_bytes(cells, ubatch) + ubatch * arch.hidden_size * _F32
    shared = machine.memory_kind != "discrete"
    host = host_bytes(arch, shape, found, inputs=inputs, cache=cache) / GIB
    planned = weights + kv_gib + compute + runtime + (host if shared else 0.0)
    tokens, concurrency = capacity(shape)
    return Memory(
        visible_gib=machine.visible_gib,
        reserved_gib=round(machine.visible_gib - usable, 3),
        weights_gib=weights,
        kv_cache_gib=kv_gib,
        activation_gib=compute,
        cuda_graph_gib=0.0,
        runtime_gib=runtime,
        headroom_gib=usable - planned,
        host_needed_gib=0.0 if shared else _PROCESS_GIB + host,
        kv_bytes_per_token=bytes_per_token(arch, shape.kv_dtype, layout),
        kv_cache_tokens=tokens,
        max_concurrency_at_context=concurrency,
        on_host=_on_host(parts, found, layout) if machine.is_gpu else HostShare(),
    )
