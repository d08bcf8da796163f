"""The Prometheus metrics of vLLM, found in its modules without importing them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator

from tools.tables.records import Record, TableError, by_name, compact
from tools.tables.vllm.patches import METRIC_NEEDS_BY_NAME, METRIC_NEEDS_BY_PATH, METRIC_STARTS
from tools.tables.vllm.sources import Sources

# Only modules with such texts are parsed.
_SIGN = re.compile(rb"[\"']vllm:[a-z]|Offloading(?:Gauge|Counter|Histogram)Metadata\(|_METRIC\b")
_PARTS = (b"vllm:", b"Offloading", b"_METRIC")
_NAME = re.compile(r"vllm:[a-z0-9_]+")
_CALL = re.compile(r"^(?:_?(gauge|counter|histogram)_cls|(Gauge|Counter|Histogram))$")
_OFFLOAD = re.compile(r"^Offloading(Gauge|Counter|Histogram)Metadata$")
_BASE_LABELS = ["model_name", "engine"]
_ALWAYS = ("vllm/v1/metrics/loggers.py", "vllm/v1/metrics/perf.py")
_V0 = "vllm/engine/metrics.py"  # of the engine before V1, gone in 0.11.1
# The exporters of metrics to Ray declare none of their own.
_NO_METRICS = ("vllm/v1/metrics/ray_wrappers.py", "vllm/benchmarks/")


def metrics(sources: Sources) -> list[Record]:
    """List every metric that the engine creates; refuse a name that no call explains."""
    texts = {p: text for p, text in sources.files(_SIGN, *_PARTS) if not p.startswith(_NO_METRICS)}
    modules = {path: ast.parse(text) for path, text in texts.items()}
    everywhere: dict[str, str] = {}
    for tree in modules.values():
        everywhere |= _strings(tree)
    found: dict[str, Record] = {}
    # What both engines have is told as the newer one has it.
    for path in sorted(modules, key=lambda path: (path == _V0, path)):
        scan = _Scan(path, modules[path], everywhere | _strings(modules[path]))
        for record in scan.metrics():
            kept = found.setdefault(str(record["name"]), record)
            if kept["type"] != record["type"]:
                raise TableError(f"{record['name']} has two types")
    _check_literals(modules.values(), found)
    return by_name(found.values())


def exposed(name: str, kind: str) -> str:
    """Return the name on /metrics: the Python client ends every counter with _total."""
    return name if kind != "counter" or name.endswith("_total") else f"{name}_total"


def _check_literals(modules: Iterable[ast.Module], found: dict[str, Record]) -> None:
    texts = {_text(node) for tree in modules for node in ast.walk(tree)}
    named = {text for text in texts if text and _NAME.fullmatch(text)} - METRIC_STARTS
    lost = {text for text in named if text not in found and f"{text}_total" not in found}
    if lost:
        raise TableError(f"metrics of unknown type: {sorted(lost)}")


def _text(node: ast.AST | None) -> str | None:
    """Return the value of a string literal."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return None


def _assignments(body: Iterable[ast.AST]) -> Iterator[tuple[str, ast.expr]]:
    for stmt in body:
        if isinstance(stmt, ast.Assign) and isinstance(stmt.targets[0], ast.Name):
            yield stmt.targets[0].id, stmt.value
        elif isinstance(stmt, ast.AnnAssign) and stmt.value and isinstance(stmt.target, ast.Name):
            yield stmt.target.id, stmt.value


def _strings(tree: ast.Module) -> dict[str, str]:
    """Collect the string constants of a module, those of classes as `Class.NAME`."""
    scopes: list[tuple[str, list[ast.stmt]]] = [("", tree.body)]
    scopes += [(f"{node.name}.", node.body) for node in tree.body if isinstance(node, ast.ClassDef)]
    return {
        prefix + name: text
        for prefix, body in scopes
        for name, value in _assignments(body)
        if (text := _text(value)) is not None
    }


def _callee(node: ast.AST | None) -> str:
    if not isinstance(node, ast.Call):
        return ""
    return getattr(node.func, "attr", getattr(node.func, "id", ""))


class _Scan(ast.NodeVisitor):
    """Finds where one module creates Prometheus metrics."""

    def __init__(self, path: str, tree: ast.Module, strings: dict[str, str]) -> None:
        self.path = path
        self.tree = tree
        self.strings = strings
        self.found: list[Record] = []
        self.tests: list[str] = []  # of the branches around
        self.functions: list[ast.FunctionDef] = []
        self.locals: dict[ast.FunctionDef, dict[str, ast.expr]] = {}

    def metrics(self) -> list[Record]:
        """Return what the module creates."""
        self.visit(self.tree)
        return self.found

    def visit_If(self, node: ast.If) -> None:
        """Remember branches: a metric inside one is not always there."""
        self.tests.append(ast.unparse(node.test))
        self.generic_visit(node)
        self.tests.pop()

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
        match = _CALL.match(_callee(node))
        if match:
            kind = (match.group(1) or match.group(2)).lower()
            arguments = {keyword.arg: keyword.value for keyword in node.keywords}
            name = arguments.get("name", node.args[0] if node.args else None)
            labels = arguments.get("labelnames", node.args[2] if len(node.args) > 2 else None)
            self._add(self._names(name), kind, self._labels(labels))
        self.generic_visit(node)

    def _offload(self, key: ast.expr | None, value: ast.expr) -> None:
        match = _OFFLOAD.match(_callee(value))
        if match:
            self._add(self._names(key), match.group(1).lower(), None)

    def _add(self, names: Iterable[str], kind: str, labels: list[str] | None) -> None:
        for name in names:
            record = {
                "name": exposed(name, kind),
                "type": kind,
                "labels": labels,
                "conditional": bool(self.tests) or self.path not in _ALWAYS,
                "needs": self._needs(exposed(name, kind)),
            }
            self.found.append(compact(record))

    def _needs(self, name: str) -> str | None:
        by_path = (flag for start, flag in METRIC_NEEDS_BY_PATH if self.path.startswith(start))
        if any("show_hidden_metrics" in test for test in self.tests):
            return "--show-hidden-metrics-for-version"
        return METRIC_NEEDS_BY_NAME.get(name) or next(by_path, None)

    def _names(self, node: ast.expr | None) -> list[str]:
        """Resolve the expression that names a metric; a loop variable gives several."""
        one = self._name(node)
        if one is not None:
            return [one] if one.startswith("vllm:") else []
        if isinstance(node, ast.Name) and self.functions:
            return sorted(_literals(self.functions[-1]))
        if isinstance(node, ast.JoinedStr) and len(node.values) == 2:
            start, part = _text(node.values[0]), node.values[1]
            if start and isinstance(part, ast.FormattedValue):
                return [start + end for end in self._walked(ast.unparse(part.value))]
        return []

    def _walked(self, variable: str) -> list[str]:
        """Return the texts that a loop over a constant of the module gives its variable."""
        constants = dict(_assignments(self.tree.body))
        for loop in ast.walk(self.functions[-1]) if self.functions else ():
            if not (isinstance(loop, ast.For) and isinstance(loop.target, ast.Tuple)):
                continue
            names = [ast.unparse(part) for part in loop.target.elts]
            constant = constants.get(ast.unparse(loop.iter))
            if variable in names and constant is not None:
                rows = ast.literal_eval(constant)
                return [str(row[names.index(variable)]) for row in rows]
        return []

    def _name(self, node: ast.expr | None) -> str | None:
        literal = _text(node)
        if literal is not None:
            return literal
        if isinstance(node, ast.Call) and _callee(node).endswith("_metric_name"):
            inner = self._name(node.args[0])
            return inner and f"vllm:{inner}"
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            return self.strings.get(f"{node.value.id}.{node.attr}")
        return self.strings.get(node.id) if isinstance(node, ast.Name) else None

    def _labels(self, node: ast.expr | None) -> list[str] | None:
        if isinstance(node, ast.List | ast.Tuple):
            found = [_text(item) for item in node.elts]
            return [text for text in found if text] if all(found) else None
        if isinstance(node, ast.BinOp):
            left, right = self._labels(node.left), self._labels(node.right)
            return left + right if left is not None and right is not None else None
        return self._named_labels(node.id) if isinstance(node, ast.Name) else None

    def _named_labels(self, name: str) -> list[str] | None:
        for function in reversed(self.functions):
            local = self.locals.get(function)
            if local is None:
                local = self.locals[function] = dict(_assignments(ast.walk(function)))
            if name in local:
                return self._labels(local[name])
        if name != "labelnames":
            return None
        return ["model_name"] if self.path == _V0 else list(_BASE_LABELS)


def _literals(function: ast.FunctionDef) -> set[str]:
    """Return the metric names in a function, without those a call spells out itself."""
    walked = list(ast.walk(function))
    spelled = {_text(node.value) for node in walked if isinstance(node, ast.keyword)}
    texts = {_text(node) for node in walked} - spelled
    return {text for text in texts if text and _NAME.fullmatch(text)}
