"""Key-value cache by attention kind: bytes per token and bytes of one sequence.

GQA caches 2 x kv_heads x head_dim per token and layer; MLA one latent of rank + rope dims, which
tensor parallelism does not divide; sliding layers stop growing at their window.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from infra_gen.model.llm import Architecture, LayerGroup

# Bytes per cached element. llama.cpp's block types carry their scales: q8_0 is 34 bytes for 32.
KV_ELEMENT_BYTES: dict[str, float] = {
    "auto": 2.0,
    "bfloat16": 2.0,
    "float16": 2.0,
    "fp8": 1.0,
    "fp8_e4m3": 1.0,
    "fp8_e5m2": 1.0,
    "fp8_inc": 1.0,
    "fp8_ds_mla": 1.0,
    "int8_per_token_head": 1.0,
    "fp8_per_token_head": 1.0,
    "nvfp4": 1 / 2 + 1 / 16,  # four bits, and eight of scale for sixteen elements
    "f32": 4.0,
    "f16": 2.0,
    "bf16": 2.0,
    "q8_0": 34 / 32,
    "q5_1": 24 / 32,
    "q5_0": 22 / 32,
    "q4_1": 20 / 32,
    "q4_0": 18 / 32,
    "iq4_nl": 18 / 32,
}
# Layer kinds that hold keys and values; linear and mamba layers keep a fixed state.
CACHED_KINDS = ("full", "sliding", "chunked")
# Bytes a token of vLLM's own format for latent attention: 512 of fp8, 16 of scales, 128 of 16-bit
# positions (vllm 0.25.0 vllm/v1/kv_cache_interface.py, MLAAttentionSpec). Models that keep an index of
# their tokens beside it take it for every fp8 (vllm/model_executor/layers/attention/mla_attention.py).
_SPARSE_LATENT = {"fp8_ds_mla": 656.0}
# Bytes of scale that these keep for each head of keys and of values (real_page_size_bytes there).
_HEAD_SCALE = {"int8_per_token_head": 4, "fp8_per_token_head": 4}
VLLM_BLOCK = 16  # tokens a block, vLLM's default on CUDA


@dataclass(frozen=True, slots=True)
class CacheGroup:
    """Layers that cache alike: bytes per token of all of them, and their window if they have one."""

    layers: int
    layer_bytes_per_token: float
    window: int | None


def _layer_bytes(arch: Architecture, group: LayerGroup, tensor: int, kv_dtype: str) -> float:
    extra = arch.extra_cache_bytes  # of a type of its own, and on every device
    element = KV_ELEMENT_BYTES[kv_dtype]
    if arch.mla and (kv_dtype in _SPARSE_LATENT or (extra and kv_dtype.startswith("fp8"))):
        return _SPARSE_LATENT["fp8_ds_mla"] + extra
    if arch.mla:
        return (arch.mla.kv_lora_rank + arch.mla.qk_rope_head_dim) * element + extra
    kv_heads = group.kv_heads or arch.kv_heads
    head_dim = group.head_dim or arch.head_dim
    head = head_dim * element + _HEAD_SCALE.get(kv_dtype, 0)
    return 2 * max(1, math.ceil(kv_heads / tensor)) * head + extra


def cache_groups(arch: Architecture, tensor: int, kv_dtype: str) -> tuple[CacheGroup, ...]:
    """The groups that hold a cache, on one device of `tensor` that share the heads."""
    return tuple(
        CacheGroup(group.layers, _layer_bytes(arch, group, tensor, kv_dtype), group.window)
        for group in arch.layer_groups
        if group.kind in CACHED_KINDS
    )


def state_bytes(arch: Architecture, tensor: int) -> float:
    """Bytes that linear and mamba layers keep for one sequence on a device, however long it is."""
    return sum(group.layers * (group.state_bytes or 0) for group in arch.layer_groups) / tensor


def bytes_per_token(groups: tuple[CacheGroup, ...]) -> int:
    """Bytes that one more token costs while every window still grows."""
    return round(sum(g.layers * g.layer_bytes_per_token for g in groups))


def _padded_layers(groups: tuple[CacheGroup, ...]) -> list[tuple[CacheGroup, int]]:
    """VLLM splits a hybrid model into groups of equal layer count; the last one is padded."""
    if len(groups) < 2:
        return [(g, g.layers) for g in groups]
    size = min(g.layers for g in groups)
    return [(g, math.ceil(g.layers / size) * size) for g in groups]


def vllm_sequence_bytes(groups: tuple[CacheGroup, ...], context: int, batched_tokens: int) -> float:
    """Bytes that vLLM books for one sequence of `context` tokens on one device.

    A sliding layer keeps its window and one scheduling step of tokens
    (SlidingWindowSpec.max_memory_usage_bytes).
    """
    total = 0.0
    for group, layers in _padded_layers(groups):
        blocks = math.ceil(context / VLLM_BLOCK)
        if group.window is not None:
            kept = min(group.window - 1 + batched_tokens, context)
            blocks = min(blocks, math.ceil(kept / VLLM_BLOCK) + 1)
        total += blocks * VLLM_BLOCK * layers * group.layer_bytes_per_token
    return total
