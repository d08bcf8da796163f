"""The language model: architecture as its config.json states it, and its published checkpoints."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import Field, model_validator

from infra_gen.model.sourced import Record, Sourced

LayerKind = Literal["full", "sliding", "chunked", "linear", "mamba", "none"]
# Names that both presets and specs use. GGUF types keep llama.cpp's own upper-case names.
SafetensorsQuant = Literal[
    "fp32", "bf16", "fp16", "fp8", "fp8-block", "awq-int4", "gptq-int4", "w4a16", "w8a8-int8",
    "mxfp4", "nvfp4", "bnb-nf4",
]  # fmt: skip


class Mla(Record):
    """Multi-head latent attention: what is cached per token and layer is rank + rope dims."""

    kv_lora_rank: int = Field(gt=0)
    q_lora_rank: int | None = None
    qk_rope_head_dim: int = Field(gt=0)
    qk_nope_head_dim: int = Field(gt=0)
    v_head_dim: int = Field(gt=0)


class Moe(Record):
    """Mixture of experts; `dense_layers` is how many layers keep a plain MLP.

    `input_size` is what experts read where it is narrower than the model, behind a projection.
    """

    experts: int = Field(gt=0)
    experts_per_token: int = Field(gt=0)
    shared_experts: int = 0
    intermediate_size: int = Field(gt=0)
    shared_intermediate_size: int | None = None
    input_size: int | None = Field(default=None, gt=0)
    dense_layers: int = 0


class GatedDelta(Record):
    """A linear layer of Qwen3-Next and Qwen3.5: gated delta rule after a short convolution."""

    kind: Literal["gated-delta"]
    key_heads: int = Field(gt=0)
    value_heads: int = Field(gt=0)
    key_dim: int = Field(gt=0, description="elements of one key head")
    value_dim: int = Field(gt=0, description="elements of one value head")
    kernel: int = Field(default=4, gt=1)


class KimiDelta(Record):
    """A linear layer of Kimi-Linear: delta attention with short convolutions and low-rank gates."""

    kind: Literal["kimi-delta"]
    heads: int = Field(gt=0)
    head_dim: int = Field(gt=0)
    kernel: int = Field(default=4, gt=1)


class Mamba2(Record):
    """A mamba 2 layer (Granite 4, Nemotron-H): `groups` heads share what writes the state."""

    kind: Literal["mamba2"]
    heads: int = Field(gt=0)
    head_dim: int = Field(gt=0)
    state: int = Field(gt=0)
    groups: int = Field(default=1, gt=0)
    kernel: int = Field(default=4, gt=1)


class ShortConvolution(Record):
    """A gated convolution over the last `kernel` tokens, as wide as the model (LFM2)."""

    kind: Literal["short-convolution"]
    kernel: int = Field(gt=1)


Mixer = Annotated[GatedDelta | KimiDelta | Mamba2 | ShortConvolution, Field(discriminator="kind")]


class LayerGroup(Record):
    """Layers of one attention kind. `window` is in tokens, for sliding and chunked only.

    Head counts default to the architecture's; some models differ between groups (Gemma 4).
    `state_bytes` is what ONE layer of the group keeps: a group keeps `layers` times as much.
    """

    kind: LayerKind
    layers: int = Field(gt=0)
    window: int | None = Field(default=None, gt=0)
    kv_heads: int | None = Field(default=None, gt=0)
    head_dim: int | None = Field(default=None, gt=0)
    state_bytes: int | None = Field(
        default=None, description="linear, mamba: bytes per sequence and layer"
    )
    value_projection: bool = Field(
        default=True, description="false: no matrix for values, they are made from the keys"
    )

    @model_validator(mode="after")
    def _window_where_it_belongs(self) -> LayerGroup:
        if (self.kind in ("sliding", "chunked")) != (self.window is not None):
            raise ValueError(f"window belongs to sliding and chunked layers, not to {self.kind}")
        return self


class Architecture(Record):
    """The fields of config.json that sizing needs.

    `mixer` is the shape of what linear and mamba layers have in place of attention, None where it
    is not known. The counts of parameters need it, and the two switches after it, nothing else.
    """

    class_name: str
    layers: int = Field(gt=0)
    hidden_size: int = Field(gt=0)
    heads: int = Field(gt=0)
    kv_heads: int = Field(gt=0)
    head_dim: int = Field(gt=0)
    intermediate_size: int = Field(ge=0)
    vocab_size: int = Field(gt=0)
    tied_embeddings: bool
    max_context: int = Field(gt=0)
    layer_groups: tuple[LayerGroup, ...] = Field(min_length=1)
    mla: Mla | None = None
    moe: Moe | None = None
    mixer: Mixer | None = None
    gated_attention: bool = Field(
        default=False, description="attention has an output gate, as wide as its queries"
    )
    positions: int = Field(
        default=0, ge=0, description="rows of a learned table of positions and token types"
    )
    layer_embedding: int = Field(
        default=0, ge=0, description="width of the embedding that each layer looks up for itself"
    )
    extra_cache_bytes: int = Field(
        default=0,
        ge=0,
        description="bytes per token and layer cached beside keys and values, whatever their type",
    )
    rotary_positions: int | None = Field(
        default=None,
        gt=0,
        description="rows of the table of rotary positions of full attention, where they are more "
        "than the context: stretched by a factor (rope_scaling linear)",
    )
    known: bool = Field(default=True, description="false: class not recognised, sized as dense GQA")
    source: str
    checked: date

    @model_validator(mode="after")
    def _layers_add_up(self) -> Architecture:
        total = sum(group.layers for group in self.layer_groups)
        if total != self.layers:
            raise ValueError(f"layer_groups hold {total} layers, layers says {self.layers}")
        return self


class Layout(Record):
    """What a checkpoint's own configuration says beyond the name of its quantization.

    Bits of a weight, on average: `attention_bits` of attention and of what stands for it in other
    layers, `shared_bits` of experts that every token passes, `head_bits` of the output head; None
    where they are what the quantization makes them.
    """

    attention_bits: float | None = Field(default=None, gt=0, le=32)
    shared_bits: float | None = Field(default=None, gt=0, le=32)
    head_bits: float | None = Field(default=None, gt=0, le=32)
    source: str
    checked: date
    note: str | None = None


class Checkpoint(Record):
    """One published set of weights. `bytes` is the sum of its weight files."""

    format: Literal["safetensors", "gguf"]
    quantization: str
    repo: str = Field(pattern=r"^[\w.-]+/[\w.-]+$")
    files: tuple[str, ...] = Field(default=(), description="GGUF: the files of this type, in order")
    bytes: Sourced[int]
    cache_dtype: Sourced[str] | None = Field(
        default=None,
        description="type of the KV cache that its quantization config asks for, such as fp8",
    )
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    revision: str | None = Field(default=None, pattern=r"^[0-9a-f]{40}$")
    official: bool = Field(description="published by the model's makers")
    layout: Layout | None = None
    source: str
    checked: date
    note: str | None = None


class Sibling(Record):
    """Other published weights of the same shapes: a base model, a later release, a fine-tune.

    `repo` itself holds them in the preset's own `dtype` unless `checkpoints` names it with another
    quantization. What is known of the preset's weights alone (licence, sizes of files) is not said
    of these.
    """

    repo: str = Field(pattern=r"^[\w.-]+/[\w.-]+$")
    checkpoints: tuple[Checkpoint, ...] = Field(
        default=(), description="its repositories where their sizes or quantizations are known"
    )
    source: str
    checked: date
    note: str | None = None


class Parsers(Record):
    """Names that vLLM knows for this model's tool calls and reasoning marks."""

    tool_call: str | None = None
    reasoning: str | None = None
    source: str
    checked: date


Task = Literal["generate", "embed", "rerank"]


class Quality(Sourced[float]):
    """How good the model's work is by a public measure: higher is better.

    `scale` names the measure and its edition or day. Two values are comparable only where their
    scales are the same text; all presets of a task have the same.
    """

    scale: str


class ModelPreset(Record):
    """`presets/models/<id>.yaml`: one open model.

    `pooling` is how an embedding or rerank model turns token states into its answer. `quality` is
    what ranks models when nobody names one; its value is null where the scale has no entry.
    `chat_template` says what a client must know of it: where it is, what it switches.
    """

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")
    name: str
    hf_id: str
    task: Task = "generate"
    pooling: Sourced[Literal["mean", "cls", "last", "rank"]] | None = None
    chat_template: Sourced[str] | None = None
    aliases: tuple[str, ...] = ()
    released: Sourced[str] = Field(description="YYYY-MM")
    license: Sourced[str]
    gated: Sourced[bool]
    params_total: Sourced[int]
    params_active: Sourced[int]
    other_params: Sourced[int] | None = Field(
        default=None,
        description="part of params_total that the architecture does not show: vision and audio "
        "towers, layers that guess tokens ahead, second copies",
    )
    guess_params: int = Field(
        default=0,
        ge=0,
        description="part of other_params or of the checkpoint: layers that guess tokens ahead, "
        "which vLLM loads only when told to",
    )
    quality: Quality | None = None
    dtype: Literal["bf16", "fp16", "fp8-block", "mxfp4"] = "bf16"
    architecture: Architecture
    checkpoints: tuple[Checkpoint, ...] = ()
    siblings: tuple[Sibling, ...] = ()
    vllm_parsers: Parsers | None = None
    llama_cpp_min_build: Sourced[int] | None = None
    notes: tuple[str, ...] = ()
