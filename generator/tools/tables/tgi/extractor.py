"""Text Generation Inference from its tags: launcher's arguments, variables, metrics and routes."""

from __future__ import annotations

from pathlib import Path

from tools.tables import checkouts
from tools.tables.records import (
    Artefact,
    Guard,
    Record,
    Snapshot,
    TableError,
    by_name,
    compact,
    named,
)
from tools.tables.tgi.clap import rust_enums, rust_flags
from tools.tables.tgi.code import endpoints, environment, marlin_capability, rust_metrics

_REPOSITORY = "huggingface/text-generation-inference"
_SINCE = "3.0.0"  # before it the router was another program, in another place
_LAUNCHER = "launcher/src/main.rs"
_ROUTER = "backends/v3/src/main.rs"
_USAGE_STATS = "router/src/usage_stats.rs"
_SERVER = "router/src/server.rs"
_MARLIN = "server/text_generation_server/layers/marlin/util.py"
_METRIC_SOURCES = ("router/src", "backends/v3/src")
_RUST = ("launcher/src", "router/src", "backends/v3/src")
_PYTHON = ("server/text_generation_server",)
_DOCS = ("docs/source/reference/launcher.md", "docs/source/reference/metrics.md")

_GUARD = Guard(
    sentinels={
        "flags": (
            "--model-id",
            "--num-shard",
            "--quantize",
            "--kv-cache-dtype",
            "--max-concurrent-requests",
            "--max-input-tokens",
            "--max-total-tokens",
            "--max-batch-prefill-tokens",
            "--hostname",
            "--port",
            "--api-key",
            "--cuda-memory-fraction",
            "--usage-stats",
        ),
        "env": ("PORT", "HOSTNAME", "MODEL_ID", "HF_TOKEN", "ATTENTION", "PREFIX_CACHING"),
        "metrics": ("tgi_queue_size", "tgi_request_duration", "tgi_batch_current_size"),
        "quantization": ("awq", "gptq", "marlin", "fp8", "bitsandbytes"),
        "endpoints": ("health", "metrics", "models", "chat", "completions", "generate", "info"),
    },
    at_least={"flags": 50, "env": 75, "metrics": 20, "quantization": 8, "kv_cache_dtypes": 1},
)


def _wanted(name: str) -> bool:
    if name.endswith(".rs"):
        return name.startswith(_RUST)
    return name in _DOCS or (name.endswith(".py") and name.startswith(_PYTHON))


def _facts(flags: list[Record]) -> list[Record]:
    port = next(flag["default"] for flag in flags if flag["name"] == "--port")
    told = {
        "default_port": port,
        "underscores": False,
        "abbreviations": False,
        "equals": True,
        "dotted_json": False,
        "bool_values": False,
        "env_unknown": "ignore",
        "env_prefixes": [],
    }
    return by_name({"name": name, "value": value} for name, value in told.items())


class _Tgi:
    engine = "tgi"
    guard = _GUARD

    def releases(self, given: Path | None) -> list[str]:
        return checkouts.releases(given, _REPOSITORY, _SINCE)

    def fetch(self, version: str, given: Path | None, scratch: Path) -> Artefact:
        return checkouts.fetch(_REPOSITORY, version, given, scratch, _wanted)

    def read(self, artefact: Artefact) -> Snapshot:
        try:
            return _read(artefact.path)
        except TableError as error:
            raise TableError(f"tgi {artefact.version}: {error}") from error


def _read(root: Path) -> Snapshot:
    launcher = checkouts.text(root, _LAUNCHER)
    flags = rust_flags(launcher)
    router = rust_flags(checkouts.text(root, _ROUTER), [checkouts.text(root, _USAGE_STATS)])
    rust = checkouts.texts(root, _RUST, ".rs")
    python = checkouts.texts(root, _PYTHON, ".py")
    counted = {path: text for path, text in rust.items() if path.startswith(_METRIC_SOURCES)}
    enums = rust_enums(launcher)
    bounds = {"marlin": marlin_capability(python.get(_MARLIN, ""))}
    return {
        "flags": by_name(flags),
        "env": environment(flags, router, launcher, rust, python),
        "metrics": rust_metrics(counted),
        "quantization": by_name(
            compact({"name": name, "min_compute_capability": bounds.get(name)})
            for name in enums["Quantization"]
        ),
        "kv_cache_dtypes": named(enums["KVCacheDtype"]),
        "endpoints": endpoints(checkouts.text(root, _SERVER)),
        "facts": _facts(flags),
    }


EXTRACTOR = _Tgi()
