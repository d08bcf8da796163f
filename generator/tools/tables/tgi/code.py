"""What Text Generation Inference counts, reads from the environment and serves, from its code."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from tools.tables.records import Record, TableError, by_name, compact

_METRIC = re.compile(
    r'metrics::(counter|gauge|histogram)!\(\s*"(\w+)"((?:\s*,\s*"\w+"\s*=>[^,)]*)*)'
)
_METRIC_CALL = re.compile(r"(?m)^[^/\n]*metrics::(?:counter|gauge|histogram)!\(")
_LABEL = re.compile(r'"(\w+)"\s*=>')
_BUCKETS = re.compile(r'(?m)^[^/\n]*Matcher::(Suffix|Full|Prefix)\(String::from\("(\w+)"\)\)')
_RUST_ENV = re.compile(r'(?:env::var(?:_os)?\(\s*|let varname = )"([A-Z][A-Z0-9_]*)"')
_PYTHON_ENV = re.compile(r"os\.(?:getenv\(|environ\.get\(|environ\[)\s*[\"']([A-Z][A-Z0-9_]*)[\"']")
_CAPABILITY = re.compile(r"^\s*has_sm_(\d+)_(\d+) = major >= \1$", re.MULTILINE)
_GATE = re.compile(r"if not \(SYSTEM == \"cuda\" and has_sm_(\d+)_(\d+)\):")
_ROUTES = {
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


def rust_metrics(sources: Mapping[str, str]) -> list[Record]:
    """List the metrics that are counted somewhere, as the exporter shows them.

    Without buckets of its own the exporter shows a histogram as a summary.
    """
    found: dict[str, Record] = {}
    rules: list[tuple[str, str]] = []
    for path, text in sources.items():
        rules += _BUCKETS.findall(text)
        calls = list(_METRIC.finditer(text))
        if len(calls) < len(_METRIC_CALL.findall(text)):
            raise TableError(f"{path}: a metric whose name is not written out")
        for kind, name, labels in (call.groups() for call in calls):
            kept = found.setdefault(name, {"name": name, "type": kind, "labels": []})
            if kept["type"] != kind:
                raise TableError(f"{name} has two types")
            kept["labels"] = sorted({*kept["labels"], *_LABEL.findall(labels)})
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


def environment(
    flags: Iterable[Record],
    router: Iterable[Record],
    launcher: str,
    rust: Mapping[str, str],
    python: Mapping[str, str],
) -> list[Record]:
    """List the variables: twins of flags, those of the router alone, and those read in code."""
    found: dict[str, Record] = {}
    for flag in flags:
        if "env" in flag:
            row = {"name": flag["env"], "type": flag["type"], "flag": flag["name"]}
            found[flag["env"]] = row | {"default": flag["default"]}
    for flag in router:
        # What the launcher hands to the router on its command line, it decides itself.
        if "env" in flag and f'"{flag["name"]}"' not in launcher:
            row = {"name": flag["env"], "type": flag["type"], "default": flag["default"]}
            found.setdefault(flag["env"], row)
    for sources, pattern in ((rust, _RUST_ENV), (python, _PYTHON_ENV)):
        for text in sources.values():
            for name in pattern.findall(text):
                found.setdefault(name, {"name": name, "type": "str", "default_known": False})
    return by_name(found.values())


def endpoints(server: str) -> list[Record]:
    """List the routes of the router that matter to a deployment."""
    rows = [
        {"name": name, "path": path} for name, path in _ROUTES.items() if f'"{path}", ' in server
    ]
    return by_name(rows)


def marlin_capability(source: str) -> float:
    """Return the smallest device that the Marlin layers accept; the other methods name no bound."""
    set_, used = _CAPABILITY.search(source), _GATE.search(source)
    if set_ is None or used is None or set_.groups() != used.groups():
        raise TableError("marlin: no bound of the device's capability")
    return float(f"{set_[1]}.{set_[2]}")
