"""Arguments that Python sources give to argparse, and the records of flags they become."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tools.tables.python.modules import UnclearError, dotted
from tools.tables.python.values import Member, Scope, Values
from tools.tables.records import Record, TableError, compact

# What the callables behind `type=` make of a text.
TYPES: Mapping[str, str] = {
    "bool": "bool",  # of any text but the empty one: True
    "float": "float",
    "int": "int",
    "json.loads": "json",
    "str": "str",
}
# A switch, and what it is when nobody says its default; a default of None is kept.
_SWITCHES = {"store_true": False, "store_false": True}
UNSET = object()
_PAIR = "BooleanOptionalAction"
_STORED = (None, "store", "append")


@dataclass(frozen=True, slots=True)
class Argument:
    """What `add_argument` is told; actions and types by the names of their callables."""

    names: tuple[str, ...]
    action: str | None = None
    type: str | None = None
    nargs: str | int | None = None
    choices: Sequence[Any] | None = None
    default: Any = UNSET
    default_known: bool = True
    deprecated: bool = False


def record(argument: Argument, types: Mapping[str, str] = TYPES) -> Record:
    """Return the record of an argument; TableError for an action or type that is not known."""
    longs = [name for name in argument.names if name.startswith("--")]
    if not longs:
        raise TableError(f"{argument.names}: no long name")
    # The longest: releases change the order of their spellings, and a record keeps its name.
    main = max(longs, key=len)
    row: Record = {
        "name": main,
        "aliases": [name for name in argument.names if name != main],
        **_kind(argument, longs, types),
        "choices": _choices(argument.choices),
        "deprecated": argument.deprecated,
    }
    if not argument.default_known:
        return compact(row) | {"default_known": False}
    return compact(row) | {"default": _default(argument, row)}


def _kind(argument: Argument, longs: list[str], types: Mapping[str, str]) -> Record:
    if argument.action in _SWITCHES:
        return {"kind": "switch", "type": "bool"}
    if argument.action == _PAIR:
        negatives = [f"--no-{name.removeprefix('--')}" for name in longs]
        return {"kind": "bool_pair", "type": "bool", "negatives": negatives}
    if argument.action not in _STORED:
        raise TableError(f"{longs[0]}: unknown action {argument.action}")
    name = argument.type or "str"
    if name not in types:
        raise TableError(f"{longs[0]}: unknown type {name}")
    kinds = {None: "value", "?": "optional_value", "+": "list", "*": "list"}
    if argument.nargs not in kinds:
        raise TableError(f"{longs[0]}: takes {argument.nargs} values")
    kind = {"kind": kinds[argument.nargs], "type": types[name]}
    return kind | ({"repeatable": True} if argument.action == "append" else {})


def _choices(given: Sequence[Any] | None) -> list[Any]:
    """Return the choices that can be typed: None is none of them; a set has no order."""
    if given is None:
        return []
    items = sorted(given) if isinstance(given, set | frozenset) else given
    plain = [item.value if isinstance(item, Member) else item for item in items]
    return [item for item in plain if item is not None]


def _default(argument: Argument, row: Record) -> Any:
    default = argument.default
    if isinstance(default, Member):
        default = default.value
    if default is UNSET:
        return _SWITCHES.get(argument.action or "")
    if isinstance(default, str) and row["type"] == "json":
        return json.loads(default)  # argparse reads a default that is a text like a typed one
    if isinstance(default, set | frozenset):
        return sorted(default)
    return list(default) if isinstance(default, tuple) else default


def calls(body: Sequence[ast.stmt]) -> Iterator[ast.Call]:
    """Find the calls of `add_argument` among plain statements; TableError for one under a condition."""
    for statement in body:
        found = [
            node
            for node in ast.walk(statement)
            if isinstance(node, ast.Call) and dotted(node.func).endswith(".add_argument")
        ]
        if found and not (isinstance(statement, ast.Expr) and statement.value is found[0]):
            raise TableError(f"arguments under a condition: {ast.unparse(statement)[:80]}")
        yield from found


def keywords(call: ast.Call) -> dict[str, ast.expr]:
    """Return the keywords of a call; TableError where they are not written out."""
    if any(word.arg is None for word in call.keywords):
        raise TableError(f"keywords not written out: {ast.unparse(call)[:80]}")
    return {str(word.arg): word.value for word in call.keywords}


def argument_of(call: ast.Call, values: Values, scope: Scope) -> Argument:
    """Read one call of `add_argument`."""
    names = tuple(str(values.value(node, scope)) for node in call.args)
    words = keywords(call)
    action = words.get("action")
    default, known = default_of(words.get("default"), values, scope)
    is_text = isinstance(action, ast.Constant)
    return Argument(
        names,
        action=_plain(action) if is_text else _last(action),
        type=dotted(words["type"]) if "type" in words else None,
        nargs=_plain(words.get("nargs")),
        choices=values.value(words["choices"], scope) if "choices" in words else None,
        default=default,
        default_known=known,
    )


def default_of(node: ast.expr | None, values: Values, scope: Scope) -> tuple[Any, bool]:
    """Return a default and whether it is known; argparse's SUPPRESS leaves the setting out."""
    if node is None:
        return UNSET, True
    if dotted(node) == "argparse.SUPPRESS":
        return None, True
    try:
        return values.value(node, scope), True
    except UnclearError:
        return None, False


def _plain(node: ast.expr | None) -> Any:
    if node is not None and not isinstance(node, ast.Constant):
        raise TableError(f"{ast.unparse(node)} is not written out")
    return node.value if node is not None else None


def _last(node: ast.expr | None) -> str | None:
    return dotted(node).rpartition(".")[2] if node is not None else None
