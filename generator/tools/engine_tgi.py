"""The table of Text Generation Inference: its launcher's arguments and metric calls, from a checkout.

The launcher declares its arguments with clap's attributes in Rust; nothing is compiled or run.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tools.engine_records import SCHEMA, Record, Table, TableError, by_name, compact, spellings

LAUNCHER = "launcher/src/main.rs"
ROUTER = "backends/v3/src/main.rs"
METRIC_SOURCES = ("router/src", "backends/v3/src")
RUST_ENV_SOURCES = ("launcher/src", "router/src", "backends/v3/src")
PYTHON_ENV_SOURCE = "server/text_generation_server"
TGI_MIN_FLAGS, TGI_MIN_METRICS, TGI_MIN_ENV = 50, 20, 80
TGI_SENTINELS = (
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
    "--graceful-termination-timeout",
)
TGI_METRIC_SENTINELS = ("tgi_queue_size", "tgi_request_duration", "tgi_batch_current_size")
# server/text_generation_server/layers/marlin/util.py refuses older devices; the others name no bound.
TGI_MIN_CAPABILITY = {"marlin": 8.0}
TGI_ENDPOINTS = {
    "health": "/health",
    "ready": "/health",
    "metrics": "/metrics",
    "models": "/v1/models",
    "info": "/info",
    "chat": "/v1/chat/completions",
    "completions": "/v1/completions",
    "generate": "/generate",
    "generate_stream": "/generate_stream",
    "tokenize": "/tokenize",
}

FIELD = re.compile(
    r"(?P<doc>(?:[ ]*///[^\n]*\n)*)"
    r"[ ]*#\[clap\((?P<clap>[^\]]*)\)\]\s*"
    r"(?P<name>[a-z_0-9]+):\s*(?P<type>[A-Za-z0-9_<>:]+),"
)
STRUCT = re.compile(r"\nstruct Args \{\n(.*?)\n\}", re.DOTALL)
ENUM = re.compile(r"\bValueEnum\b[^{]*?enum (\w+) \{\n(.*?)\n\}", re.DOTALL)
VARIANT = re.compile(r'(?:#\[clap\(name = "([^"]+)"\)\]\s*)?^\s*([A-Z]\w*),', re.MULTILINE)
METRIC = re.compile(
    r'metrics::(counter|gauge|histogram)!\(\s*"(\w+)"((?:\s*,\s*"\w+"\s*=>[^,)]*)*)'
)
LABEL = re.compile(r'"(\w+)"\s*=>')
BUCKETS = re.compile(r'(?m)^[^/\n]*Matcher::(Suffix|Full|Prefix)\(String::from\("(\w+)"\)\)')
RUST_ENV = re.compile(r'(?:env::var(?:_os)?\(\s*|let varname = )"([A-Z][A-Z0-9_]*)"')
PYTHON_ENV = re.compile(r"os\.(?:getenv\(|environ\.get\(|environ\[)\s*[\"']([A-Z][A-Z0-9_]*)[\"']")
USAGE_STATS = ("on", "off", "no-stack")  # the router takes this enum from another module
INTEGERS = {"usize": None, "u64": None, "u32": 2**32 - 1, "u16": 2**16 - 1}


def _kebab(name: str) -> str:
    """Return a Rust variant as clap spells it: NoStack is no-stack, Nf4 stays one word."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower()


def rust_enums(source: str) -> dict[str, list[str]]:
    """Return the values of every enum that an argument can take."""
    found: dict[str, list[str]] = {}
    for name, body in ENUM.findall(source):
        code = re.sub(r"(?m)^\s*//.*$", "", body)
        found[name] = [given or _kebab(variant) for given, variant in VARIANT.findall(code)]
    return found


def _parts(clap: str) -> dict[str, str | None]:
    """Split the words of a clap attribute; a default may hold commas."""
    words = re.findall(r"(\w+)(?:\s*=\s*(\"[^\"]*\"|'[^']*'|[^,\s]+))?", clap)
    return {name: value.strip("\"'") if value else None for name, value in words}


def _kind(rust: str, enums: dict[str, list[str]]) -> Record:
    """Translate a Rust type: what the flag takes, and its bounds."""
    inner = re.sub(r"^Option<(.*)>$", r"\1", rust).split("::")[-1]
    if rust == "bool":
        return {"kind": "switch", "type": "bool"}
    if inner == "bool":
        return {"kind": "value", "type": "bool", "choices": ["true", "false"]}
    if inner in INTEGERS:
        return {"kind": "value", "type": "int", "minimum": 0, "maximum": INTEGERS[inner]}
    if inner in ("f32", "f64"):
        return {"kind": "value", "type": "float"}
    if inner in enums:
        return {"kind": "value", "type": "str", "choices": enums[inner]}
    if inner == "String" or inner.startswith("Vec<"):
        return {"kind": "value", "type": "str", "repeatable": inner == "Vec<String>"}
    raise TableError(f"unknown type {rust}")


def _default(kind: Record, text: str | None) -> Any:
    if kind["kind"] == "switch":
        return False
    if text is None or kind["type"] == "str":
        return text
    return int(text) if kind["type"] == "int" else float(text)


def rust_flags(source: str, path: str) -> list[Record]:
    """List the arguments of one program in the order of its source."""
    struct = STRUCT.search(source)
    if struct is None:
        raise TableError(f"{path}: no struct Args")
    enums = rust_enums(source) | {"UsageStatsLevel": list(USAGE_STATS)}
    flags: list[Record] = []
    shorts: set[str] = set()
    for field in FIELD.finditer(struct.group(1)):
        parts, name = _parts(field["clap"]), field["name"]
        kind = _kind(field["type"], enums)
        short = f"-{name[0]}" if "short" in parts else None
        line = source.count("\n", 0, struct.start(1) + field.start("name")) + 1
        record = {
            "name": "--" + name.replace("_", "-"),
            "aliases": [short] if short and short not in shorts else [],
            **kind,
            "env": name.upper() if "env" in parts else None,
            "default": _default(kind, parts.get("default_value")),
            "deprecated": "Legacy version" in field["doc"],
            "source": f"{path}:{line}",
        }
        shorts |= {short} if short else set()
        flags.append(compact(record))
    declared = struct.group(1).count("#[clap(")
    if len(flags) != declared:
        raise TableError(f"{path}: {declared} arguments, {len(flags)} understood")
    return flags


def _files(root: Path, folders: Iterable[str], pattern: str) -> Iterator[tuple[str, str]]:
    for folder in folders:
        for path in sorted((root / folder).rglob(pattern)):
            yield path.relative_to(root).as_posix(), path.read_text(encoding="utf-8")


def tgi_metrics(sources: Iterable[tuple[str, str]]) -> list[Record]:
    """List the metrics that are counted somewhere, as the exporter shows them.

    Without buckets of its own the exporter shows a histogram as a summary.
    """
    found: dict[str, Record] = {}
    rules: list[tuple[str, str]] = []
    for path, text in sources:
        rules += BUCKETS.findall(text)
        for call in METRIC.finditer(text):
            kind, name = call.group(1), call.group(2)
            line = text.count("\n", 0, call.start()) + 1
            labels = LABEL.findall(call.group(3))
            first = {"name": name, "type": kind, "labels": labels, "source": f"{path}:{line}"}
            kept = found.setdefault(name, first)
            if kept["type"] != kind:
                raise TableError(f"{name} has two types")
            kept["labels"] = sorted({*kept["labels"], *labels})
    for record in found.values():
        if record["type"] == "histogram" and not _has_buckets(record["name"], rules):
            record["type"] = "summary"
    return by_name(compact(record) for record in found.values())


def _has_buckets(name: str, rules: Iterable[tuple[str, str]]) -> bool:
    return any(
        (kind == "Full" and name == text)
        or (kind == "Suffix" and name.endswith(text))
        or (kind == "Prefix" and name.startswith(text))
        for kind, text in rules
    )


def tgi_env(root: Path, flags: Iterable[Record], router: Iterable[Record]) -> list[Record]:
    """List the variables: twins of flags, those of the router alone, and those read in code."""
    found: dict[str, Record] = {}
    for flag in flags:
        if "env" in flag:
            row = {"name": flag["env"], "type": flag["type"], "flag": flag["name"]}
            found[flag["env"]] = row | {"default": flag["default"]}
    launcher = (root / LAUNCHER).read_text(encoding="utf-8")
    for flag in router:
        if "env" in flag and f'"{flag["name"]}"' not in launcher:
            row = {"name": flag["env"], "type": flag["type"], "default": flag["default"]}
            found.setdefault(flag["env"], row | {"source": flag["source"]})
    reads = [(_files(root, RUST_ENV_SOURCES, "*.rs"), RUST_ENV)]
    reads.append((_files(root, (PYTHON_ENV_SOURCE,), "*.py"), PYTHON_ENV))
    for sources, pattern in reads:
        for path, text in sources:
            for match in pattern.finditer(text):
                line = text.count("\n", 0, match.start()) + 1
                row = {"name": match.group(1), "type": "str", "default_known": False}
                found.setdefault(match.group(1), row | {"source": f"{path}:{line}"})
    return by_name(found.values())


def _check(flags: list[Record], env: list[Record], metrics: list[Record]) -> None:
    """Refuse a table that is too small or has lost what everybody uses."""
    seen = [text for flag in flags for text in spellings(flag)]
    lost = sorted(set(TGI_SENTINELS) - set(seen))
    lost += sorted(set(TGI_METRIC_SENTINELS) - {metric["name"] for metric in metrics})
    twice = sorted({text for text in seen if seen.count(text) > 1})
    sizes = (len(flags), len(env), len(metrics))
    least = (TGI_MIN_FLAGS, TGI_MIN_ENV, TGI_MIN_METRICS)
    small = any(size < bound for size, bound in zip(sizes, least, strict=True))
    if small or lost or twice:
        raise TableError(f"flags, env, metrics: {sizes}, lost: {lost}, given twice: {twice}")


def build_tgi(args: argparse.Namespace) -> Table:
    """Build the table from a checkout of the release's tag."""
    root: Path = args.checkout
    launcher = (root / LAUNCHER).read_text(encoding="utf-8")
    flags = rust_flags(launcher, LAUNCHER)
    router = rust_flags((root / ROUTER).read_text(encoding="utf-8"), ROUTER)
    env = tgi_env(root, flags, router)
    metrics = tgi_metrics(_files(root, METRIC_SOURCES, "*.rs"))
    _check(flags, env, metrics)
    enums = rust_enums(launcher)
    quantization = [
        compact({"name": name, "min_compute_capability": TGI_MIN_CAPABILITY.get(name)})
        for name in enums["Quantization"]
    ]
    port = next(flag["default"] for flag in flags if flag["name"] == "--port")
    source = {
        "version": args.version,
        "artifact": f"huggingface/text-generation-inference@{args.commit}",
        "method": "clap attributes, metric calls and variable reads found in the source",
    }
    return {
        "schema": SCHEMA,
        "engine": "tgi",
        "versions": [args.version],
        "sampled": [args.version],
        "sources": [source],
        "dialect": {
            "underscores": False,
            "abbreviations": False,
            "equals": True,
            "dotted_json": False,
            "bool_values": False,
        },
        "default_port": port,
        "endpoints": TGI_ENDPOINTS,
        "env_unknown": "ignore",
        "env_prefixes": [],
        "flags": by_name(flags),
        "removed_flags": [],
        "env": env,
        "removed_env": [],
        "metrics": metrics,
        "removed_metrics": [],
        "quantization": by_name(quantization),
        "kv_cache_dtypes": sorted(enums["KVCacheDtype"]),
        "tool_call_parsers": [],
        "reasoning_parsers": [],
    }
