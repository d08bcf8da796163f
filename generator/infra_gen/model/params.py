"""Parameters from the architecture, tensor group by tensor group."""

from __future__ import annotations

from dataclasses import dataclass

from infra_gen.model.llm import Architecture


@dataclass(frozen=True, slots=True)
class ParamCount:
    """Parameters by what happens to them when weights are quantized or split."""

    embedding: int
    head: int
    attention: int
    mlp: int
    mlp_active: int
    norms: int

    @property
    def total(self) -> int:
        """All parameters."""
        return self.embedding + self.head + self.attention + self.mlp + self.norms

    @property
    def active(self) -> int:
        """Parameters that one token passes through (the embedding is a look-up)."""
        return self.head + self.attention + self.mlp_active + self.norms + self.embedding


def _attention_params(arch: Architecture) -> int:
    hidden = arch.hidden_size
    if arch.mla:
        mla = arch.mla
        qk_dim = mla.qk_nope_head_dim + mla.qk_rope_head_dim
        if mla.q_lora_rank:
            query = hidden * mla.q_lora_rank + mla.q_lora_rank * arch.heads * qk_dim
        else:
            query = hidden * arch.heads * qk_dim
        latent = hidden * (mla.kv_lora_rank + mla.qk_rope_head_dim)
        expand = mla.kv_lora_rank * arch.heads * (mla.qk_nope_head_dim + mla.v_head_dim)
        return arch.layers * (query + latent + expand + arch.heads * mla.v_head_dim * hidden)
    total = 0
    for group in arch.layer_groups:
        if group.kind == "none":
            continue
        kv_heads, head_dim = group.kv_heads or arch.kv_heads, group.head_dim or arch.head_dim
        per_layer = hidden * head_dim * (2 * arch.heads + 2 * kv_heads)
        total += group.layers * per_layer
    return total


def _mlp_params(arch: Architecture) -> tuple[int, int]:
    """All MLP parameters and those active for one token."""
    hidden = arch.hidden_size
    dense = 3 * hidden * arch.intermediate_size
    if not arch.moe:
        return arch.layers * dense, arch.layers * dense
    moe = arch.moe
    expert = 3 * hidden * moe.intermediate_size
    shared = (
        3 * hidden * (moe.shared_intermediate_size or moe.shared_experts * moe.intermediate_size)
    )
    moe_layers = arch.layers - moe.dense_layers
    router = hidden * moe.experts
    total = moe_layers * (moe.experts * expert + shared + router) + moe.dense_layers * dense
    active = moe_layers * (moe.experts_per_token * expert + shared + router)
    return total, active + moe.dense_layers * dense


def count_params(arch: Architecture) -> ParamCount:
    """Parameters from the architecture alone; biases and vision towers are not counted."""
    embedding = arch.vocab_size * arch.hidden_size
    mlp, mlp_active = _mlp_params(arch)
    return ParamCount(
        embedding=embedding,
        head=0 if arch.tied_embeddings else embedding,
        attention=_attention_params(arch),
        mlp=mlp,
        mlp_active=mlp_active,
        norms=(2 * arch.layers + 1) * arch.hidden_size,
    )
