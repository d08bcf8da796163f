"""The flags of `vllm serve` as records, from the arguments that its parser is given."""

from __future__ import annotations

import argparse
import ast
from collections.abc import Iterator
from typing import Any

from tools.tables.records import Record, TableError, by_name, compact
from tools.tables.vllm.hints import (
    default_of,
    is_deprecated,
    limits,
    ordered,
    plain_type,
    taken_apart,
    values,
)
from tools.tables.vllm.natives import MISSING
from tools.tables.vllm.parser import Action, actions_of, inverses, negatives
from tools.tables.vllm.patches import CONFIGS, CONVERTERS, LAMBDAS, PATHS, SPECIAL
from tools.tables.vllm.values import (
    Bounded,
    FieldOf,
    Function,
    Member,
    Scope,
    SourceClass,
    UnclearError,
    Unknown,
    Volatile,
    is_source_class,
)
from tools.tables.vllm.world import World

_SWITCHES = ("store_true", "store_false")
_WRAPPERS = ("_optional_type", "_parse_type")


class Flags:
    """Reads the flags in one release's world; `checker` sees it as a type checker does."""

    def __init__(self, world: World, checker: World) -> None:
        self.world = world
        self.checker = checker
        self.prefixes = inverses(world)
        self.classes: dict[str, type[SourceClass]] = {}  # that JSON flags make
        self.short_level = _reads_short_level(world)

    def records(self) -> list[Record]:
        """Return a record for each flag."""
        return by_name(self.record(action) for action in actions_of(self.world))

    def record(self, action: Action) -> Record:
        """Return the record of one flag."""
        spellings = action.spellings
        name = next((text for text in spellings if text.startswith("--")), spellings[0])
        kind = _kind(action)
        pair = kind == "bool_pair"
        record: Record = {
            "name": name,
            "aliases": self._aliases(name, spellings),
            "negatives": sorted(negatives(spellings, self.prefixes)) if pair else [],
            "kind": kind,
            **self._value(action, name),
            **_nargs(action),
            "repeatable": action.options.get("action") == "append",
            "deprecated": _deprecated(action),
            **_default(action),
        }
        return compact(record)

    def _aliases(self, name: str, spellings: tuple[str, ...]) -> list[str]:
        found = [text for text in spellings if text != name]
        if name == "--optimization-level" and self.short_level:
            found.append("-O")
        return sorted(found)

    def _value(self, action: Action, name: str) -> Record:
        """What the value of a flag may be."""
        origin = action.options.get("origin")
        hint = taken_apart(origin.type) if isinstance(origin, FieldOf) else None
        if _kind(action) in ("switch", "bool_pair"):
            return {"type": "bool", "nullable": bool(hint and hint.nullable)}
        told = self._converter(action.options.get("type"))
        if hint and told["type"] == "str" and hint.enums:
            told["type"] = plain_type(hint)
        if hint and told["type"] == "json" and hint.mapping and str in hint.plain:
            told["type"] = "str"  # a dictionary, or any other text
        if name in PATHS:
            told["type"] = "path"
        told |= {"nullable": told.get("nullable") or bool(hint and hint.nullable)}
        told |= self._config(name, told)
        told |= self._choices(action, origin)
        return told | (
            limits(origin.default, hint) if hint and origin and told["type"] != "json" else {}
        )

    def _config(self, name: str, told: Record) -> Record:
        if name not in CONFIGS:
            return {}
        cls = self.world.from_module("vllm.config", CONFIGS[name])
        if told["type"] != "json" or not is_source_class(cls):
            raise TableError(f"{name} does not make a {CONFIGS[name]}")
        return {"config": self._named(cls)}

    def _named(self, cls: type[SourceClass]) -> str:
        """Remember a class by its name, which no other may have."""
        if self.classes.setdefault(cls.__name__, cls) is not cls:
            raise TableError(f"there are two classes {cls.__name__}")
        return cls.__name__

    def _converter(self, kind: Any) -> Record:
        """Name the type that a flag's text is turned into."""
        if kind is None:
            return {"type": "str"}
        if kind in (int, float, str, bool):
            return {"type": kind.__name__}
        if not isinstance(kind, Function):
            kind = getattr(kind, "__name__", repr(kind))
            if kind not in CONVERTERS:
                raise TableError(f"a flag of type {kind}")
            return {"type": CONVERTERS[kind]}
        if kind.name in _WRAPPERS:
            inner = self._converter(kind.scope.names["return_type"])
            return inner | ({"nullable": True} if kind.name == "_optional_type" else {})
        return self._function(kind)

    def _function(self, kind: Function) -> Record:
        name = kind.name
        if isinstance(kind.node, ast.Lambda):
            name = ast.unparse(kind.node.body)
        found = CONVERTERS.get(name) or LAMBDAS.get(name)
        if found is None:
            raise TableError(f"a flag of type {name}")
        return {
            "type": found,
            "special_values": SPECIAL.get(name),
            "config": next((self._named(cls) for cls in _classes(kind)), None),
        }

    def _choices(self, action: Action, origin: Any) -> Record:
        given = action.options.get("choices")
        if given is not None:
            return _given_choices(action, given)
        if not isinstance(origin, FieldOf):
            return {}
        seen = taken_apart(self.checker.evaluate(origin.annotation, Scope(origin.module)))
        found = values(self.checker, seen)
        for inner in seen.sequences:
            found += values(self.checker, taken_apart(inner))
        return {"known_values": ordered(found) or None}


def _classes(kind: Function) -> Iterator[type[SourceClass]]:
    """Yield the configuration class that a converter makes."""
    for held in [*kind.defaults.values(), *kind.first]:
        if is_source_class(held):
            yield held
        elif isinstance(held, Function):
            yield from _classes(held)


def _given_choices(action: Action, given: Any) -> Record:
    if isinstance(given, Unknown):
        raise TableError(f"{action.spellings[0]}: its choices are not known: {given.why}")
    texts = [_as_choice(value, action) for value in given]
    found = ordered([text for text in texts if text is not None])
    # One that depends on the machine cannot be a closed list.
    open_ = any(isinstance(value, Volatile) for value in given)
    return {"known_values" if open_ else "choices": found}


def _as_choice(value: Any, action: Action) -> Any:
    """Return what a user writes to get this choice; None where no text gives it."""
    kind = action.options.get("type")
    optional = isinstance(kind, Function) and kind.name == "_optional_type"
    if value is None:
        return "None" if optional else None
    if value == "None" and optional:
        return None  # the text becomes None before it is compared
    if isinstance(value, Member):
        return value.value
    if isinstance(value, Unknown) or not isinstance(value, str | int):
        raise UnclearError(f"{action.spellings[0]}: the choice {value}")
    return str(value) if isinstance(value, Volatile) else value


def _kind(action: Action) -> str:
    if not action.spellings[0].startswith("-"):
        return "positional"
    act = action.options.get("action")
    if act is argparse.BooleanOptionalAction:
        return "bool_pair"
    if act in _SWITCHES:
        return "switch"
    if act is not None and act not in ("store", "append") and not is_source_class(act):
        raise TableError(f"{action.spellings[0]}: an action of no known kind: {act}")
    nargs = action.options.get("nargs")
    if nargs == "?":
        return "optional_value"
    return "value" if nargs is None else "list"


def _nargs(action: Action) -> Record:
    nargs = action.options.get("nargs")
    if nargs not in (None, "?", "+", "*") and not isinstance(nargs, int):
        raise TableError(f"{action.spellings[0]}: nargs {nargs}")
    return {"nargs": nargs if isinstance(nargs, int) and nargs > 1 else None}


def _deprecated(action: Action) -> bool:
    act = action.options.get("action")
    told = action.options.get("deprecated") is True
    by_name = is_source_class(act) and act.__name__.startswith("Deprecated")
    return told or by_name or is_deprecated(action.options.get("help"))


def _default(action: Action) -> Record:
    switch = action.options.get("action") in _SWITCHES
    missing = action.options.get("action") == "store_false" if switch else None
    value = action.options.get("default", missing)
    if isinstance(value, Bounded):
        value = value.default
    if value is argparse.SUPPRESS or value is MISSING:
        return {"default_known": False}
    return default_of(value)


def _reads_short_level(world: World) -> bool:
    """Tell whether `-O2` is rewritten to `--optimization-level 2` before parsing."""
    module = world.sources.module("vllm.utils.argparse_utils")
    if module is None:
        return False
    texts = {node.value for node in ast.walk(module.tree) if isinstance(node, ast.Constant)}
    return "--optimization-level" in texts and "-O" in texts
