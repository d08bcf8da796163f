"""How the weights beside a config.json are quantized, in infra-gen's names."""

from __future__ import annotations

from typing import Any

from infra_gen.errors import UsageError
from infra_gen.knowledge.hf_fields import ConfigFile

# The method names are those of vLLM's registry (vllm-project/vllm 0.33.0,
# vllm/model_executor/layers/quantization/__init__.py); fields as each method's from_config reads.
_FOUR_BIT = {"awq": "awq-int4", "gptq": "gptq-int4"}
_MODELOPT = {"FP8": "fp8", "NVFP4": "nvfp4"}


def quantization_of(config: ConfigFile, modelopt: object = None) -> str:
    """The declared quantization; bf16 or fp16 when none is. UsageError for what is not planned.

    `modelopt` is the parsed hf_quant_config.json, where NVIDIA's older checkpoints say it.
    """
    declared = config.top.get("quantization_config") or config.fields.get("quantization_config")
    if not declared and isinstance(modelopt, dict):
        declared = modelopt.get("quantization")
    if not isinstance(declared, dict):
        dtype = config.get("torch_dtype", "dtype") or config.top.get("torch_dtype")
        return "fp16" if dtype == "float16" else "bf16"
    method = str(declared.get("quant_method", ""))
    found = _named(method, declared)
    if found is None:
        raise UsageError(
            f"quantization_config.quant_method {method!r} is not planned yet"
            + (f" with {_details(declared)}" if _details(declared) else ""),
            where=config.where,
        )
    return found


def _details(declared: dict[str, Any]) -> str:
    parts = [
        f"{key} {declared[key]!r}" for key in ("bits", "quant_algo", "format") if declared.get(key)
    ]
    return ", ".join(parts)


def _named(method: str, declared: dict[str, Any]) -> str | None:
    if method == "fp8":
        return "fp8-block" if declared.get("weight_block_size") else "fp8"
    if method == "mxfp4":
        return "mxfp4"
    if method in _FOUR_BIT:
        return _FOUR_BIT[method] if declared.get("bits", 4) == 4 else None
    if method == "modelopt" or (not method and declared.get("quant_algo")):
        return _MODELOPT.get(str(declared.get("quant_algo", "")).upper())
    if method == "bitsandbytes":
        return "bnb-nf4" if declared.get("load_in_4bit") else None
    if method == "compressed-tensors":
        return _compressed(declared)
    return None


def _compressed(declared: dict[str, Any]) -> str | None:
    """The scheme of the first group: number of bits and type of weights and activations."""
    groups = declared.get("config_groups")
    group = next(iter(groups.values()), None) if isinstance(groups, dict) else None
    weights = group.get("weights") if isinstance(group, dict) else None
    if not isinstance(group, dict) or not isinstance(weights, dict):
        return None
    bits, kind = weights.get("num_bits"), weights.get("type")
    inputs = group.get("input_activations")
    if (bits, kind) == (4, "int") and not inputs:
        return "w4a16"
    if (bits, kind) == (4, "float"):
        return "nvfp4"
    if (bits, kind) == (8, "int") and inputs:
        return "w8a8-int8"
    if (bits, kind) == (8, "float"):
        return "fp8-block" if weights.get("block_structure") else "fp8"
    return None
