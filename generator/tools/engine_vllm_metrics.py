"""The Prometheus metrics of vLLM, found in its modules without importing them."""

from __future__ import annotations

import ast
import re
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from tools.engine_records import Record, TableError, by_name, compact

SUFFIXED = r"vllm:[a-z0-9_]+"
METRIC_CALL = re.compile(r"^(?:_?(gauge|counter|histogram)_cls|(Gauge|Counter|Histogram))$")
OFFLOAD_CALL = re.compile(r"^Offloading(Gauge|Counter|Histogram)Metadata$")
BASE_LABELS = ["model_name", "engine"]
ALWAYS = ("vllm/v1/metrics/loggers.py", "vllm/v1/metrics/perf.py")
# Literals that only begin a metric's name: the benchmark client filters /metrics by them.
METRIC_SIGNS = ('"vllm:', "_METRIC", "Metadata(")  # only such modules are parsed
NAME_STARTS = {"vllm:spec_decode", "vllm:diffusion"}
METRIC_NEEDS_BY_NAME = {
    "vllm:corrupted_requests_total": "VLLM_COMPUTE_NANS_IN_LOGITS",
    "vllm:diffusion_num_canvas_positions_total": "a diffusion model",
    "vllm:diffusion_num_committed_tokens_total": "a diffusion model",
    "vllm:diffusion_num_denoising_steps_total": "a diffusion model",
    "vllm:kv_block_idle_before_evict_seconds": "--kv-cache-metrics",
    "vllm:kv_block_lifetime_seconds": "--kv-cache-metrics",
    "vllm:kv_block_reuse_gap_seconds": "--kv-cache-metrics",
    "vllm:lora_requests_info": "--enable-lora",
    "vllm:num_requests_kv_fetch_by_stage": "--kv-transfer-config",
    "vllm:watermark_requests_total": "--watermark-config",
}
METRIC_NEEDS_BY_PATH = (
    ("vllm/distributed/kv_transfer/", "--kv-transfer-config"),
    ("vllm/entrypoints/serve/dev/sleep/", "--enable-sleep-mode"),
    ("vllm/v1/kv_offload/", "--kv-transfer-config"),
    ("vllm/v1/simple_kv_offload/", "--kv-transfer-config"),
    ("vllm/v1/spec_decode/", "--speculative-config"),
    ("vllm/parser/", "--tool-call-parser"),
    ("vllm/v1/metrics/perf.py", "--enable-mfu-metrics"),
)
VLLM_REMOVED_METRICS = [
    {
        "name": "vllm:cpu_cache_usage_perc",
        "gone_by": "0.20.2",
    },
    {
        "name": "vllm:gpu_cache_usage_perc",
        "gone_by": "0.12.0",
        "instead": "vllm:kv_cache_usage_perc",
    },
    {
        "name": "vllm:gpu_prefix_cache_hits_total",
        "gone_by": "0.20.2",
        "instead": "vllm:prefix_cache_hits_total",
    },
    {
        "name": "vllm:gpu_prefix_cache_queries_total",
        "gone_by": "0.20.2",
        "instead": "vllm:prefix_cache_queries_total",
    },
    {
        "name": "vllm:num_requests_swapped",
        "gone_by": "0.20.2",
    },
    {
        "name": "vllm:time_per_output_token_seconds",
        "last_seen": "0.13.0",
        "gone_by": "0.17.1",
        "instead": "vllm:inter_token_latency_seconds",
    },
]


def string_of(node: ast.AST | None) -> str | None:
    """Return the value of a string literal."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return None


def assignments(body: Iterable[ast.AST]) -> Iterator[tuple[str, ast.expr]]:
    """Yield the plain `NAME = value` statements of a body."""
    for stmt in body:
        if isinstance(stmt, ast.Assign) and isinstance(stmt.targets[0], ast.Name):
            yield stmt.targets[0].id, stmt.value


def module_strings(tree: ast.Module) -> dict[str, str]:
    """Collect the string constants of a module, those of classes as `Class.NAME`."""
    found: dict[str, str] = {}
    scopes: list[tuple[str, list[ast.stmt]]] = [("", tree.body)]
    scopes += [(f"{n.name}.", n.body) for n in tree.body if isinstance(n, ast.ClassDef)]
    for prefix, body in scopes:
        for name, value in assignments(body):
            text = string_of(value)
            if text is not None:
                found[prefix + name] = text
    return found


class MetricScan(ast.NodeVisitor):
    """Find where one module creates Prometheus metrics."""

    def __init__(self, path: str, strings: dict[str, str]) -> None:
        self.path = path
        self.strings = strings
        self.metrics: list[Record] = []
        self.branches = 0
        self.functions: list[ast.FunctionDef] = []

    def visit_If(self, node: ast.If) -> None:
        """Count branches: a metric inside one is not always there."""
        self.branches += 1
        self.generic_visit(node)
        self.branches -= 1

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        """Remember the function, whose local names a call may use."""
        self.functions.append(node)
        self.generic_visit(node)
        self.functions.pop()

    def visit_Dict(self, node: ast.Dict) -> None:
        """See `NAME: Offloading...Metadata(...)`."""
        for key, value in zip(node.keys, node.values, strict=True):
            self._offload(key, value)
        self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        """See `metrics[NAME] = Offloading...Metadata(...)`."""
        if isinstance(node.targets[0], ast.Subscript):
            self._offload(node.targets[0].slice, node.value)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        """See `self._gauge_cls(name=...)` and `Gauge(...)`."""
        match = METRIC_CALL.match(_callee(node))
        if match:
            kind = (match.group(1) or match.group(2)).lower()
            arguments = {keyword.arg: keyword.value for keyword in node.keywords}
            name = arguments.get("name", node.args[0] if node.args else None)
            labels = arguments.get("labelnames", node.args[2] if len(node.args) > 2 else None)
            for text in self._names(name):
                self._add(text, kind, self._labels(labels), node.lineno)
        self.generic_visit(node)

    def _offload(self, key: ast.expr | None, value: ast.expr) -> None:
        match = OFFLOAD_CALL.match(_callee(value)) if isinstance(value, ast.Call) else None
        if match:
            self._add_all(self._names(key), match.group(1).lower(), value.lineno)

    def _add_all(self, names: Iterable[str], kind: str, line: int) -> None:
        for name in names:
            self._add(name, kind, None, line)

    def _add(self, name: str, kind: str, labels: list[str] | None, line: int) -> None:
        exposed = exposed_name(name, kind)
        by_path = (flag for start, flag in METRIC_NEEDS_BY_PATH if self.path.startswith(start))
        needs = METRIC_NEEDS_BY_NAME.get(exposed) or next(by_path, None)
        record = {
            "name": exposed,
            "type": kind,
            "labels": labels,
            "conditional": self.branches > 0 or self.path not in ALWAYS,
            "needs": needs,
            "source": f"{self.path}:{line}",
        }
        self.metrics.append(compact(record))

    def _names(self, node: ast.expr | None) -> list[str]:
        """Resolve the expression that names a metric; a loop variable gives several."""
        one = self._text(node)
        if one is not None:
            return [one] if one.startswith("vllm:") else []
        if isinstance(node, ast.Name) and self.functions:
            return sorted(_literals(self.functions[-1]))
        return []

    def _text(self, node: ast.expr | None) -> str | None:
        literal = string_of(node)
        if literal is not None:
            return literal
        if isinstance(node, ast.Call) and _callee(node).endswith("_metric_name"):
            inner = self._text(node.args[0])
            return inner and f"vllm:{inner}"
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            return self.strings.get(f"{node.value.id}.{node.attr}")
        return self.strings.get(node.id) if isinstance(node, ast.Name) else None

    def _labels(self, node: ast.expr | None) -> list[str] | None:
        if isinstance(node, ast.List | ast.Tuple):
            found = [string_of(item) for item in node.elts]
            return [text for text in found if text] if all(found) else None
        if isinstance(node, ast.BinOp):
            left, right = self._labels(node.left), self._labels(node.right)
            return left + right if left is not None and right is not None else None
        if isinstance(node, ast.Name):
            return self._named_labels(node.id)
        return None

    def _named_labels(self, name: str) -> list[str] | None:
        for function in reversed(self.functions):
            local = dict(assignments(ast.walk(function)))
            if name in local:
                return self._labels(local[name])
        return list(BASE_LABELS) if name == "labelnames" else None


def _literals(function: ast.FunctionDef) -> set[str]:
    """Return the metric names in a function, without those a call spells out itself."""
    walked = list(ast.walk(function))
    spelled = {string_of(node.value) for node in walked if isinstance(node, ast.keyword)}
    texts = {string_of(node) for node in walked} - spelled
    return {text for text in texts if text and re.fullmatch(SUFFIXED, text)}


def _callee(node: ast.Call) -> str:
    function = node.func
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def exposed_name(name: str, kind: str) -> str:
    """Return the name on /metrics: the Python client ends every counter with _total."""
    return name if kind != "counter" or name.endswith("_total") else f"{name}_total"


def wheel_modules(wheel: Path) -> dict[str, ast.Module]:
    """Parse the modules of a wheel that could name a metric."""
    modules: dict[str, ast.Module] = {}
    with zipfile.ZipFile(wheel) as archive:
        for path in sorted(n for n in archive.namelist() if n.endswith(".py")):
            text = archive.read(path).decode("utf-8")
            if any(sign in text for sign in METRIC_SIGNS):
                modules[path] = ast.parse(text)
    return modules


def vllm_metrics(modules: dict[str, ast.Module]) -> list[Record]:
    """List every metric the modules create; refuse a name that no call explains."""
    everywhere: dict[str, str] = {}
    for tree in modules.values():
        everywhere |= module_strings(tree)
    found: dict[str, Record] = {}
    for path, tree in modules.items():
        scan = MetricScan(path, everywhere | module_strings(tree))
        scan.visit(tree)
        for record in scan.metrics:
            kept = found.setdefault(record["name"], record)
            if kept["type"] != record["type"]:
                raise TableError(f"{record['name']} has two types")
    _check_literals(modules, found)
    return by_name(found.values())


def _check_literals(modules: dict[str, ast.Module], found: dict[str, Record]) -> None:
    texts = {string_of(node) for tree in modules.values() for node in ast.walk(tree)}
    named = {text for text in texts if text and re.fullmatch(SUFFIXED, text)}
    lost = {t for t in named - NAME_STARTS if t not in found and f"{t}_total" not in found}
    if lost:
        raise TableError(f"metrics of unknown type: {sorted(lost)}")
