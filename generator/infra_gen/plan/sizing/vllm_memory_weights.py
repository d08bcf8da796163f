"""Weights on one device: what vLLM makes of a checkpoint's bytes when it loads them."""

from __future__ import annotations

import math

from infra_gen.model.calibration_memory import ExpertTile, VllmMemory, reached, tile_for
from infra_gen.model.llm import Architecture
from infra_gen.model.params import count_params, mlp_layers, ungated
from infra_gen.model.plan import GIB
from infra_gen.plan.kv_cache import CACHED_KINDS
from infra_gen.plan.memory import Shape
from infra_gen.plan.sizing.vllm_memory_adapters import adapter_bytes
from infra_gen.plan.sizing.vllm_memory_stage import Stage, part_of
from infra_gen.plan.weights import MATRIX_BITS, router_params

# PyTorch's caching allocator asks the driver for multiples of 2 MiB from 10 MiB on
# (c10/cuda/CUDACachingAllocator.cpp, kRoundLarge and kMinLargeAlloc).
_SEGMENT, _SEGMENT_FROM = 2 * 2**20, 10 * 2**20
_PLAIN_BITS = 16
_EAGLE_INPUTS = (
    3  # hidden states that an EAGLE layer joins (vllm/model_executor/models/llama_eagle3.py)
)


def _rotary_bytes(arch: Architecture) -> int:
    """The tables of sines and cosines: one row a position, one table for each kind of attention."""
    if arch.mla:
        return arch.max_context * arch.mla.qk_rope_head_dim * 4  # kept in 32 bits
    tables = set()
    for group in arch.layer_groups:
        if group.kind not in ("none", "linear", "mamba"):
            rows = arch.max_context
            if group.window is None:
                rows = arch.rotary_positions or rows
            tables.add((group.head_dim or arch.head_dim, rows))
    return sum(width * rows * 2 for width, rows in tables)


def _latent_down(arch: Architecture) -> int:
    """Parameters of latent attention that every device has: the ways down to the latents."""
    if arch.mla is None:
        return 0
    width = arch.mla.kv_lora_rank + arch.mla.qk_rope_head_dim + (arch.mla.q_lora_rank or 0)
    return arch.layers * arch.hidden_size * width


def _copied_heads(arch: Architecture, tensor: int) -> float:
    """Parameters of key and value heads on one device beyond its equal share."""
    if arch.mla:
        return 0.0
    extra = 0.0
    for group in arch.layer_groups:
        heads = group.kv_heads or arch.kv_heads
        if group.kind not in CACHED_KINDS:
            continue
        matrices = 2 if group.value_projection else 1
        width = matrices * arch.hidden_size * (group.head_dim or arch.head_dim)
        extra += group.layers * width * (math.ceil(heads / tensor) - heads / tensor)
    return extra


def _segment_waste(arch: Architecture, bits: float, tensor: int) -> float:
    """Bytes between large matrices and the whole segments that PyTorch's allocator gives them.

    Scales and zero points are tensors of their own, too small for segments.
    """
    waste, bits = 0.0, math.floor(bits)
    for group in arch.layer_groups:
        if arch.mla or group.kind not in CACHED_KINDS:
            continue
        width = group.head_dim or arch.head_dim
        keys = max(1, math.ceil((group.kv_heads or arch.kv_heads) / tensor))
        outer = arch.heads * width / tensor
        for columns in (outer + 2 * keys * width, outer):
            waste += group.layers * _to_segment(arch.hidden_size * columns * bits / 8)
    if arch.moe is None:
        matrix = arch.hidden_size * arch.intermediate_size / tensor * bits / 8
        gates = 1 if ungated(arch) else 2
        waste += mlp_layers(arch) * (_to_segment(gates * matrix) + _to_segment(matrix))
    return waste


def _to_segment(size: float) -> float:
    return math.ceil(size / _SEGMENT) * _SEGMENT - size if size >= _SEGMENT_FROM else 0.0


def expert_params(arch: Architecture) -> int:
    """Parameters of the experts that are chosen from, in all layers."""
    if arch.moe is None:
        return 0
    matrices = 2 if ungated(arch) else 3
    layers = max(0, mlp_layers(arch) - arch.moe.dense_layers)
    return layers * arch.moe.experts * matrices * arch.hidden_size * arch.moe.intermediate_size


def _stage_size(arch: Architecture, size: int, stage: Stage, tower: int) -> float:
    """Bytes of the layers of a stage and of what stands before or behind them."""
    if stage.layers == arch.layers:
        return size
    count, part = count_params(arch), count_params(part_of(arch, stage))
    before = count.embedding * 2 + tower
    behind = count.head * 2 or count.embedding * 2
    inner = max(0, size - before - count.head * 2)
    held = inner * (part.attention + part.mlp) / (count.attention + count.mlp)
    return held + (before if stage.first else 0) + (behind if stage.last else 0)


def _padded(size: float, tile: int) -> float:
    return math.ceil(size / tile) * tile / size


def device_bytes(
    arch: Architecture,
    quantization: str,
    size: float,
    *,
    tensor: int,
    expert_parallel: bool,
    data: int = 1,
    tile: ExpertTile | None = None,
) -> float:
    """Bytes of weights on one of `tensor` devices when vLLM has loaded `size` bytes of them.

    Norms, routers and the ways down to latents are on every device, key and value heads are copied
    where there are fewer than devices, widths are padded where kernels want whole tiles, matrices
    begin at segments of the allocator, and the tables of rotary positions come on top. Latent
    attention keeps its quantized way up in 16 bits too. Experts are shared out over `data` copies
    of attention as well (vllm/model_executor/layers/fused_moe/config.py,
    flatten_tp_across_dp).
    """
    bits = MATRIX_BITS[quantization]
    count = count_params(arch)
    everywhere = (count.norms + router_params(arch)) * 2 + _latent_down(arch) * bits / 8
    more = _copied_heads(arch, tensor) * bits / 8 + _segment_waste(arch, bits, tensor)
    if quantization == "mxfp4" and arch.moe and tile:
        width = arch.moe.intermediate_size / (1 if expert_parallel else tensor * data)
        padded = _padded(width, tile.width) * _padded(arch.hidden_size, tile.hidden) - 1
        more += count.mlp / (tensor * data) * bits / 8 * padded
    if arch.mla and bits < _PLAIN_BITS:
        up = arch.heads * (arch.mla.qk_nope_head_dim + arch.mla.v_head_dim) * arch.mla.kv_lora_rank
        more += arch.layers * up * 2 / tensor
    shared = max(0.0, size - everywhere)
    experts = min(shared, expert_params(arch) * bits / 8)
    divided = (shared - experts) / tensor + experts / (tensor * data)
    return divided + everywhere + more + _rotary_bytes(arch)


def _guessing(arch: Architecture, shape: Shape) -> float:
    """Bytes on one device of the layer that guesses tokens ahead."""
    guess = shape.own.speculation
    if guess is None or guess.by == "nothing":
        return 0.0
    count = count_params(arch)
    if guess.by == "copy":
        layer = (count.attention + count.mlp_active) / arch.layers
        return (layer + _EAGLE_INPUTS * arch.hidden_size**2) * 2 / shape.tensor
    bits = MATRIX_BITS[shape.quantization]
    layer = shape.guess_bytes or (count.attention + count.mlp) / arch.layers * bits / 8
    experts = min(layer, expert_params(arch) / max(1, mlp_layers(arch)) * bits / 8)
    return (layer - experts + experts / shape.data) / shape.tensor


def held_bytes(
    arch: Architecture, shape: Shape, stage: Stage, constants: VllmMemory, capability: str | None
) -> float:
    """Bytes of weights on one device of a stage, with adapters and less what lies on the host."""
    own, size, tower = shape.own, shape.weight_bytes, shape.tower_bytes
    if own.text_only and reached(constants.tower_skipped_since, shape.version):
        size, tower = size - tower, 0
    part = part_of(arch, stage)
    held = device_bytes(
        part,
        shape.quantization,
        _stage_size(arch, size, stage, tower),
        tensor=shape.tensor,
        expert_parallel=shape.expert_parallel,
        data=shape.data,
        tile=tile_for(constants.mxfp4_tiles, capability),
    )
    if stage.last:
        held += _guessing(arch, shape)
    if own.lora:
        covered = reached(constants.expert_adapters_since, shape.version)
        held += adapter_bytes(part, shape, experts=covered)
    return max(0.0, held - own.offload_gib * GIB)
