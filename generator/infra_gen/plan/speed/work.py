"""What one step reads and multiplies: bytes of weights and cache, parameters, attention.

Everything here is of one device of a tensor-parallel group, unless it says otherwise. The stages of
a pipeline work one after another, so all of their layers are counted.
"""

from __future__ import annotations

from dataclasses import dataclass

from infra_gen.model.llm import Architecture, LayerGroup
from infra_gen.model.params import count_params
from infra_gen.plan.kv_cache import CACHED_KINDS

STATE_KINDS = ("linear", "mamba")
# Layers whose attention stays at 16 bits while the experts are quantized.
_PLAIN_ATTENTION = ("mxfp4",)
_PLAIN_BYTES = 2.0  # what is not quantized is kept in 16 bits
_WIDEST = 4.0


@dataclass(frozen=True, slots=True)
class Attention:
    """Layers that attend alike. `tokens_kept`: the window, None for all.

    `cache_bytes` are of one token in all of these layers; `flops` are of one query token against
    one cached token in all of them, counted as in decode.
    """

    layers: int
    window: int | None
    cache_bytes: float
    flops: float
    prefill_flops: float

    def seen(self, context: float) -> float:
        """Tokens that the last one of `context` tokens looks at."""
        return context if self.window is None else min(context, float(self.window))

    def seen_by_all(self, context: float) -> float:
        """Pairs of tokens that a prompt of `context` tokens compares, each with those before it."""
        if self.window is None or context <= self.window:
            return context * context / 2
        return self.window * self.window / 2 + (context - self.window) * self.window


@dataclass(frozen=True, slots=True)
class Work:
    """The shapes that the time of a step follows from.

    Bytes and parameters of one device: `common` are what every token passes, `expert` all experts,
    `head` the output projection. `expert_active` are the expert parameters that one token passes.
    `data` groups with a batch each share the experts, so the tokens of all of them meet there.
    """

    layers: int
    expert_layers: int
    state_layers: int
    hidden: int
    common_bytes: float
    common_params: float
    expert_bytes: float
    expert_active: float
    head_bytes: float
    head_params: float
    expert_share: float
    attention: tuple[Attention, ...]
    state_bytes: float
    data: int = 1

    def request_bytes(self, tokens: float, batched_tokens: float) -> float:
        """Cache that one request of `tokens` tokens holds at its end.

        A layer with a window keeps that and what one step brings.
        """
        total = self.state_bytes
        for group in self.attention:
            kept = tokens if group.window is None else min(tokens, group.window + batched_tokens)
            total += group.cache_bytes * kept
        return total

    def experts_touched(self, tokens: float, coverage: float) -> float:
        """Share of the experts that `tokens` tokens choose.

        Each token takes a fixed share of them. Independent choices would touch
        1 - (1 - share) ** tokens; real ones are alike, as if fewer tokens chose.
        """
        if not self.expert_bytes:
            return 0.0
        independent = max(1.0, tokens) ** coverage
        return float(1 - (1 - self.expert_share) ** independent)


def _expert_params(arch: Architecture) -> tuple[float, float]:
    """Parameters of all routed experts, and of those that one token passes."""
    moe = arch.moe
    if not moe:
        return 0.0, 0.0
    counted = count_params(arch)
    per_expert = (counted.mlp - counted.mlp_active) / max(1, moe.experts - moe.experts_per_token)
    return per_expert * moe.experts, per_expert * moe.experts_per_token


def _attention(
    arch: Architecture, tensor: int, cache_bytes_per_token: float, *, encoder: bool
) -> tuple[Attention, ...]:
    kinds = ("none",) if encoder else CACHED_KINDS
    groups = [g for g in arch.layer_groups if g.kind in kinds]
    weights = [g.layers * _cached_width(arch, g) for g in groups]
    total = sum(weights) or 1.0
    found = []
    for group, weight in zip(groups, weights, strict=True):
        flops, prefill = _attention_flops(arch, group, tensor)
        found.append(
            Attention(
                layers=group.layers,
                window=group.window,
                cache_bytes=cache_bytes_per_token * weight / total,
                flops=flops * group.layers,
                prefill_flops=prefill * group.layers,
            )
        )
    return tuple(found)


def _cached_width(arch: Architecture, group: LayerGroup) -> float:
    return (group.kv_heads or arch.kv_heads) * (group.head_dim or arch.head_dim)


def _attention_flops(arch: Architecture, group: LayerGroup, tensor: int) -> tuple[float, float]:
    """Operations of one query against one cached token in a layer: decoding, reading a prompt.

    A latent cache is read by every head at its full rank when decoding.
    """
    heads = arch.heads / tensor
    if arch.mla:
        latent = 2 * arch.mla.kv_lora_rank + arch.mla.qk_rope_head_dim
        plain = arch.mla.qk_nope_head_dim + arch.mla.qk_rope_head_dim + arch.mla.v_head_dim
        return 2 * heads * latent, 2 * heads * plain
    both = 4 * heads * (group.head_dim or arch.head_dim)
    return both, both


@dataclass(frozen=True, slots=True)
class _Bytes:
    """Bytes of a quantized parameter and of one of the head; parameters kept in 16 bits."""

    each: float
    head: float
    plain_params: float


def _bytes(
    arch: Architecture, weight_bytes: float, quantization: str, *, body: float, experts: float
) -> _Bytes:
    counted = count_params(arch)
    tables = counted.embedding + counted.head
    if quantization[:1].isupper():  # GGUF: every matrix is quantized, the table of embeddings too
        each = weight_bytes / max(1.0, body + experts + tables)
        return _Bytes(each, each, 0.0)
    plain = float(counted.attention) if quantization in _PLAIN_ATTENTION else 0.0
    left = weight_bytes - _PLAIN_BYTES * (tables + plain)
    each = max(0.0, left) / max(1.0, body + experts - plain)
    # A checkpoint that says less than its shapes, such as a tied one, is taken as it is.
    return _Bytes(min(each, _WIDEST), _PLAIN_BYTES, plain)


def work_of(
    arch: Architecture,
    *,
    tensor: int,
    weight_bytes: float,
    cache_bytes_per_token: float,
    quantization: str,
    writes: bool,
    data: int = 1,
) -> Work:
    """The work of one device. `weight_bytes` of the whole model, the cache of this device.

    Experts are spread over all `tensor` x `data` devices, whether whole (expert parallelism) or in
    slices: what one device reads and multiplies is the same share of them.
    Embedding rows are looked up, so they are never read as a whole; tied ones are, as the head.
    """
    experts, active = _expert_params(arch)
    counted = count_params(arch)
    head_params = float(counted.head or counted.embedding) if writes else 0.0
    body = max(0.0, counted.attention + counted.mlp - experts)
    held = _bytes(arch, weight_bytes, quantization, body=body, experts=experts)
    plain = held.plain_params
    common_bytes = (body - plain) * held.each + plain * _PLAIN_BYTES
    states = [g for g in arch.layer_groups if g.kind in STATE_KINDS]
    encoder = all(group.kind == "none" for group in arch.layer_groups)
    moe = arch.moe
    return Work(
        layers=arch.layers,
        expert_layers=max(0, arch.layers - moe.dense_layers) if moe else 0,
        state_layers=sum(g.layers for g in states),
        hidden=arch.hidden_size,
        common_bytes=common_bytes / tensor,
        common_params=body / tensor,
        expert_bytes=experts * held.each / (tensor * data),
        expert_active=active / (tensor * data),
        head_bytes=head_params * held.head / tensor,
        head_params=head_params / tensor,
        expert_share=moe.experts_per_token / moe.experts if moe else 0.0,
        attention=_attention(arch, tensor, cache_bytes_per_token, encoder=encoder),
        state_bytes=sum(g.layers * (g.state_bytes or 0) for g in states) / tensor,
        data=data,
    )
