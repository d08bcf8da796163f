"""The vLLM table: flags, variables and registries harvested from its wheels."""

from __future__ import annotations

import argparse
import ast
from collections.abc import Sequence

from tools.engine_records import (
    SCHEMA,
    Record,
    Table,
    TableError,
    by_name,
    check_flags,
    compact,
    is_expression,
    load,
    parser_values,
    sha256,
)
from tools.engine_vllm_metrics import VLLM_REMOVED_METRICS, vllm_metrics, wheel_modules

VLLM_SENTINELS = [
    "--api-key",
    "--config",
    "--dtype",
    "--enable-auto-tool-choice",
    "--enable-prefix-caching",
    "--enforce-eager",
    "--gpu-memory-utilization",
    "--host",
    "--kv-cache-dtype",
    "--load-format",
    "--max-model-len",
    "--max-num-batched-tokens",
    "--max-num-seqs",
    "--pipeline-parallel-size",
    "--port",
    "--quantization",
    "--reasoning-parser",
    "--served-model-name",
    "--shutdown-timeout",
    "--speculative-config",
    "--tensor-parallel-size",
    "--tool-call-parser",
    "--trust-remote-code",
]
VLLM_SIZES = [
    "--max-model-len",
    "--max-num-batched-tokens",
    "--kv-cache-memory-bytes",
    "--max-num-scheduled-tokens",
    "--max-num-queued-tokens",
    "--safetensors-prefetch-block-size",
]
VLLM_PATHS = [
    "--config",
    "--ssl-keyfile",
    "--ssl-certfile",
    "--ssl-ca-certs",
    "--download-dir",
    "--allowed-local-media-path",
    "--tool-parser-plugin",
    "--reasoning-parser-plugin",
    "--uds",
    "--log-config-file",
    "--hf-config-path",
    "--mm-encoder-fp8-scale-path",
    "--mm-encoder-fp8-scale-save-path",
]
# What the harvested tables do not say. Read in the 0.33.0 wheel:
# entrypoints/chat_utils.py (content format), utils/argparse_utils.py:395 (-O), and the
# human-readable integer type of engine/arg_utils.py ("auto").
VLLM_PATCHES: dict[str, Record] = {
    "--chat-template-content-format": {"choices": ["auto", "openai", "string"]},
    "--max-model-len": {"special_values": ["auto", "-1"]},
    "--optimization-level": {"aliases": ["-O"]},
}
VLLM_INSTEAD = {
    "--calculate-kv-scales": "drop it",
    "--cuda-graph-sizes": "--cudagraph-capture-sizes",
    "--device": "drop it, the platform is found by itself",
    "--disable-log-requests": "drop it, requests are not logged unless --enable-log-requests",
    "--disable-mm-preprocessor-cache": "--mm-processor-cache-gb 0",
    "--enable-multimodal-encoder-data-parallel": "--mm-encoder-tp-mode data",
    "--enable-reasoning": "--reasoning-parser alone turns it on",
    "--eplb-log-balancedness": "--eplb-config",
    "--eplb-step-interval": "--eplb-config",
    "--eplb-window-size": "--eplb-config",
    "--guided-decoding-backend": "--structured-outputs-config",
    "--guided-decoding-disable-additional-properties": "--structured-outputs-config",
    "--guided-decoding-disable-any-whitespace": "--structured-outputs-config",
    "--guided-decoding-disable-fallback": "--structured-outputs-config",
    "--max-seq-len-to-capture": "--max-cudagraph-capture-size",
    "--num-redundant-experts": "--eplb-config",
    "--override-pooler-config": "--pooler-config",
    "--rope-scaling": "--hf-overrides",
    "--rope-theta": "--hf-overrides",
    "--swap-space": "drop it, preempted requests are computed again",
    "--task": "--runner and --convert",
    "--use-v2-block-manager": "drop it",
}
VLLM_OPTIONS = {"-O"}  # was --compilation-config until 0.11.2, is --optimization-level now
CONSTRAINTS = {
    "ge": "minimum",
    "le": "maximum",
    "gt": "exclusive_minimum",
    "lt": "exclusive_maximum",
}


def vllm_kind(raw: Record) -> str:
    """Name the way the parser takes the flag."""
    if not raw["name"].startswith("-"):
        return "positional"
    by_action = {"store_true": "switch", "boolean_optional": "bool_pair"}
    if raw.get("action") in by_action:
        return by_action[raw["action"]]
    return {"+": "list", "?": "optional_value"}.get(raw.get("nargs", ""), "value")


def vllm_type(raw: Record) -> str:
    """Name the type of the flag's value."""
    if raw["name"] in VLLM_SIZES:
        return "size"
    if raw["name"] in VLLM_PATHS:
        return "path"
    known = {"int", "float", "str", "bool", "json"}
    return raw["type"] if raw["type"] in known else "str"


def vllm_values(raw: Record) -> Record:
    """Split harvested choices into a closed list and, where the code is dynamic, an open one."""
    choices = raw.get("choices")
    if not choices:
        return {"choices": None, "known_values": raw.get("known_values")}
    named = ["None" if item is None else item for item in choices if not is_expression(item)]
    if len(named) < len(choices):
        return {"choices": None, "known_values": named}
    return {"choices": named, "known_values": None}


def vllm_default(raw: Record) -> Record:
    """Keep a default that is data; one that is code stays unknown."""
    if "default" not in raw or is_expression(raw["default"]):
        return {"default_known": False}
    return {"default": raw["default"]}


def vllm_flag(raw: Record, history: Record, oldest: str) -> Record:
    """Turn one harvested flag into a record."""
    seen = history.get(raw["name"], {})
    since = seen.get("first")
    record: Record = {
        "name": raw["name"],
        "aliases": sorted(raw["aliases"]),
        "negatives": raw.get("negative", []),
        "kind": vllm_kind(raw),
        "type": vllm_type(raw),
        "repeatable": raw.get("action") == "append",
        "nullable": bool(raw.get("nullable")),
        **vllm_values(raw),
        **{new: raw.get("constraints", {}).get(old) for old, new in CONSTRAINTS.items()},
        **vllm_default(raw),
        "deprecated": bool(raw.get("deprecated")),
        "deprecated_since": seen.get("deprecated_from") if raw.get("deprecated") else None,
        "since": None if since == oldest else since,
        **VLLM_PATCHES.get(raw["name"], {}),
    }
    if record.pop("default_known", True):
        return compact(record)
    return compact(record) | {"default_known": False}


def vllm_removed(history: Record, versions: Sequence[str]) -> list[Record]:
    """List the spellings that are gone, and those that were gone and came back."""
    removed: list[Record] = []
    for name, seen in history.items():
        if name in VLLM_OPTIONS:
            continue
        spans = seen["present"]
        last = spans[-2][1] if len(spans) > 1 else seen["last"]
        if last == versions[-1]:
            continue
        record = {
            "name": name,
            "last_seen": last,
            "gone_by": versions[versions.index(last) + 1],
            "instead": VLLM_INSTEAD.get(name) or VLLM_INSTEAD.get(seen["canonical"]),
            "returned": spans[-1][0] if len(spans) > 1 else None,
        }
        removed.append(compact(record))
    return by_name(removed)


def env_type(annotation: str | None) -> Record:
    """Read a type annotation of vllm/envs.py."""
    if annotation is None:
        return {"type": "str"}
    parts = [part.strip() for part in annotation.split("|")]
    base = next((part for part in parts if part != "None"), "str")
    nullable = "None" in parts
    if base.startswith("Literal["):
        return {"type": "str", "nullable": nullable, "choices": list(ast.literal_eval(base[7:]))}
    plain = base.split("[", 1)[0]
    kind = {"list": "list", "set": "list", "dict": "json"}.get(plain, plain)
    return {"type": kind, "nullable": nullable}


def vllm_env(name: str, raw: Record, history: Record, oldest: str) -> Record:
    """Turn one harvested variable into a record."""
    since = history.get(name, {}).get("first")
    record: Record = {"name": name, **env_type(raw.get("type"))}
    known = "default" in raw and not is_expression(raw["default"])
    if known:
        record["default"] = raw["default"]
    record["since"] = None if since == oldest else since
    return compact(record) | ({} if known else {"default_known": False})


def vllm_removed_env(history: Record) -> list[Record]:
    """List the variables that are gone."""
    return by_name(
        {"name": name, "last_seen": seen["last"], "gone_by": seen["gone_by"]}
        for name, seen in history.items()
        if seen["gone_by"]
    )


# vllm/model_executor/layers/quantization/__init__.py:187 registers them under one class.
ONLINE_SHORTHANDS = {
    "fp8_per_block",
    "fp8_per_channel",
    "fp8_per_tensor",
    "int8_per_channel_weight_only",
    "nvfp4_per_token",
}


def vllm_quantization(registries: Record) -> list[Record]:
    """List the quantization methods with the smallest compute capability that loads them."""
    allowed = registries["platform_quant"]
    records = []
    for name, raw in registries["quantization"].items():
        minimum = raw.get("min_capability")
        if name in ONLINE_SHORTHANDS:
            minimum = registries["quantization"]["online"]["min_capability"]
        record = {
            "name": name,
            "min_compute_capability": int(minimum) / 10 if minimum else None,
            "deprecated": name in registries["deprecated_quantization"],
            "platforms": ["cuda", *(p for p in ("rocm", "xpu") if name in allowed[p])],
        }
        records.append(compact(record))
    return by_name(records)


VLLM_ENDPOINTS = {
    "health": "/health",
    "ready": "/health",
    "metrics": "/metrics",
    "models": "/v1/models",
    "version": "/version",
    "load": "/load",
    "chat": "/v1/chat/completions",
    "completions": "/v1/completions",
    "embeddings": "/v1/embeddings",
    "responses": "/v1/responses",
}


def build_vllm(args: argparse.Namespace) -> Table:
    """Build the vLLM table from its seed tables and the wheel."""
    parser, registries = load(args.parser), load(args.registries)
    history = load(args.history)
    versions: list[str] = history["versions"]
    version, oldest = parser["version"], versions[0]
    if version != versions[-1] or version != registries["version"]:
        raise TableError("the inputs are of different versions")
    flags = by_name(vllm_flag(raw, history["flags"], oldest) for raw in parser["flags"])
    check_flags(flags, VLLM_SENTINELS)
    envs = history["envs"]
    return {
        "schema": SCHEMA,
        "engine": "vllm",
        "versions": [version],
        "sampled": versions,
        "sources": [
            {
                "version": version,
                "artifact": args.wheel.name,
                "sha256": sha256(args.wheel),
                "method": "argument definitions, environment table and metric calls read by AST",
            }
        ],
        "dialect": {
            "underscores": True,
            "abbreviations": True,
            "equals": True,
            "dotted_json": True,
            "bool_values": False,
        },
        "default_port": 8000,
        "endpoints": VLLM_ENDPOINTS,
        "env_unknown": "warn",
        "env_prefixes": ["VLLM_"],
        "flags": flags,
        "removed_flags": vllm_removed(history["flags"], versions),
        "env": by_name(vllm_env(n, raw, envs, oldest) for n, raw in parser["envs"].items()),
        "removed_env": vllm_removed_env(envs),
        "metrics": vllm_metrics(wheel_modules(args.wheel)),
        "removed_metrics": VLLM_REMOVED_METRICS,
        "quantization": vllm_quantization(registries),
        "kv_cache_dtypes": sorted(parser_values(flags, "--kv-cache-dtype")),
        "tool_call_parsers": sorted(registries["tool_call_parsers"]),
        "reasoning_parsers": sorted(registries["reasoning_parsers"]),
    }
