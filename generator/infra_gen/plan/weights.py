"""Weight bytes: stated by a checkpoint, or computed from the architecture."""

from __future__ import annotations

import math

from infra_gen.model.llm import Architecture, Checkpoint, ModelPreset
from infra_gen.model.params import count_params, mlp_layers, ungated
from infra_gen.model.plan import Weights
from infra_gen.plan.kv_cache import CACHED_KINDS

# Columns that the kernels for MXFP4 experts take at a time (vllm 0.25.0
# vllm/model_executor/layers/quantization/mxfp4.py, create_weights).
_MX_TILE = 128
# PyTorch's caching allocator asks the driver for multiples of 2 MiB from 10 MiB on
# (c10/cuda/CUDACachingAllocator.cpp, kRoundLarge and kMinLargeAlloc).
_SEGMENT, _SEGMENT_FROM = 2 * 2**20, 10 * 2**20
# A checkpoint that is larger by this share of the embedding holds it twice.
_MOST_OF = 0.95

# Bits per weight of the matrices that a quantization touches, scales included. Groups of 128 with
# a 16-bit scale, and with a 4-bit zero point in AWQ and GPTQ: 4.125 and 4.156 (Qwen2.5-7B-AWQ: 5.57 GB).
# GGUF k-quant mixes: bits per weight that llama-quantize prints for Llama-3.1-8B
# (ggml-org/llama.cpp tools/quantize/README.md); block formats: element bits plus scale bits a block.
MATRIX_BITS: dict[str, float] = {
    "fp32": 32.0,
    "bf16": 16.0,
    "fp16": 16.0,
    "fp8": 8.0,
    "fp8-block": 8.002,
    "w8a8-int8": 8.0,
    "awq-int4": 4.156,
    "gptq-int4": 4.156,
    "w4a16": 4.125,
    "mxfp4": 4.25,
    "nvfp4": 4.5,
    "bnb-nf4": 4.13,
    "F16": 16.0,
    "BF16": 16.0,
    "Q8_0": 8.5,
    "Q6_K": 6.56,
    "Q5_K_M": 5.7,
    "Q5_K_S": 5.57,
    "Q4_K_M": 4.89,
    "Q4_K_S": 4.67,
    "Q4_0": 4.66,
    "IQ4_XS": 4.46,
    "Q3_K_M": 4.0,
    "Q2_K": 3.16,
    "MXFP4": 4.25,
}
# Where the hidden size is no multiple of 256, llama-quantize takes wider types for most matrices.
# The two such models with a published Q4_K_M file average 5.87 and 6.25 bits (Nemotron Nano 9B v2
# and Nemotron 3 Nano).
_UNEVEN_BITS: dict[str, float] = {"Q4_K_M": 6.3}


def computed_bytes(model: ModelPreset, quantization: str) -> int:
    """Weight bytes when no checkpoint states them.

    Safetensors quantizations leave embedding, head, norms and what is beside the language model at
    16 bits; GGUF mixes quantize them too, which the bits per weight above include, and towers for
    images are files of their own, but K types need rows in blocks of 256. gpt-oss keeps attention
    at 16 bits.
    """
    count = count_params(model.architecture)
    other = (model.other_params.value or 0) if model.other_params else 0
    total = max(count.total + other, model.params_total.value or 0)
    if quantization == "fp32":
        return total * 4
    if quantization[0].isupper():
        return int(total * _gguf_bits(model, quantization) / 8)
    plain = count.embedding + count.head + count.norms + other + router_params(model.architecture)
    if quantization == "mxfp4":
        plain += count.attention
    return int(plain * 2 + (total - plain) * MATRIX_BITS[quantization] / 8)


def _gguf_bits(model: ModelPreset, quantization: str) -> float:
    # Files of models made in MXFP4 keep their experts in it, whatever the type they are named by.
    if model.architecture.hidden_size % 256 and model.dtype != "mxfp4":
        return _UNEVEN_BITS.get(quantization, MATRIX_BITS[quantization])
    return MATRIX_BITS[quantization]


def router_params(arch: Architecture) -> int:
    """Parameters that choose experts; every device has all of them, and they stay in 16 bits."""
    if arch.moe is None:
        return 0
    layers = max(0, mlp_layers(arch) - arch.moe.dense_layers)
    return arch.hidden_size * arch.moe.experts * layers


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
    """Bytes between large matrices and the whole segments that PyTorch's allocator gives them."""
    waste = 0.0
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


def device_bytes(
    arch: Architecture, quantization: str, size: int, *, tensor: int, expert_parallel: bool
) -> float:
    """Bytes of weights on one of `tensor` devices when vLLM has loaded `size` bytes of them.

    Norms, routers and the ways down to latents are on every device, key and value heads are copied
    where there are fewer than devices, widths are padded where kernels want whole tiles, matrices
    begin at segments of the allocator, and the tables of rotary positions come on top. Latent
    attention keeps its quantized way up in 16 bits too.
    """
    bits = MATRIX_BITS[quantization]
    count = count_params(arch)
    everywhere = (count.norms + router_params(arch)) * 2 + _latent_down(arch) * bits / 8
    more = _copied_heads(arch, tensor) * bits / 8 + _segment_waste(arch, bits, tensor)
    if quantization == "mxfp4" and arch.moe:
        width = arch.moe.intermediate_size / (1 if expert_parallel else tensor)
        padded = math.ceil(width / _MX_TILE) * _MX_TILE / width - 1
        more += count.mlp / tensor * bits / 8 * padded
    if arch.mla and bits < 16:
        up = arch.heads * (arch.mla.qk_nope_head_dim + arch.mla.v_head_dim) * arch.mla.kv_lora_rank
        more += arch.layers * up * 2 / tensor
    return max(0.0, size - everywhere) / tensor + everywhere + more + _rotary_bytes(arch)


def loaded_bytes(model: ModelPreset, weights: Weights) -> int:
    """Bytes of the weights that vLLM loads: without layers that guess ahead and second copies.

    Never less than the architecture's own matrices.
    """
    arch = model.architecture
    bits = MATRIX_BITS.get(weights.quantization, 16.0) if weights.basis == "checkpoint" else 16.0
    least = computed_bytes(model, weights.quantization) if weights.format == "safetensors" else 0
    other = (model.other_params.value or 0) if model.other_params else 0
    size = weights.bytes - int(model.guess_params * bits / 8)
    copy = arch.vocab_size * arch.hidden_size * 2
    if arch.tied_embeddings and not other and weights.bytes >= least + copy * _MOST_OF:
        size -= copy
    return max(size, least - other * 2)


def checkpoint_bytes(model: ModelPreset, checkpoint: Checkpoint) -> tuple[int, bool]:
    """Bytes of a checkpoint and whether they are stated (else computed)."""
    stated = checkpoint.bytes.value
    if stated is not None:
        return stated, True
    return computed_bytes(model, checkpoint.quantization), False


def checkpoint_weights(model: ModelPreset, checkpoint: Checkpoint) -> Weights:
    """The checkpoint as weights to plan with."""
    size, stated = checkpoint_bytes(model, checkpoint)
    return Weights(
        format=checkpoint.format,
        quantization=checkpoint.quantization,
        bytes=size,
        basis="checkpoint" if stated else "computed",
        repo=checkpoint.repo,
        files=checkpoint.files,
        revision=checkpoint.revision,
        sha256=checkpoint.sha256,
        official=checkpoint.official,
        cache_dtype=checkpoint.cache_dtype.value if checkpoint.cache_dtype else None,
    )
