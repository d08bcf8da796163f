"""The fixed state of layers without attention, by the fields of config.json.

A state is a convolution window and a recurrent matrix for each sequence and layer. Their shapes:
vllm-project/vllm:vllm/model_executor/layers/mamba/mamba_utils.py (MambaStateShapeCalculator,
0.33.0) and get_mamba_state_shape_from_config of the model files named below; llama.cpp has the same
(src/llama-hparams.cpp, n_embd_r and n_embd_s). Bytes are as llama.cpp keeps them, 32 bits for every
element (src/llama-model.cpp, create_memory), as in the presets. vLLM keeps the window in the
model's dtype, and the matrix too unless config.json names another (mamba_ssm_dtype,
mamba_ssm_cache_dtype): at most as much.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from infra_gen.errors import UsageError
from infra_gen.knowledge.hf_fields import ConfigFile
from infra_gen.model.llm import GatedDelta, KimiDelta, Mamba2, Mixer, ShortConvolution

_ELEMENT = 4  # bytes


@dataclass(frozen=True, slots=True)
class State:
    """One linear or mamba layer: kind, bytes a sequence, parameters of what replaces attention.

    `mixer` is its shape where there is a record for it; `params` then follow from that.
    """

    kind: str
    bytes: int
    params: int = 0
    mixer: Mixer | None = None


def state_of(config: ConfigFile) -> State | None:
    """What the layers without attention keep, None when no field speaks of such layers."""
    if config.get("linear_num_value_heads") is not None:
        return _gated_delta_net(config)
    if isinstance(config.get("linear_attn_config"), dict):
        return _kimi_delta(config)
    if config.get("conv_L_cache") is not None:
        return _short_convolution(config)
    if config.get("mamba_num_heads", "mamba_n_heads") is not None:
        return _mamba2(config)
    if config.get("mamba_d_state") is not None:
        return _mamba1(config)
    return None


def _gated_delta_net(config: ConfigFile) -> State:
    # Qwen3-Next and Qwen3.5 (qwen3_next.py).
    key_dim = config.positive("linear_num_key_heads") * config.positive("linear_key_head_dim")
    heads = config.positive("linear_num_value_heads")
    value_dim = heads * config.positive("linear_value_head_dim")
    kernel = config.positive("linear_conv_kernel_dim", default=4)
    channels = 2 * key_dim + value_dim
    matrix = value_dim * config.positive("linear_key_head_dim")
    size = ((kernel - 1) * channels + matrix) * _ELEMENT
    mixer = GatedDelta(
        kind="gated-delta",
        key_heads=config.positive("linear_num_key_heads"),
        value_heads=heads,
        key_dim=config.positive("linear_key_head_dim"),
        value_dim=config.positive("linear_value_head_dim"),
        kernel=kernel,
    )
    return State("linear", size, mixer=mixer)


def _kimi_delta(config: ConfigFile) -> State:
    # Kimi-Linear (kda_state_shape): windows for query, key and value, a square matrix a head.
    fields = ConfigFile(config.get("linear_attn_config"), config.where)
    heads, width = fields.positive("num_heads"), fields.positive("head_dim")
    kernel = fields.positive("short_conv_kernel_size", default=4)
    size = ((kernel - 1) * 3 * heads * width + heads * width * width) * _ELEMENT
    mixer = KimiDelta(kind="kimi-delta", heads=heads, head_dim=width, kernel=kernel)
    return State("linear", size, mixer=mixer)


def _short_convolution(config: ConfigFile) -> State:
    # LFM2 (lfm2.py, short_conv_state_shape): the window alone.
    hidden = config.positive("hidden_size")
    channels = config.positive("conv_dim", default=hidden)
    kernel = config.positive("conv_L_cache")
    size = (kernel - 1) * channels * _ELEMENT
    if channels != hidden:
        return State("mamba", size, 3 * hidden * channels + channels * (kernel + hidden))
    mixer = ShortConvolution(kind="short-convolution", kernel=kernel)
    return State("mamba", size, mixer=mixer)


def _mamba2(config: ConfigFile) -> State:
    # Granite 4, Falcon-H1, Nemotron-H, Bamba (mamba2_state_shape).
    hidden = config.positive("hidden_size")
    heads = config.positive("mamba_num_heads", "mamba_n_heads")
    expand = config.positive("mamba_expand", "expand", default=2)
    written = config.get("mamba_head_dim", "mamba_d_head")
    if written is not None and written != "auto":
        written = config.positive("mamba_head_dim", "mamba_d_head")
    inner = config.count("mamba_d_ssm") or (
        heads * written if isinstance(written, int) else expand * hidden
    )
    head = written if isinstance(written, int) else inner // heads
    size = config.positive("ssm_state_size", "mamba_d_state")
    groups = config.positive("mamba_n_groups", "n_groups", default=1)
    kernel = config.positive("mamba_d_conv", "conv_kernel", default=4)
    channels = inner + 2 * groups * size
    kept = ((kernel - 1) * channels + heads * head * size) * _ELEMENT
    if inner != heads * head:
        raise UsageError(
            f"mamba_d_ssm or mamba_expand give {inner} channels, {heads} heads of {head} are "
            f"{heads * head}",
            where=config.where,
        )
    mixer = Mamba2(
        kind="mamba2", heads=heads, head_dim=head, state=size, groups=groups, kernel=kernel
    )
    return State("mamba", kept, mixer=mixer)


def _mamba1(config: ConfigFile) -> State:
    # Jamba (jamba.py, mamba1_state_shape).
    hidden = config.positive("hidden_size")
    inner = config.positive("mamba_expand", default=2) * hidden
    size, kernel = config.positive("mamba_d_state"), config.positive("mamba_d_conv", default=4)
    rank = config.get("mamba_dt_rank")
    rank = math.ceil(hidden / 16) if rank in (None, "auto") else config.positive("mamba_dt_rank")
    kept = inner * (kernel - 1 + size) * _ELEMENT
    params = 3 * hidden * inner + inner * (kernel + 3 + size + 2 * rank + 2 * size)
    return State("mamba", kept, params)
