"""SGLang's environment variables: its registry of them, and what is read beside it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any

from tools.tables.python.modules import Module, Package, UnclearError, dotted
from tools.tables.python.values import Definition, Member, Scope, Values
from tools.tables.records import Record, TableError, by_name

_REGISTRY = "sglang.srt.environ"
_OWN = re.compile(r"(?:SGLANG|SGL)_[A-Z0-9_]+")
# Given to a call, or taken from environ; a reader of SGLang's own may ask for any name.
_NAMED = re.compile(r"""[(\[]\s*["'](?:SGLANG|SGL)_|env_var\(\s*["']""")
_ANY = re.compile(r"[A-Z][A-Z0-9_]+")
# Parts of the package that belong to other programs: tests, benchmarks, the diffusion server.
_OTHERS = ("bench", "eval", "lang", "multimodal_gen", "profiler", "test")
_TYPES = {
    "EnvBool": "bool",
    "EnvFloat": "float",
    "EnvInt": "int",
    "EnvJSON": "json",
    "EnvStr": "str",
    "EnvTuple": "list",
}
_ALIAS = "WithAlias"
_PLAIN = ("getenv", "environ.get")
_BOOL, _INT = "get_bool_env_var", "get_int_env_var"
# These write, warn or compare; they do not read.
_NO_READERS = {
    "_print_deprecated_env",
    "_warn_deprecated_env_to_cli_flag",
    "pop",
    "replace",
    "setdefault",
    "startswith",
}
_UNKNOWN = {"type": "str", "default_known": False}


def environment(package: Package) -> list[Record]:
    """List the variables whose names are SGLang's own; the registry knows best."""
    values = Values(package)
    found: dict[str, Record] = {}
    for module in package.below("sglang", _NAMED.search, _OTHERS):
        for name, row in _reads(module) if module.name != _REGISTRY else ():
            kept = found.setdefault(name, row)
            if kept != row:
                found[name] = _agreed(kept, row)
    registry = package.find(_REGISTRY)
    if registry is not None:
        found |= dict(_registered(registry, values))
    return by_name({"name": name, **row} for name, row in found.items())


def _agreed(one: Record, other: Record) -> Record:
    """Return what two readers of a variable have in common."""
    row = {key: value for key, value in one.items() if other.get(key, _UNKNOWN) == value}
    if "type" not in row:
        return dict(_UNKNOWN)
    return row if "default" in row else row | {"default_known": False}


def _registered(registry: Module, values: Values) -> Iterator[tuple[str, Record]]:
    holder = values.definition(registry, "Envs")
    if "using default" not in ast.unparse(values.definition(registry, "EnvField").node):
        raise TableError("what a bad value of a variable does is not told")
    for statement in holder.node.body:
        if not isinstance(statement, ast.Assign) or not isinstance(statement.value, ast.Call):
            if isinstance(statement, ast.Assign | ast.AnnAssign):
                raise TableError(f"{ast.unparse(statement)[:80]}: not understood")
            continue
        call = statement.value
        kind = dotted(call.func)
        if kind.removesuffix(_ALIAS) not in _TYPES or not call.args:
            raise TableError(f"{ast.unparse(statement)[:80]}: not understood")
        row: Record = {"type": _TYPES[kind.removesuffix(_ALIAS)]}
        if row["type"] in ("bool", "int", "float", "json"):
            row["on_bad_value"] = "default"
        yield dotted(statement.targets[0]), row | _default(call.args[0], values, registry)
        for word in call.keywords:
            if word.arg == "deprecated_name":  # the old name is still read
                yield values.value(word.value, Scope(registry)), row | {"default_known": False}


def _default(node: ast.expr, values: Values, module: Module) -> Record:
    if isinstance(node, ast.Call) and dotted(node.func) == "os.path.expanduser":
        node = node.args[0]
    try:
        value: Any = values.value(node, Scope(module))
    except UnclearError:
        return {"default_known": False}
    if isinstance(value, Definition):  # a function that finds the default when it is asked for
        return {"default_known": False}
    value = value.value if isinstance(value, Member) else value
    return {"default": list(value) if isinstance(value, tuple) else value}


def _reads(module: Module) -> Iterator[tuple[str, Record]]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call) and node.args:
            called = dotted(node.func)
            name = _name(node.args[0], _ANY if called.endswith((_BOOL, _INT)) else _OWN)
            if name and called.rpartition(".")[2] not in _NO_READERS:
                yield name, _of_call(called, node)
        elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
            name = _name(node.slice, _OWN)
            if name and dotted(node.value).endswith("environ"):
                yield name, dict(_UNKNOWN)


def _name(node: ast.expr, pattern: re.Pattern[str]) -> str | None:
    text = node.value if isinstance(node, ast.Constant) else None
    return text if isinstance(text, str) and pattern.fullmatch(text) else None


def _of_call(called: str, node: ast.Call) -> Record:
    last = called.rpartition(".")[2].lstrip("_")
    given = node.args[1] if len(node.args) > 1 else None
    given = next((w.value for w in node.keywords if w.arg == "default"), given)
    if given is not None and not isinstance(given, ast.Constant):
        return dict(_UNKNOWN)
    default = given.value if isinstance(given, ast.Constant) else None
    if last == _BOOL:
        told = str(default or "false").lower() in ("true", "1")
        return {"type": "bool", "on_bad_value": "false", "default": told}
    if last == _INT:
        return {"type": "int", "on_bad_value": "default", "default": default or 0}
    if called.endswith(_PLAIN):
        return {"type": "str", "default": None if default is None else str(default)}
    return dict(_UNKNOWN)
