"""What llama-server answers and counts, and how it reads its arguments, from its sources."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tools.tables.llama.cpp_tokens import (
    Token,
    Tokens,
    closing,
    find_all,
    function_text,
    inside,
    is_mark,
    split,
    tokens,
)
from tools.tables.records import Record, TableError, by_name, compact

_PREFIX = "llamacpp:"
_KINDS = ("counter", "gauge")
# What a deployment asks a server for, by the names that infra-gen uses.
_ENDPOINTS = {
    "health": "/health",
    "ready": "/health",  # 503 while the model loads
    "metrics": "/metrics",
    "models": "/v1/models",
    "slots": "/slots",
    "props": "/props",
    "chat": "/v1/chat/completions",
    "completions": "/v1/completions",
    "embeddings": "/v1/embeddings",
    "responses": "/v1/responses",
    "messages": "/v1/messages",
    "rerank": "/v1/rerank",
}
_ROUTE = re.compile(
    r"(?:->|\.)\s*(?:Get|Post|get|post)\s*\(\s*(?:\w+\.api_prefix\s*\+\s*)?\"(/[^\"]*)\""
)
_COMMENT = re.compile(r"^\s*//.*$", re.MULTILINE)
_NEGATION = "LLAMA_ARG_NO_"  # the beginning of variables that switch off what the rest names
_PARSERS = ("common_params_parse_ex", "gpt_params_parse_ex")


def endpoints(server: Mapping[str, str]) -> list[Record]:
    """The routes of interest among those that the server registers."""
    routes = {path for text in server.values() for path in _ROUTE.findall(_COMMENT.sub("", text))}
    return by_name(
        {"name": name, "path": path} for name, path in _ENDPOINTS.items() if path in routes
    )


def metrics(server: Mapping[str, str]) -> list[Record]:
    """What /metrics shows: two lists in the code, and lines that are written out one by one."""
    found: dict[str, Record] = {}
    for text in server.values():
        if "# TYPE llamacpp:" in text:
            for name, kind in _listed(text):
                _add(found, {"name": _PREFIX + name, "type": kind})
            for record in _written_out(text):
                _add(found, record)
    if not found:
        raise TableError("no list of metrics")
    return by_name(found.values())


def _add(found: dict[str, Record], record: Record) -> None:
    if record["name"] in found:
        raise TableError(f"{record['name']} is there twice")
    found[record["name"]] = record


def _listed(text: str) -> Iterator[tuple[str, str]]:
    """Name and kind of `all_metrics_def = json {...}` or of the `metric_item` vectors."""
    row = tokens(_around(text))
    for index in find_all(row, "all_metrics_def = json {"):
        for group in split(inside(row[index + 3 : closing(row, index + 3) + 1])):
            kind, items = split(inside(group))
            for item in split(inside(items)):
                yield _json_name(inside(item)), _kind(kind)
    lists = {
        row[index + 2].text: split(inside(row[index + 4 : closing(row, index + 4) + 1]))
        for index in find_all(row, "metric_item >")
        if is_mark(row, index + 3, "=")
    }
    for index in find_all(row, "add_items ("):
        kind, name = split(row[index + 2 : closing(row, index + 1)])
        for item in lists.pop(name[0].text):
            yield _text(split(inside(item))[0]), _kind(kind)
    if lists:
        raise TableError(f"metrics of unknown kind: {', '.join(lists)}")


def _around(text: str) -> str:
    """The definition before the lines that print the metrics, or the function that does it all."""
    at = text.index("# TYPE llamacpp:")
    defined = text.rfind("all_metrics_def = json", 0, at)
    if defined >= 0:
        return text[defined:at].rpartition("\n")[0]
    return text[text.rfind("\n}", 0, at) + 2 : text.index("\n}", at)]


def _json_name(item: Tokens) -> str:
    for pair in split(item):
        key, value = split(inside(pair))
        if _text(key) == "name":
            return _text(value)
    raise TableError("a metric without a name")


def _kind(row: Tokens) -> str:
    kind = _text(row)
    if kind not in _KINDS:
        raise TableError(f"a metric that is a {kind}")
    return kind


def _text(row: Tokens) -> str:
    if not row or row[0].kind != "string":
        raise TableError("a name that is made by code")
    return row[0].text


def _written_out(text: str) -> Iterator[Record]:
    """Metrics with labels, which show only once there is something to count."""
    for name, kind in re.findall(r"# TYPE llamacpp:(\w+) (\w+)", text):
        labels = re.findall(rf'"llamacpp:{name}\{{(\w+)=', text)
        record = {"name": _PREFIX + name, "type": kind, "labels": labels, "conditional": True}
        yield compact(record)


def negation_of(arguments: str) -> str | None:
    """How variables begin that switch a pair off; None before llama.cpp had such."""
    return _NEGATION if f'"{_NEGATION}"' in arguments else None


def facts(arguments: str, port: Any) -> list[Record]:
    """How the server reads its command line and environment, from `common/arg.cpp`."""
    parser = next((name for name in _PARSERS if f" {name}(" in arguments), None)
    if parser is None or not isinstance(port, int):
        raise TableError("no parser of arguments, or no port")
    row = tokens(function_text(arguments, parser))
    exact = any(True for _ in find_all(row, "arg_to_options . find ( arg )"))
    by_option = any(True for _ in find_all(row, "opt . get_value_from_env ( value )"))
    if not exact or not by_option or {Token("char", "'='"), Token("string", "=")} & set(row):
        raise TableError("arguments or variables are read in another way than is known")
    replaced = any(True for _ in find_all(row, "arg . end ( ) , '_' , '-' )"))
    told: dict[str, Any] = {
        "default_port": port,
        "underscores": replaced,
        "abbreviations": False,
        "equals": False,
        "dotted_json": False,
        "bool_values": False,
        "env_unknown": "ignore",
        "env_prefixes": ["LLAMA_ARG_"],
    }
    if negation_of(arguments):
        told["env_negation"] = _NEGATION
    return by_name({"name": name, "value": value} for name, value in told.items())
