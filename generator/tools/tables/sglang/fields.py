"""SGLang's fields that become arguments by themselves: `name: A[type, Arg(...)] = default`.

Since 0.5.14 most arguments are declared so; what the annotation says decides the argument.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from tools.tables.python.argparse_calls import Argument, default_of
from tools.tables.python.modules import Module, Package, dotted
from tools.tables.python.values import Scope, Values
from tools.tables.records import TableError

_OLD_HOME = "sglang.srt.server_args"  # in one class there, before the fields had modules
_HOME = "sglang.srt.arg_groups.fields"
_SCALARS = {"str": "str", "int": "int", "float": "float"}
_KNOWN = {
    "action",
    "action_kwargs",
    "aliases",
    "choices",
    "cli_name",
    "const",
    "fallback",
    "help",
    "nargs",
    "no_cli",
    "required",
    "resolvable",
    "type_parser",
}


@dataclass(frozen=True, slots=True)
class Field:
    """One field: its type, what `Arg` is told (None: it is no argument), default and module."""

    name: str
    type: ast.expr
    words: dict[str, ast.expr] | None
    default: ast.expr | None
    module: Module


def fields(package: Package) -> list[Field]:
    """Every field of the server's arguments; in older versions none of them is an argument."""
    if package.find(_HOME) is not None:
        modules = package.below(_HOME, lambda text: "_NS_PATH" in text)
        classes = [node for module in modules for node in _spaces(module)]
    else:
        home = package.module(_OLD_HOME)
        body = [node for node in home.tree.body if isinstance(node, ast.ClassDef)]
        classes = [(home, node) for node in body if node.name == "ServerArgs"]
    return [field for module, node in classes for field in _of_class(module, node)]


def _spaces(module: Module) -> Iterator[tuple[Module, ast.ClassDef]]:
    """Find the classes that are parts of the server's arguments."""
    for node in module.tree.body:
        if isinstance(node, ast.ClassDef) and "_NS_PATH" in ast.unparse(node):
            yield module, node


def _of_class(module: Module, node: ast.ClassDef) -> Iterator[Field]:
    for row in node.body:
        if isinstance(row, ast.AnnAssign):
            kind, words = row.annotation, None
            name, parts = _parameters(kind)
            if name in ("A", "Annotated"):
                kind, words = parts[0], _words(parts[1:])
            yield Field(dotted(row.target), kind, words, row.value, module)


def _words(parts: list[ast.expr]) -> dict[str, ast.expr] | None:
    """Return what `Arg` is told; a text alone is its help; None where nothing makes an argument."""
    for part in parts:
        if not isinstance(part, ast.Call):
            return {"help": part}
        if dotted(part.func) != "Arg":
            continue  # NS("...") sorts fields, it says nothing of the argument
        words = {str(word.arg): word.value for word in part.keywords}
        if part.args or set(words) - _KNOWN:
            raise TableError(f"{ast.unparse(part)[:80]}: not understood")
        return words
    return None


def argument(field: Field, values: Values) -> Argument | None:
    """Return the argument of a field, as `add_cli_args_from_dataclass` makes it; None for none."""
    if field.words is None:
        return None
    scope = Scope(field.module)
    told = {name: node for name, node in field.words.items() if name != "help"}
    if "no_cli" in told and values.value(told["no_cli"], scope):
        return None
    main = told.get("cli_name")
    first = values.value(main, scope) if main else "--" + field.name.replace("_", "-")
    aliases = values.value(told["aliases"], scope) if "aliases" in told else None
    default, known = default_of(field.default, values, scope)
    base = Argument((first, *(aliases or ())), default=default, default_known=known)
    if "action" in told:
        return _with_action(base, told, values, scope)
    return _by_type(base, field, told, values)


def _with_action(
    base: Argument, told: dict[str, ast.expr], values: Values, scope: Scope
) -> Argument:
    action = dotted(told["action"]).rpartition(".")[2]
    more = told.get("action_kwargs")
    if more is None:
        return replace(base, action=action)
    if not isinstance(more, ast.Dict):
        raise TableError(f"{base.names[0]}: {ast.unparse(more)} is not written out")
    words = {
        values.value(key, scope): node
        for key, node in zip(more.keys, more.values, strict=True)
        if key
    }
    if set(words) - {"type", "nargs"}:
        raise TableError(f"{base.names[0]}: {ast.unparse(more)}")
    nargs = values.value(words["nargs"], scope) if "nargs" in words else None
    kind = dotted(words["type"]) if "type" in words else None
    return replace(base, action=action, nargs=nargs, type=kind)


def _by_type(base: Argument, field: Field, told: dict[str, ast.expr], values: Values) -> Argument:
    scope = Scope(field.module)
    nargs = values.value(told["nargs"], scope) if "nargs" in told else None
    choices = values.value(told["choices"], scope) if "choices" in told else None
    parser = dotted(told["type_parser"]) if "type_parser" in told else None
    inner = _inner(field.type)
    name, items = _parameters(inner)
    if name == "Literal":
        allowed = [values.value(item, scope) for item in items]
        kind = parser or _SCALARS.get(type(allowed[0]).__name__, "str")
        return replace(base, type=kind, choices=choices or allowed)
    if name in ("List", "list") and parser is None:
        kind = _SCALARS.get(dotted(items[0]), "str") if items else "str"
        return replace(base, type=kind, choices=choices, nargs=nargs or "+")
    if dotted(inner) == "bool":
        return replace(base, action="store_true")
    kind = parser or _SCALARS.get(dotted(inner), "str")
    return replace(base, type=kind, choices=choices, nargs=nargs)


def _inner(node: ast.expr) -> ast.expr:
    """Return the type beside None; a union of more than one is left as it is."""
    rest = [part for part in _union(node) if not _is_none(part)]
    return rest[0] if len(rest) == 1 else node


def _union(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return [*_union(node.left), *_union(node.right)]
    name, items = _parameters(node)
    if name in ("Optional", "Union"):
        return [part for item in items for part in _union(item)]
    return [node]


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _parameters(node: ast.expr) -> tuple[str, list[ast.expr]]:
    """Return `X` and the parts of `X[a, b]`."""
    if not isinstance(node, ast.Subscript):
        return "", []
    inner: Any = node.slice
    return dotted(node.value).rpartition(".")[2], inner.elts if isinstance(inner, ast.Tuple) else [
        inner
    ]
