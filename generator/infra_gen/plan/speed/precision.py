"""How a quantization is multiplied: its class of kernels, and the compute that they run on."""

from __future__ import annotations

from infra_gen.model.machine import Machine

# Weights and activations both in 8 bits, or both in 4.
_EIGHT = ("fp8", "fp8-block", "w8a8-int8")
_FOUR = ("nvfp4",)
_INTEGER = ("awq-int4", "gptq-int4", "w4a16", "bnb-nf4")
# llama.cpp multiplies quantized weights in 8-bit integers and F16 ones with sums of 16 bits
# (ggml/src/ggml-cuda/mmq.cu, cublas in ggml-cuda.cu); BF16 needs sums of 32 bits.
_WIDE_SUMS = ("BF16", "F32")
# Tensor cores do twice as many 8-bit operations as 16-bit ones with sums of 16 bits.
_INT8_OVER_FP16 = 2.0
# Blackwell's tensor cores do twice as many FP4 operations as FP8 ones (NVIDIA's data sheets).
_FP4_OVER_FP8 = 2.0
_FP4_FAMILIES = ("blackwell",)


def precision_of(quantization: str, machine: Machine) -> str:
    """The class of kernels, as the calibration names it; GGUF types keep their own names."""
    if quantization[:1].isupper():
        return quantization
    if quantization in _EIGHT:
        return "fp8" if machine.fp8_tflops else "bf16"
    if quantization in _FOUR:
        return "fp4"
    if quantization in _INTEGER:
        return "int4"
    return "mxfp4" if quantization == "mxfp4" else "bf16"


def short_sum_tflops(quantization: str, machine: Machine) -> float | None:
    """Dense TFLOPS in 16 bits as the weights' engine sums them up.

    GeForce cards are half as fast with sums of 32 bits, which is what `fp16_tflops` counts.
    """
    gguf = quantization[:1].isupper() and quantization not in _WIDE_SUMS
    if gguf and machine.int8_tops:
        return machine.int8_tops / _INT8_OVER_FP16
    return machine.fp16_tflops


def compute_tflops(quantization: str, machine: Machine) -> float | None:
    """Dense TFLOPS that matrices in this quantization are multiplied with.

    Weights of 4 bits with activations of 16 are multiplied in 16 bits, as are 8-bit weights on a
    card that cannot do otherwise.
    """
    precision = precision_of(quantization, machine)
    if precision == "fp8" and machine.fp8_tflops:
        return machine.fp8_tflops
    if precision == "fp4" and machine.fp8_tflops and machine.family in _FP4_FAMILIES:
        return machine.fp8_tflops * _FP4_OVER_FP8
    return short_sum_tflops(quantization, machine)
