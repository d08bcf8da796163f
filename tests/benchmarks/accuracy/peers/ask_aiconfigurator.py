"""NVIDIA's AIConfigurator, asked through its Python interface. Runs in its own environment.

Questions come as JSON lines on the standard input, answers go out the same way. Its models are those
it bundles: a preset's instruct variant is asked as the base model of the same shape.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from typing import Any

from aiconfigurator.cli.api import cli_estimate
from aiconfigurator_core.sdk.memory import estimate_kv_cache

_SAME_SHAPE = {
    "meta-llama/Llama-3.1-8B-Instruct": "meta-llama/Meta-Llama-3.1-8B",
    "nvidia/Llama-3.1-8B-Instruct-FP8": "meta-llama/Meta-Llama-3.1-8B",
    "meta-llama/Llama-3.1-70B": "meta-llama/Meta-Llama-3.1-70B",
    "meta-llama/Llama-3.3-70B-Instruct": "meta-llama/Meta-Llama-3.1-70B",
}
_SYSTEMS = {"h100": "h100_sxm", "h200": "h200_sxm", "b200": "b200_sxm", "b300": "b300_sxm",
            "l40s": "l40s", "a100-80gb": "a100_sxm"}  # fmt: skip
# As InferenceX's dump names them for it: with fp8_block it is three times too slow on B200.
_GEMM = {"fp8": "fp8", "fp8-block": "fp8", "nvfp4": "nvfp4", "w4a16": "int4_wo"}
_CACHE = {"fp8": "fp8", "auto": "bfloat16"}
_MODES = {"decode step": "static_gen", "prefill": "static_ctx"}
_DEFAULT_FRACTION = 0.92
_MEASURED_VERSION = "0.24.0"  # of vLLM, the newest that it was measured with


def _split(asked: dict[str, Any]) -> dict[str, int]:
    given = asked["settings"]
    tensor = int(given.get("tensor-parallel-size", 1))
    data = int(given.get("data-parallel-size", 1))
    whole = given.get("enable-expert-parallel") == "true"
    devices = tensor * data
    return {
        "tp_size": tensor,
        "attention_dp_size": data,
        "moe_tp_size": 1 if whole else devices,
        "moe_ep_size": devices if whole else 1,
    }


def _precision(asked: dict[str, Any]) -> dict[str, str]:
    kind = _GEMM.get(asked["quantization"] or asked["settings"].get("quantization", ""))
    found = {"gemm_quant_mode": kind, "moe_quant_mode": kind} if kind else {}
    cache = _CACHE.get(asked["settings"].get("kv-cache-dtype", ""))
    return found | ({"kvcache_quant_mode": cache} if cache else {})


def _named(asked: dict[str, Any]) -> tuple[str, str]:
    system = _SYSTEMS[asked["hardware"].split(":")[0]]
    return _SAME_SHAPE.get(asked["model"], asked["model"]), system


def _memory(asked: dict[str, Any]) -> float | None:
    model, system = _named(asked)
    given = asked["settings"]
    found = estimate_kv_cache(
        model, system, "vllm", _MEASURED_VERSION,
        max_num_tokens=int(given.get("max-num-batched-tokens", 8192)),
        max_batch_size=int(given.get("max-num-seqs", 256)),
        memory_fraction_kind="of_total",
        memory_fraction_value=float(given.get("gpu-memory-utilization", _DEFAULT_FRACTION)),
        **_split(asked), **_precision(asked),
    )  # fmt: skip
    if asked["quantity"] == "weights":
        return float(found["memory_breakdown"]["weights_bytes"]) / 2**30
    return float(found["total_kv_size_tokens"])


def _time(asked: dict[str, Any]) -> float | None:
    model, system = _named(asked)
    requests, tokens_in, tokens_out = asked["load"]
    found = cli_estimate(
        model_path=model, system_name=system, backend_name="vllm",
        mode=_MODES.get(asked["quantity"], "agg"), batch_size=requests, isl=tokens_in,
        osl=tokens_out, **_split(asked), **_precision(asked),
    )  # fmt: skip
    reads_prompt = asked["quantity"] in ("prefill", "TTFT at low load")
    return float(found.ttft if reads_prompt else found.tpot)


def _answer(asked: dict[str, Any]) -> tuple[float | None, str]:
    try:
        if asked["load"] is None:
            return _memory(asked), ""
        return _time(asked), ""
    except KeyError as error:
        return None, f"no such hardware or key: {error}"
    except Exception as error:
        return None, f"{type(error).__name__}: {str(error)[:120]}"


def main() -> None:
    """Answer every line."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the peer prints does not belong to the answers
    logging.disable(logging.CRITICAL)
    for line in sys.stdin:
        asked = json.loads(line)
        value, why = _answer(asked)
        out.write(json.dumps({"key": asked["key"], "value": value, "why": why}) + "\n")
        out.flush()


if __name__ == "__main__":
    main()
