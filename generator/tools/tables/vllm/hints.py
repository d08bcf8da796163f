"""What a type annotation of vLLM says of a value: its type, its choices, its limits."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tools.tables.records import Record
from tools.tables.vllm import natives
from tools.tables.vllm.values import (
    Bounded,
    Instance,
    Member,
    Named,
    SourceClass,
    UnclearError,
    Unknown,
    Volatile,
    is_source_class,
)
from tools.tables.vllm.world import World

_LIMITS = {
    "ge": "minimum",
    "le": "maximum",
    "gt": "exclusive_minimum",
    "lt": "exclusive_maximum",
}
_SEQUENCES = (list, tuple, set, frozenset)
_DEPRECATED = re.compile(
    r"(?:^|\. |[\[(])deprecated[\]):]"
    r"|(?:this (?:parameter|option|flag|field)|^--\S+) is deprecated|will be deprecated",
    re.IGNORECASE,
)


@dataclass(slots=True)
class Hint:
    """A type annotation, taken apart."""

    plain: set[type] = field(default_factory=set)  # bool, int, float, str
    literals: list[Any] = field(default_factory=list)
    enums: list[type[SourceClass]] = field(default_factory=list)
    configs: list[type[SourceClass]] = field(default_factory=list)
    sequences: list[Any] = field(default_factory=list)  # what is inside
    limits: dict[str, Any] = field(default_factory=dict)
    mapping: bool = False
    nullable: bool = False
    other: bool = False  # a type that is none of these


def taken_apart(value: Any) -> Hint:
    """Take a type apart."""
    hint = Hint()
    _add(hint, value)
    return hint


def _add(hint: Hint, value: Any) -> None:
    origin, args = typing.get_origin(value), typing.get_args(value)
    if origin is typing.Annotated:
        _add(hint, args[0])
        for extra in args[1:]:
            if isinstance(extra, Bounded):
                hint.limits |= extra.limits
    elif origin in (typing.Union, types.UnionType):
        for one in args:
            _add(hint, one)
    elif origin is typing.Literal:
        hint.literals += [one for one in args if one is not None]
        hint.nullable |= None in args
    elif value in (None, type(None)):
        hint.nullable = True
    elif origin in _SEQUENCES or value in _SEQUENCES:
        hint.sequences.append(args[0] if args else typing.Any)
    else:
        _add_one(hint, value, origin)


def _add_one(hint: Hint, value: Any, origin: Any) -> None:
    if value in (bool, int, float, str):
        hint.plain.add(value)
    elif dict in (value, origin) or natives.is_typed_dict(value) or natives.subclass(value, dict):
        hint.mapping = True
    elif natives.is_enum(value):
        hint.enums.append(value)
    elif natives.is_dataclass(value) or natives.is_model(value):
        hint.configs.append(value)
    else:
        hint.other = True


def enum_value(member: Member) -> Any:
    """Return what a user writes for a member of an enumeration.

    vLLM takes a member's name, whatever its case; so a text that repeats the name says it best.
    A number stands for itself. Other values (paths of classes, tuples) are inner matters.
    """
    if isinstance(member.value, str):
        same = member.value.replace("-", "_").lower() == member.name.lower()
        return member.value if same else member.name
    if isinstance(member.value, int) and _is_numeric(member.cls):
        return member.value
    return member.name


def _is_numeric(cls: type) -> bool:
    return is_source_class(cls) and Named("enum.IntEnum") in cls.info.bases


def values(world: World, hint: Hint) -> list[Any]:
    """Return the values that an annotation lists."""
    found = list(hint.literals)
    for enum in hint.enums:
        found += [enum_value(member) for member in world.members(enum)]
    return found


def ordered(found: list[Any]) -> list[Any]:
    """Return each value once in an order that no release changes, `None` at the end."""
    once = set(found) - {"None"}
    return [*sorted(once, key=lambda v: (isinstance(v, str), v)), *(["None"] * ("None" in found))]


def limits(default: Any, hint: Hint) -> Record:
    """Return the smallest and largest value of a field."""
    held = hint.limits | (default.limits if isinstance(default, Bounded) else {})
    return {new: held.get(old) for old, new in _LIMITS.items()}


def plain_type(hint: Hint) -> str:
    """Name the type of a value of this annotation."""
    if hint.configs or hint.mapping:
        return "json"
    named = {type(value).__name__ for value in hint.literals}
    named |= {kind.__name__ for kind in hint.plain}
    named |= {"int" if _is_numeric(enum) else "str" for enum in hint.enums}
    if hint.plain <= {int, float} and hint.plain and named <= {"int", "float", "str"}:
        return "float" if float in hint.plain else "int"  # a literal beside it is a special value
    if len(named) == 1 and not hint.sequences:
        return named.pop()
    return "json" if named or hint.sequences else "str"


def is_deprecated(text: Any) -> bool:
    """Tell whether a description calls its own subject deprecated."""
    return isinstance(text, str) and bool(_DEPRECATED.search(" ".join(text.split())))


def default_of(value: Any) -> Record:
    """Return a default that is data; of one that is code, that it is not known."""
    try:
        return {"default": as_data(value)}
    except UnclearError:
        return {"default_known": False}


def as_data(value: Any) -> Any:
    """Turn a value into JSON; UnclearError where it is none."""
    if isinstance(value, Member):
        return enum_value(value)
    if isinstance(value, Volatile | Unknown | Named | Instance):
        raise UnclearError(f"{value} is no data")
    if isinstance(value, set | frozenset):
        return sorted(as_data(item) for item in value)
    if isinstance(value, list | tuple):
        return [as_data(item) for item in value]
    if isinstance(value, dict):
        return {str(key): as_data(item) for key, item in value.items()}
    if value is None or isinstance(value, str | int | float):
        return value
    raise UnclearError(f"{value} is no data")


def classes_in(value: Any) -> Iterator[type[SourceClass]]:
    """Yield the configuration classes that an annotation names, at any depth."""
    if natives.is_dataclass(value) or natives.is_model(value):
        yield value
    for one in typing.get_args(value):
        yield from classes_in(one)
