"""Weight bytes: stated by a checkpoint, or computed from the architecture."""

from __future__ import annotations

from infra_gen.model.llm import Architecture, Checkpoint, Layout, ModelPreset
from infra_gen.model.params import count_params, mlp_layers, ungated
from infra_gen.model.plan import Weights

# A checkpoint that is larger by this share of the embedding holds it twice.
_MOST_OF = 0.95
_PLAIN_BITS = 16

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


def computed_bytes(model: ModelPreset, quantization: str, layout: Layout | None = None) -> int:
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
    bits = MATRIX_BITS[quantization]
    size = plain * 2 + (total - plain) * bits / 8
    return int(size + _unlike_bytes(model.architecture, bits, layout))


def _unlike_bytes(arch: Architecture, bits: float, layout: Layout | None) -> float:
    """Bytes that parts take beyond what the quantization makes of them."""
    if layout is None:
        return 0.0
    count, shared = count_params(arch), 0
    if arch.moe:
        width = arch.moe.shared_intermediate_size or (
            arch.moe.shared_experts * arch.moe.intermediate_size
        )
        layers = max(0, mlp_layers(arch) - arch.moe.dense_layers)
        shared = layers * (2 if ungated(arch) else 3) * arch.hidden_size * width
    more = count.attention * ((layout.attention_bits or bits) - bits)
    more += shared * ((layout.shared_bits or bits) - bits)
    return (more + count.head * ((layout.head_bits or _PLAIN_BITS) - _PLAIN_BITS)) / 8


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


def loaded_bytes(model: ModelPreset, weights: Weights) -> int:
    """Bytes of the weights that vLLM loads: without layers that guess ahead and second copies.

    Never less than the architecture's own matrices.
    """
    arch = model.architecture
    least = 0
    if weights.format == "safetensors":
        least = computed_bytes(model, weights.quantization, weights.layout)
    other = (model.other_params.value or 0) if model.other_params else 0
    size = weights.bytes - guess_bytes(model, weights)
    copy = arch.vocab_size * arch.hidden_size * 2
    if _second_copy(model) or (
        arch.tied_embeddings and not other and weights.bytes >= least + copy * _MOST_OF
    ):
        size -= copy
    return max(size, least - other * 2)


def _second_copy(model: ModelPreset) -> bool:
    """Whether the counted parameters beside the language model hold its tied embedding once more."""
    arch = model.architecture
    other = (model.other_params.value or 0) if model.other_params else 0
    beside = other - model.guess_params
    return arch.tied_embeddings and beside >= arch.vocab_size * arch.hidden_size


def tower_bytes(model: ModelPreset) -> int:
    """Bytes of what reads images and sounds, in 16 bits; 0 where the preset does not tell it."""
    if model.other_params is None:
        return 0
    arch = model.architecture
    copy = arch.vocab_size * arch.hidden_size if _second_copy(model) else 0
    return max(0, (model.other_params.value or 0) - model.guess_params - copy) * 2


def guess_bytes(model: ModelPreset, weights: Weights) -> int:
    """Bytes of the layers that guess tokens ahead, which vLLM loads only when told to."""
    bits = MATRIX_BITS.get(weights.quantization, 16.0) if weights.basis == "checkpoint" else 16.0
    return int(model.guess_params * bits / 8)


def checkpoint_bytes(model: ModelPreset, checkpoint: Checkpoint) -> tuple[int, bool]:
    """Bytes of a checkpoint and whether they are stated (else computed)."""
    stated = checkpoint.bytes.value
    if stated is not None:
        return stated, True
    return computed_bytes(model, checkpoint.quantization, checkpoint.layout), False


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
        layout=checkpoint.layout,
    )
