"""Parameters from the architecture, tensor group by tensor group."""

from __future__ import annotations

from dataclasses import dataclass

from infra_gen.model.llm import Architecture, GatedDelta, KimiDelta, LayerGroup, Mamba2, Mixer

# Classes by the start of their name. These have two matrices in an MLP, not three (no gate):
_UNGATED = ("Bert", "Roberta", "XLMRoberta", "NemotronH")
# in these a layer is one thing, attention or state or MLP, and layers of kind `none` are the MLPs:
_ONE_PART = ("NemotronH",)
# and in these layers of kind `none` read the cache of other layers and still have attention.
_SHARED_CACHE = ("Gemma3n", "Gemma4")


def mixer_params(mixer: Mixer, hidden: int) -> int:
    """Parameters of one layer's mixer in a model `hidden` wide, its projections included.

    Biases and norms of the mixer are in it: with them the counts of Qwen3.5, Granite 4, Nemotron
    and LFM2 come out as published to the last parameter or within a millionth.
    """
    if isinstance(mixer, GatedDelta):
        key, value = mixer.key_heads * mixer.key_dim, mixer.value_heads * mixer.value_dim
        channels = 2 * key + value
        inputs = hidden * (channels + value + 2 * mixer.value_heads)
        small = 2 * mixer.value_heads + mixer.value_dim  # decay, step and the norm of one head
        return inputs + mixer.kernel * channels + small + value * hidden
    if isinstance(mixer, KimiDelta):
        inner = mixer.heads * mixer.head_dim
        gates = 2 * mixer.head_dim * (hidden + inner) + hidden * mixer.heads
        small = mixer.heads + inner + mixer.head_dim  # decay, step, and the norm of one head
        return 4 * hidden * inner + gates + 3 * inner * mixer.kernel + small
    if isinstance(mixer, Mamba2):
        inner = mixer.heads * mixer.head_dim
        channels = inner + 2 * mixer.groups * mixer.state
        inputs = hidden * (inner + channels + mixer.heads)
        small = inner + 3 * mixer.heads  # norm; decay, skip and step of each head
        return inputs + (mixer.kernel + 1) * channels + small + inner * hidden
    return 4 * hidden * hidden + mixer.kernel * hidden


@dataclass(frozen=True, slots=True)
class Extras:
    """What config.json says beyond the fields of Architecture.

    `mixer`: parameters of what stands for attention in one linear or mamba layer. `attention`:
    further parameters of the whole model's attention.
    """

    mixer: int | None = None
    attention: int = 0


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


def ungated(arch: Architecture) -> bool:
    """Whether an MLP has two matrices: no gate beside the way up."""
    return arch.class_name.startswith(_UNGATED)


def mlp_layers(arch: Architecture) -> int:
    """Layers with an MLP, dense or of experts."""
    return _mlp_layers(arch)


def _mla_layer(arch: Architecture) -> int:
    hidden, mla = arch.hidden_size, arch.mla
    if mla is None:
        return 0
    qk_dim = mla.qk_nope_head_dim + mla.qk_rope_head_dim
    if mla.q_lora_rank:
        query = hidden * mla.q_lora_rank + mla.q_lora_rank * arch.heads * qk_dim
    else:
        query = hidden * arch.heads * qk_dim
    latent = hidden * (mla.kv_lora_rank + mla.qk_rope_head_dim)
    expand = mla.kv_lora_rank * arch.heads * (mla.qk_nope_head_dim + mla.v_head_dim)
    return query + latent + expand + arch.heads * mla.v_head_dim * hidden


def _keeps_attention(arch: Architecture) -> bool:
    """Whether layers of kind `none` have attention: encoders, and layers that share a cache."""
    only_none = all(group.kind == "none" for group in arch.layer_groups)
    return only_none or arch.class_name.startswith(_SHARED_CACHE)


def _grouped_layer(arch: Architecture, group: LayerGroup) -> int:
    """Query, output and gate by the heads, key and value by the heads that are cached."""
    kv_heads, head_dim = group.kv_heads or arch.kv_heads, group.head_dim or arch.head_dim
    outer = (3 if arch.gated_attention else 2) * arch.heads
    inner = (2 if group.value_projection else 1) * kv_heads
    return arch.hidden_size * head_dim * (outer + inner)


def _mixer_params(arch: Architecture, extras: Extras) -> int:
    """One linear or mamba layer, by what is known of it, else 4 x hidden^2.

    That is less than any published one has (LFM2's convolutions: 4.0, Qwen3.5-27B: 4.4, Granite 4
    and Jamba: above 6).
    """
    if extras.mixer is not None:
        return extras.mixer
    if arch.mixer is not None:
        return mixer_params(arch.mixer, arch.hidden_size)
    return 4 * arch.hidden_size**2


def _attention_params(arch: Architecture, extras: Extras) -> int:
    """Attention, what stands for it, and what each layer makes of an embedding of its own."""
    mixer = _mixer_params(arch, extras)
    # Gemma 3n and 4: one matrix from the embedding to all layers, a gate and a projection in each.
    total = extras.attention + 3 * arch.layers * arch.hidden_size * arch.layer_embedding
    for group in arch.layer_groups:
        if group.kind in ("linear", "mamba"):
            total += group.layers * mixer
            continue
        if group.state_bytes:  # attention and mamba side by side
            total += group.layers * mixer
        if group.kind == "none" and not _keeps_attention(arch):
            continue
        total += group.layers * (_mla_layer(arch) or _grouped_layer(arch, group))
    return total


def _mlp_layers(arch: Architecture) -> int:
    if not arch.class_name.startswith(_ONE_PART):
        return arch.layers
    return sum(group.layers for group in arch.layer_groups if group.kind == "none")


def _mlp_params(arch: Architecture) -> tuple[int, int]:
    """All MLP parameters and those active for one token."""
    hidden = arch.hidden_size
    matrices = 2 if ungated(arch) else 3
    dense = matrices * hidden * arch.intermediate_size
    layers = _mlp_layers(arch)
    if not arch.moe:
        return layers * dense, layers * dense
    moe = arch.moe
    expert = matrices * (moe.input_size or hidden) * moe.intermediate_size
    width = moe.shared_intermediate_size or moe.shared_experts * moe.intermediate_size
    common = matrices * hidden * width + hidden * moe.experts  # shared experts and the router
    if moe.input_size:
        common += 2 * hidden * moe.input_size  # down to what experts read, and up again
    moe_layers = max(0, layers - moe.dense_layers)
    plain = min(moe.dense_layers, layers) * dense
    total = moe_layers * (moe.experts * expert + common) + plain
    return total, moe_layers * (moe.experts_per_token * expert + common) + plain


def count_params(arch: Architecture, extras: Extras | None = None) -> ParamCount:
    """Parameters from the architecture alone; biases and vision towers are not counted.

    `extras` is for an architecture read from a config.json with a mixer that has no record here.
    With neither, models with linear or mamba layers get a lower bound.
    """
    more = extras or Extras()
    embedding = arch.vocab_size * arch.hidden_size
    looked_up = arch.positions * arch.hidden_size
    looked_up += arch.layers * arch.layer_embedding * arch.vocab_size
    mlp, mlp_active = _mlp_params(arch)
    encoder = all(group.kind == "none" for group in arch.layer_groups)
    return ParamCount(
        embedding=embedding + looked_up,
        head=0 if arch.tied_embeddings or encoder else embedding,
        attention=_attention_params(arch, more),
        mlp=mlp,
        mlp_active=mlp_active,
        norms=(2 * arch.layers + 1) * arch.hidden_size,
    )
