"""Weight bytes: stated by a checkpoint, or computed from the architecture."""

from __future__ import annotations

from infra_gen.model.llm import Checkpoint, ModelPreset
from infra_gen.model.params import count_params
from infra_gen.model.plan import Weights

# Bits per weight of the matrices that a quantization touches, scales included.
# GGUF k-quant mixes: bits per weight that llama-quantize prints for Llama-3.1-8B
# (ggml-org/llama.cpp tools/quantize/README.md); block formats: element bits plus scale bits a block.
MATRIX_BITS: dict[str, float] = {
    "fp32": 32.0,
    "bf16": 16.0,
    "fp16": 16.0,
    "fp8": 8.0,
    "fp8-block": 8.002,
    "w8a8-int8": 8.0,
    "awq-int4": 4.25,
    "gptq-int4": 4.25,
    "w4a16": 4.25,
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
    plain = count.embedding + count.head + count.norms + other
    if quantization == "mxfp4":
        plain += count.attention
    return int(plain * 2 + (total - plain) * MATRIX_BITS[quantization] / 8)


def _gguf_bits(model: ModelPreset, quantization: str) -> float:
    # Files of models made in MXFP4 keep their experts in it, whatever the type they are named by.
    if model.architecture.hidden_size % 256 and model.dtype != "mxfp4":
        return _UNEVEN_BITS.get(quantization, MATRIX_BITS[quantization])
    return MATRIX_BITS[quantization]


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
    )
