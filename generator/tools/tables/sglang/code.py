"""What SGLang counts and serves, from its code."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tools.tables.python.modules import Module, Package, dotted
from tools.tables.records import Record, TableError, by_name, compact

_SERVER = ("sglang.srt.entrypoints.http_server", "sglang.srt.server")  # it moved
_UTILS = ("sglang.srt.utils.common", "sglang.srt.utils")  # mounts the page of metrics
_METRIC = re.compile(r"sglang:[a-z]\w*")
_KINDS = {
    "Counter": "counter",
    "Gauge": "gauge",
    "GaugeHistogram": "gauge",  # SGLang's own: a gauge with a label for each bucket
    "Histogram": "histogram",
    "Summary": "summary",
}
_ROUTES = {
    "health": ("/health",),
    "health_generate": ("/health_generate",),
    "ready": ("/ready", "/health"),  # older versions have one answer for both
    "metrics": ("/metrics",),
    "models": ("/v1/models",),
    "model_info": ("/model_info", "/get_model_info"),
    "server_info": ("/server_info", "/get_server_info"),
    "generate": ("/generate",),
    "chat": ("/v1/chat/completions",),
    "completions": ("/v1/completions",),
    "embeddings": ("/v1/embeddings",),
    "responses": ("/v1/responses",),
    "messages": ("/v1/messages",),
    "rerank": ("/v1/rerank",),
    "score": ("/v1/score",),
    "tokenize": ("/v1/tokenize", "/tokenize"),
}


def metrics(package: Package) -> list[Record]:
    """List the metrics of the server, as they are exposed: a counter's name ends in _total.

    Labels are told where they are written out; most metrics add those of their worker.
    """
    found: dict[str, Record] = {}
    for module in package.below("sglang.srt", _METRIC.search):
        for row in _of_module(module):
            kept = found.setdefault(row["name"], row)
            if kept["type"] != row["type"]:
                raise TableError(f"{row['name']} has two types")
            if kept.get("labels") != row.get("labels"):
                kept.pop("labels", None)
            if not row.get("conditional"):
                kept.pop("conditional", None)
    return by_name(found.values())


def _of_module(module: Module) -> Iterator[Record]:
    named: set[int] = set()
    for node, conditional in _walk(module.tree, conditional=False):
        if isinstance(node, ast.Call) and dotted(node.func).rpartition(".")[2] in _KINDS:
            kind = _KINDS[dotted(node.func).rpartition(".")[2]]
            words = {word.arg: word.value for word in node.keywords}
            name = words.get("name") or (node.args[0] if node.args else None)
            if isinstance(name, ast.Constant) and _is_metric(name):
                named.add(id(name))
                yield _record(
                    str(name.value), kind, words.get("labelnames"), conditional=conditional
                )
    for node in ast.walk(module.tree):
        if _is_metric(node) and id(node) not in named:
            raise TableError(f"{module.name}: nobody says what {ast.unparse(node)} is")


def _is_metric(node: ast.AST) -> bool:
    text = node.value if isinstance(node, ast.Constant) else None
    return isinstance(text, str) and _METRIC.fullmatch(text) is not None


def _walk(node: ast.AST, *, conditional: bool) -> Iterator[tuple[ast.AST, bool]]:
    """Walk a tree and tell of each node whether a condition stands before it."""
    yield node, conditional
    for child in ast.iter_child_nodes(node):
        yield from _walk(child, conditional=conditional or isinstance(node, ast.If))


def _record(name: str, kind: str, labels: ast.expr | None, *, conditional: bool) -> Record:
    if kind == "counter" and not name.endswith("_total"):
        name += "_total"
    row: Record = {"name": name, "type": kind, "conditional": conditional}
    if isinstance(labels, ast.List | ast.Tuple | ast.Set):
        texts = [item.value for item in labels.elts if isinstance(item, ast.Constant)]
        row["labels"] = texts if len(texts) == len(labels.elts) else None
    return compact(row)


def endpoints(package: Package) -> list[Record]:
    """List the routes that matter to a deployment."""
    server = next(filter(None, map(package.find, _SERVER)), None)
    utils = next(filter(None, map(package.find, _UTILS)), None)
    if server is None or utils is None:
        raise TableError(f"none of {', '.join(_SERVER)} is there, or none of {', '.join(_UTILS)}")
    paths = set(_decorated(server)) | set(_mounted(server)) | set(_mounted(utils))
    rows = [
        {"name": name, "path": path}
        for name, known in _ROUTES.items()
        for path in known[:]
        if path in paths and path == next(one for one in known if one in paths)
    ]
    return by_name(rows)


def _decorated(module: Module) -> Iterator[str]:
    """Find the paths of `@app.get("/...")` and its like."""
    for node in ast.walk(module.tree):
        for call in getattr(node, "decorator_list", []):
            if isinstance(call, ast.Call) and call.args and isinstance(call.args[0], ast.Constant):
                yield str(call.args[0].value)


def _mounted(module: Module) -> Iterator[str]:
    """Find the paths of `Mount("/...")` and `app.mount("/...")`."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call) and dotted(node.func).lower().endswith("mount") and node.args:
            path = node.args[0]
            if isinstance(path, ast.Constant):
                yield str(path.value)
