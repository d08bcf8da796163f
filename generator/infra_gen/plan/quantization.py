"""Which quantizations a machine can run, and how much each is worth."""

from __future__ import annotations

from collections.abc import Mapping

from infra_gen.model.machine import Machine

# Order of quality, best first. Sources: llama.cpp's perplexity tables (tools/quantize/README.md)
# for GGUF types; for safetensors, formats with more bits and finer scales come first.
QUALITY: tuple[str, ...] = (
    "fp32", "bf16", "fp16", "BF16", "F16",
    "fp8-block", "fp8", "w8a8-int8", "Q8_0",
    "Q6_K", "Q5_K_M", "Q5_K_S",
    "mxfp4", "MXFP4", "nvfp4", "awq-int4", "gptq-int4", "w4a16", "Q4_K_M", "Q4_K_S", "IQ4_XS",
    "Q4_0", "bnb-nf4", "Q3_K_M", "Q2_K",
)  # fmt: skip

# Words that people use for several of them, in the order in which one is looked for.
FAMILIES: dict[str, tuple[str, ...]] = {
    "fp8": ("fp8", "fp8-block"),
    "fp4": ("nvfp4", "mxfp4"),
    "int4": ("awq-int4", "gptq-int4", "w4a16"),
    "int8": ("w8a8-int8",),
    "awq": ("awq-int4",),
    "gptq": ("gptq-int4",),
    "w8a8": ("w8a8-int8",),
    "nf4": ("bnb-nf4",),
    "bitsandbytes": ("bnb-nf4",),
}

# What vLLM can make of 16-bit weights while it loads them, and the value of its --quantization
# (vllm 0.25.0 vllm/model_executor/layers/quantization/fp8.py, Fp8Config.is_checkpoint_fp8_serialized;
# bitsandbytes.py, BitsAndBytesConfig).
ON_LOAD: dict[str, str] = {"fp8": "fp8", "bnb-nf4": "bitsandbytes"}
PLAIN = ("bf16", "fp16")

# Lowest type that `auto` takes on its own: below four bits answers get visibly worse.
AUTO_FLOOR = QUALITY.index("Q4_K_S")

# vLLM method behind each of infra-gen's names, as the engine table calls it.
VLLM_METHOD: dict[str, str | None] = {
    "fp32": None,
    "bf16": None,
    "fp16": None,
    "fp8": "fp8",
    "fp8-block": "fp8",
    "w8a8-int8": "compressed-tensors",
    "w4a16": "compressed-tensors",
    "awq-int4": "awq_marlin",
    "gptq-int4": "gptq_marlin",
    "mxfp4": "gpt_oss_mxfp4",
    "nvfp4": "modelopt_fp4",
    "bnb-nf4": "bitsandbytes",
}

# AMD and CPU platforms run a smaller set; what was never sourced for them is not planned.
_AMD = frozenset({"fp32", "bf16", "fp16", "fp8", "fp8-block", "mxfp4", "awq-int4", "gptq-int4"})
_CPU = frozenset({"fp32", "bf16"})


def meant_by(asked: str) -> tuple[str, ...]:
    """The names that a word may mean, best first; empty for a word that means none."""
    word = asked.lower()
    if word in FAMILIES:
        return FAMILIES[word]
    return tuple(name for name in QUALITY if name.lower() == word)


def rank(quantization: str) -> int:
    """Position in QUALITY; what is not listed comes last."""
    return QUALITY.index(quantization) if quantization in QUALITY else len(QUALITY)


_NATIVE_FP4 = 10.0  # Blackwell; older cards unpack the weights in a kernel, as for int4


def unpacked(quantization: str, machine: Machine) -> bool:
    """Whether the card has no arithmetic for these weights although others made for it exist.

    vLLM warns then that speed may suffer (vllm 0.25.0
    vllm/model_executor/layers/quantization/utils/marlin_utils_fp4.py).
    """
    if quantization != "nvfp4" or machine.compute_capability is None:
        return False
    return float(machine.compute_capability) < _NATIVE_FP4


def vllm_can_run(
    quantization: str, machine: Machine, min_capability: Mapping[str, float]
) -> str | None:
    """Why vLLM cannot run it on this machine, or None when it can.

    `min_capability`: the engine table's method -> lowest compute capability.
    """
    if quantization not in VLLM_METHOD:
        return f"vLLM has no loader for {quantization}"
    if machine.vendor == "amd":
        return None if quantization in _AMD else f"{quantization} is not sourced for ROCm"
    if machine.vendor == "intel":
        plain = quantization in ("fp32", "bf16", "fp16")
        return None if plain else f"{quantization} is not sourced for vLLM on Intel GPUs"
    if machine.vendor == "cpu":
        return None if quantization in _CPU else f"{quantization} is not planned for vLLM on CPU"
    if machine.vendor != "nvidia":
        return f"vLLM's image does not run on {machine.vendor}"
    return capability_problem(quantization, machine, min_capability, VLLM_METHOD[quantization])


_OLDEST = 7.5  # Turing: the oldest that current images hold code for


def capability_problem(
    quantization: str, machine: Machine, min_capability: Mapping[str, float], method: str | None
) -> str | None:
    """Why an NVIDIA card cannot run `method` (None: plain weights), or None when it can."""
    if machine.compute_capability is None:
        return "the card's compute capability is unknown"
    capability = float(machine.compute_capability)
    if quantization == "bf16" and capability < 8.0:
        return f"bf16 needs compute capability 8.0, this card has {machine.compute_capability}"
    needed = min_capability.get(method, _OLDEST) if method else _OLDEST
    if capability < needed:
        return f"{method or quantization} needs compute capability {needed}, this card has {capability}"
    return None
