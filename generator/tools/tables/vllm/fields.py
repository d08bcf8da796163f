"""The fields of the configuration classes that vLLM's JSON flags take, at any depth."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from typing import Any

from tools.tables.records import Record, TableError, by_name, compact
from tools.tables.vllm.hints import (
    Hint,
    classes_in,
    default_of,
    is_deprecated,
    limits,
    ordered,
    plain_type,
    taken_apart,
    values,
)
from tools.tables.vllm.natives import MISSING
from tools.tables.vllm.values import (
    Bounded,
    FieldOf,
    Scope,
    SourceClass,
    UnclearError,
)
from tools.tables.vllm.world import World

_CONFIG = "vllm.config"  # classes of other packages are written as something else
# Not for users: the engine itself fills in fields of these types.
_INNER = re.compile(r"\b(?:Model|Parallel)Config\b")
_NUMBERS = ("int", "float")


class Fields:
    """Reads configuration classes in one release's world."""

    def __init__(self, world: World, checker: World) -> None:
        self.world = world
        self.checker = checker

    def records(self, classes: Iterable[type[SourceClass]]) -> list[Record]:
        """Return the fields of these classes and of those inside them."""
        found: dict[str, type[SourceClass]] = {}
        for cls in classes:
            self._reach(cls, found)
        return by_name(record for cls in found.values() for record in self._of(cls))

    def _reach(self, cls: type[SourceClass], found: dict[str, type[SourceClass]]) -> None:
        if cls.__name__ in found:
            if found[cls.__name__] is not cls:
                raise TableError(f"there are two classes {cls.__name__}")
            return
        found[cls.__name__] = cls
        for one in self._settable(cls):
            for inner in classes_in(one.type):
                if _is_config(inner):
                    self._reach(inner, found)

    def _settable(self, cls: type[SourceClass]) -> Iterator[FieldOf]:
        for one in self.world.fields(cls):
            inner = _INNER.search(ast.unparse(one.annotation))
            if one.init and not inner and not one.name.startswith("_"):
                yield one

    def _of(self, cls: type[SourceClass]) -> Iterator[Record]:
        for one in self._settable(cls):
            hint = taken_apart(one.type)
            record: Record = {
                "name": f"{cls.__name__}.{one.name}",
                **_shape(hint),
                **self._values(one, hint),
                "nullable": hint.nullable,
                "config": next((c.__name__ for c in hint.configs if _is_config(c)), None),
                "deprecated": is_deprecated(one.doc),
                **self._default(one),
            }
            if record["type"] in _NUMBERS:
                record |= limits(one.default, hint)
            yield compact(record)

    def _values(self, one: FieldOf, hint: Hint) -> Record:
        """What may be written: closed where the type lists it all, open where it only helps."""
        seen = taken_apart(self.checker.evaluate(one.annotation, Scope(one.module)))
        found = ordered(values(self.checker, seen))
        inner = [v for s in seen.sequences for v in values(self.checker, taken_apart(s))]
        if not found:
            return {"known_values": ordered(inner) or None}
        if plain_type(hint) in _NUMBERS and hint.plain:
            return {"special_values": [value for value in found if isinstance(value, str)]}
        others = hint.plain or hint.other or hint.mapping or hint.configs or hint.sequences
        closed = hint.literals and not hint.enums and not others
        return {"choices" if closed else "known_values": found}

    def _default(self, one: FieldOf) -> Record:
        value: Any = one.default
        if isinstance(value, Bounded):
            value = self._made(value)
        elif value is MISSING:
            value = self._made(Bounded(MISSING, one.default_factory))
        return {"default_known": False} if value is MISSING else default_of(value)

    def _made(self, bounded: Bounded) -> Any:
        try:
            return self.world.default(bounded)
        except UnclearError:
            return MISSING


def _is_config(cls: type[SourceClass]) -> bool:
    return cls.__module__.startswith(_CONFIG)


def _shape(hint: Hint) -> Record:
    """Name the kind and type of a field's value."""
    only = not (hint.plain or hint.literals or hint.enums or hint.configs or hint.mapping)
    if hint.sequences and only and not hint.other:
        return {"kind": "list", "type": plain_type(taken_apart(hint.sequences[0]))}
    return {"kind": "value", "type": plain_type(hint)}
