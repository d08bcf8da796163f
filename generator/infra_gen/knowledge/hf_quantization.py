"""How the weights beside a config.json are quantized, in infra-gen's names."""

from __future__ import annotations

from collections import Counter
from typing import Any

from infra_gen.errors import UsageError
from infra_gen.knowledge.hf_fields import ConfigFile, one_line

# The method names are those of vLLM's registry (vllm-project/vllm 0.33.0,
# vllm/model_executor/layers/quantization/__init__.py); fields as each method's from_config reads.
_FOUR_BIT = {"awq": "awq-int4", "gptq": "gptq-int4"}
# Engines load 32-bit files in 16 bits unless told otherwise.
_DTYPES = {"auto": "bf16", "bfloat16": "bf16", "float16": "fp16", "half": "fp16",
           "float32": "bf16"}  # fmt: skip
_MODELOPT = {
    "FP8": "fp8", "FP8_PER_CHANNEL_PER_TOKEN": "fp8", "FP8_PB_WO": "fp8-block",
    "NVFP4": "nvfp4", "W4A16_NVFP4": "nvfp4", "NVFP4_AWQ": "nvfp4", "MXFP4": "mxfp4",
}  # fmt: skip


def quantization_of(config: ConfigFile, modelopt: object = None) -> str:
    """The declared quantization; bf16 or fp16 when none is. UsageError for what is not planned.

    `modelopt` is the parsed hf_quant_config.json, where NVIDIA's older checkpoints say it.
    """
    declared = config.top.get("quantization_config") or config.fields.get("quantization_config")
    if isinstance(modelopt, dict) and (not declared or _mixed(modelopt.get("quantization"))):
        declared = modelopt.get("quantization")
    if declared in (None, {}):
        return _plain(config)
    if not isinstance(declared, dict):
        raise UsageError(
            f"quantization_config is {one_line(repr(declared))}, not an object", where=config.where
        )
    method = str(declared.get("quant_method", ""))
    found = _named(method, declared)
    if found is None:
        raise UsageError(
            f"quantization_config.quant_method {method!r} is not planned yet"
            + (f" with {_details(declared)}" if _details(declared) else ""),
            where=config.where,
            hint="planned are fp8, modelopt (FP8, NVFP4), mxfp4, awq and gptq of 4 bits, "
            "compressed-tensors, bitsandbytes of 4 bits",
        )
    return found


def _plain(config: ConfigFile) -> str:
    dtype = config.get("torch_dtype", "dtype")
    if dtype is None:
        dtype = config.top.get("torch_dtype")
    found = _DTYPES.get(dtype.removeprefix("torch.")) if isinstance(dtype, str) else None
    if dtype is None:
        return "bf16"
    if found is None:
        raise UsageError(f"torch_dtype is {one_line(repr(dtype))}, not planned", where=config.where)
    return found


def _mixed(declared: object) -> bool:
    """Whether modelopt's file says that layers differ: then it knows more than config.json."""
    return isinstance(declared, dict) and declared.get("quant_algo") == "MIXED_PRECISION"


def _most_common(declared: dict[str, Any]) -> str | None:
    """Of layers quantized differently, what most have: in experts and MLPs most weights are."""
    layers = declared.get("quantized_layers")
    if not isinstance(layers, dict):
        return None
    kinds = Counter(
        _MODELOPT.get(str(one.get("quant_algo", "")).upper())
        for one in layers.values()
        if isinstance(one, dict)
    )
    if "nvfp4" in kinds:
        return "nvfp4"
    return kinds.most_common(1)[0][0] if kinds else None


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
    if method.startswith("modelopt") or (not method and declared.get("quant_algo")):
        if _mixed(declared):
            return _most_common(declared)
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
        packing = str(group.get("format") or declared.get("format") or "")
        return "mxfp4" if packing.startswith("mxfp4") else "nvfp4"
    if (bits, kind) == (8, "int") and inputs:
        return "w8a8-int8"
    if (bits, kind) == (8, "float"):
        return "fp8-block" if weights.get("block_structure") else "fp8"
    return None
