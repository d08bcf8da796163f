"""llama.cpp's key-value cache to the byte, and the recurrent states beside it.

    cells = context of a slot, padded to 256     (unified: of all slots together)
    layers with a window: pad(min(cells, window x sequences in the stream + micro-batch))

From ggml-org/llama.cpp b11434 src/llama-context.cpp (n_ctx_seq), src/llama-kv-cache.cpp and
src/llama-kv-cache-iswa.cpp (size_swa).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from infra_gen.model.llm import Architecture, LayerGroup
from infra_gen.plan import kv_cache
from infra_gen.plan.sizing.llamacpp_layout import Layout

PAD = 256  # cells


def padded(cells: float) -> int:
    """Cells in whole blocks of 256."""
    return math.ceil(cells / PAD) * PAD


@dataclass(frozen=True, slots=True)
class Cells:
    """`streams` caches of `cells` each, which `sequences` sequences share evenly."""

    cells: int
    streams: int
    sequences: int

    def windowed(self, window: int, ubatch: int) -> int:
        """Cells of one stream for a layer with that window, while a micro-batch is worked on."""
        inside = self.sequences // self.streams
        return padded(min(self.cells, window * inside + ubatch))


def cells_of(context: int, slots: int, layout: Layout) -> Cells:
    """Cells of each stream for `slots` slots of `context` tokens, or of the total that the user set."""
    total = padded(layout.total_context or context * slots)
    if layout.unified:
        return Cells(total, 1, slots)
    return Cells(padded(total // slots), slots, slots)


def _token_bytes(arch: Architecture, group: LayerGroup, keys: str, values: str) -> float:
    """Bytes of one token in one layer. Latent attention caches one latent, in the keys' type."""
    key, value = kv_cache.KV_ELEMENT_BYTES[keys], kv_cache.KV_ELEMENT_BYTES[values]
    if arch.mla:
        return (arch.mla.kv_lora_rank + arch.mla.qk_rope_head_dim) * key + arch.extra_cache_bytes
    width = (group.kv_heads or arch.kv_heads) * (group.head_dim or arch.head_dim)
    return width * (key + value) + arch.extra_cache_bytes


def cache_bytes(
    arch: Architecture,
    context: int,
    slots: int,
    kv_dtype: str,
    *,
    ubatch: int,
    layout: Layout | None = None,
) -> float:
    """Keys and values of all slots, whole model; what llama.cpp prints as its KV buffer."""
    layout = layout or Layout()
    stream = cells_of(context, slots, layout)
    total = 0.0
    for group in arch.layer_groups:
        if group.kind not in kv_cache.CACHED_KINDS:
            continue
        kept = stream.cells
        if group.window is not None and not layout.swa_full:
            kept = stream.windowed(group.window, ubatch)
        each = _token_bytes(arch, group, kv_dtype, layout.cache_v or kv_dtype)
        total += stream.streams * kept * group.layers * each
    return total


def bytes_per_token(arch: Architecture, kv_dtype: str, layout: Layout) -> int:
    """Bytes that one more token costs while every window still grows."""
    values = layout.cache_v or kv_dtype
    return round(
        sum(
            group.layers * _token_bytes(arch, group, kv_dtype, values)
            for group in arch.layer_groups
            if group.kind in kv_cache.CACHED_KINDS
        )
    )


def states_bytes(arch: Architecture, slots: int) -> float:
    """Recurrent states of all slots, whole model; llama.cpp keeps them in a buffer of their own."""
    return slots * kv_cache.state_bytes(arch, 1)
