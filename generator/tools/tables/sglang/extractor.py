"""SGLang's server from its releases on the index: arguments, variables, metrics and routes."""

from __future__ import annotations

from pathlib import Path

from tools.tables.python.modules import Package
from tools.tables.python.package_sources import Project
from tools.tables.records import Artefact, Guard, Record, Snapshot, TableError, by_name, named
from tools.tables.sglang.code import endpoints, metrics
from tools.tables.sglang.env import environment
from tools.tables.sglang.parser import command_line

_PROJECT = Project("sglang", "sglang", "0.4.0")
_METHOD = "argparse calls, annotated fields, variable and metric declarations found in the source"

_GUARD = Guard(
    sentinels={
        "flags": (
            "--attention-backend",
            "--chat-template",
            "--chunked-prefill-size",
            "--context-length",
            "--data-parallel-size",
            "--device",
            "--dtype",
            "--enable-metrics",
            "--host",
            "--kv-cache-dtype",
            "--load-format",
            "--max-running-requests",
            "--mem-fraction-static",
            "--model-path",
            "--port",
            "--quantization",
            "--schedule-policy",
            "--served-model-name",
            "--tensor-parallel-size",
            "--tokenizer-path",
            "--tp-size",
            "--trust-remote-code",
        ),
        "metrics": ("sglang:num_running_reqs", "sglang:num_queue_reqs", "sglang:token_usage"),
        "quantization": ("awq", "fp8", "gptq"),
        "kv_cache_dtypes": ("auto", "fp8_e5m2"),
        "endpoints": ("health", "metrics", "models", "chat", "completions", "generate"),
    },
    at_least={"flags": 75, "env": 15, "metrics": 10, "quantization": 8, "kv_cache_dtypes": 2},
    known_jumps={
        "0.4.3.post3": ("env",),  # six variables that have nothing to do with each other
        "0.4.7": ("env",),  # disaggregation, dumps, and experts that move
        "0.5.2": ("metrics",),  # grammars, storage, transfers and the start are counted
        "0.5.3": ("env",),  # a registry of variables came, with some that nobody read before
        "0.5.13": ("env",),  # the KV canary, kernels for LoRA, sparse attention
    },
)


def _choices(flags: dict[str, Record], name: str) -> list[str]:
    """Return what a flag may be; nothing where the version does not have it."""
    if name not in flags:
        return []
    choices: list[str] = flags[name].get("choices", [])
    if not choices:
        raise TableError(f"{name} has no choices")
    return choices


def _parsers(flags: dict[str, Record], name: str) -> list[Record]:
    return named(choice for choice in _choices(flags, name) if choice != "auto")


def _facts(flags: dict[str, Record]) -> list[Record]:
    told = {
        "default_port": flags["--port"]["default"],
        "underscores": False,
        "abbreviations": True,  # argparse's own way
        "equals": True,
        "dotted_json": False,
        "bool_values": False,
        "env_unknown": "ignore",
        "env_prefixes": ["SGLANG_"],
    }
    return by_name({"name": name, "value": value} for name, value in told.items())


class _Sglang:
    engine = "sglang"
    guard = _GUARD

    def releases(self, given: Path | None) -> list[str]:
        return _PROJECT.releases(given)

    def fetch(self, version: str, given: Path | None, scratch: Path) -> Artefact:
        return _PROJECT.fetch(version, given, scratch, _METHOD)

    def read(self, artefact: Artefact) -> Snapshot:
        try:
            return _read(Package(artefact.path))
        except TableError as error:
            raise TableError(f"sglang {artefact.version}: {error}") from error


def _read(package: Package) -> Snapshot:
    rows = command_line(package).flags
    flags = {row["name"]: row for row in rows}
    return {
        "flags": rows,
        "env": environment(package),
        "metrics": metrics(package),
        "quantization": named(_choices(flags, "--quantization")),
        "kv_cache_dtypes": named(_choices(flags, "--kv-cache-dtype")),
        "tool_call_parsers": _parsers(flags, "--tool-call-parser"),
        "reasoning_parsers": _parsers(flags, "--reasoning-parser"),
        "endpoints": endpoints(package),
        "facts": _facts(flags),
    }


EXTRACTOR = _Sglang()
