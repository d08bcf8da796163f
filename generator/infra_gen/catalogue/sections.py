"""A preset as facts, one by one: value, unit, origin. Works on any record, so new fields just show."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from infra_gen.model.engine_facts import Fact as EngineFact
from infra_gen.model.sourced import Record, Sourced


@dataclass(frozen=True, slots=True)
class Fact:
    """`value` None: unknown. `source` and `note` say where it comes from and what is behind it."""

    label: str
    value: str | None
    unit: str = ""
    source: str | None = None
    checked: date | None = None
    assumed: bool = False
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with facts, a table (its first row is the heading), and sentences."""

    title: str
    facts: tuple[Fact, ...] = ()
    table: tuple[tuple[str, ...], ...] = ()
    lines: tuple[str, ...] = ()


# The end of a key says its unit; the rest of the key is the label.
_SUFFIXES = {
    "_gib": "GiB",
    "_gb_s": "GB/s",
    "_tflops": "TFLOPS",
    "_tops": "TOPS",
    "_bytes": "bytes",
    "_seconds": "s",
    "_s": "s",
}
# Keys that do not say it.
_UNITS = {
    "gib": "GiB",
    "gb_s": "GB/s",
    "bytes": "bytes",
    "params_total": "parameters",
    "params_active": "parameters",
    "max_context": "tokens",
    "window": "tokens",
    "input_tokens": "tokens",
    "output_tokens": "tokens",
    "shared_prefix": "tokens",
    "gpu_limit_fraction": "of the memory",
}


# Keys that read badly with spaces for their underscores.
_LABELS = {
    "bytes": "size",
    "gb_s": "bandwidth",
    "hf_id": "Hugging Face id",
    "vllm_parsers": "vLLM parsers",
}
# What tells one record of a list from the others, and how many fields fit under one heading.
_ITEM_NAMES = ("variant", "quantization", "asset", "path", "name", "kind", "gib", "min_device_gib")
_FEW = 5


def _label(key: str) -> tuple[str, str]:
    """Label and unit of a key."""
    label, unit = key, _UNITS.get(key, "")
    for suffix, its_unit in _SUFFIXES.items():
        if not unit and key.endswith(suffix):
            label, unit = key.removesuffix(suffix), its_unit
    return _LABELS.get(key) or label.replace("_", " "), unit


def _heading(label: str) -> str:
    return label[:1].upper() + label[1:] if label.islower() else label


def text_of(value: object) -> str | None:
    """A plain value as text; None when it is unknown."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else str(value)
    if isinstance(value, tuple | list):
        return ", ".join(text_of(one) or "unknown" for one in value) or "none"
    return str(value)


def _with_origin(label: str, unit: str, origin: Sourced | EngineFact) -> Fact:  # type: ignore[type-arg]
    sourced = origin if isinstance(origin, Sourced) else None
    return Fact(
        label=label,
        value=text_of(origin.value),
        unit=unit if origin.value is not None else "",
        source=origin.source,
        checked=sourced.checked if sourced else None,
        assumed=bool(sourced and sourced.assumed),
        note=origin.note,
    )


def _is_records(value: object) -> bool:
    return isinstance(value, tuple) and bool(value) and all(isinstance(v, Record) for v in value)


def _stated(record: Record) -> list[tuple[str, object]]:
    """The fields that say something, in their order."""
    fields = [(key, getattr(record, key)) for key in type(record).model_fields]
    return [(key, value) for key, value in fields if value is not None and value != ()]


def _item_name(item: Record, number: int) -> tuple[str, str]:
    """How one record of a list is told from the others, and the key that says it."""
    for key in _ITEM_NAMES:
        value = getattr(item, key, None)
        if value is not None:
            return f"{text_of(value)} {_UNITS.get(key, '')}".strip(), key
    return str(number), ""


def _of_field(key: str, value: object, before: str, outer_unit: str) -> Iterator[Fact]:
    name, own_unit = _label(key)
    label, unit = f"{before} {name}".strip(), own_unit or outer_unit
    if isinstance(value, Sourced | EngineFact):
        yield _with_origin(label, unit, value)
    elif isinstance(value, Record):
        yield from facts_of(value, before=label, unit=unit)
    elif isinstance(value, tuple) and _is_records(value):
        for number, item in enumerate(value, 1):
            which, key = _item_name(item, number)
            yield from facts_of(item, before=f"{label} {which}", unit=unit, without=(key,))
    else:
        yield Fact(label, text_of(value), unit)


def facts_of(
    record: Record, *, before: str = "", unit: str = "", without: tuple[str, ...] = ()
) -> tuple[Fact, ...]:
    """Every field that the record states, in its order, but those named in `without`.

    `before` goes in front of the labels, `unit` is for keys that have none of their own.
    """
    kept = [(key, value) for key, value in _stated(record) if key not in without]
    return tuple(fact for key, value in kept for fact in _of_field(key, value, before, unit))


def _nested(key: str, value: object) -> Iterator[Section]:
    """A record inside another, or several of them: each with a heading of its own."""
    name, unit = _label(key)
    if isinstance(value, Record):
        yield Section(_heading(name), facts_of(value, unit=unit))
    elif isinstance(value, tuple) and max(len(_stated(item)) for item in value) > _FEW:
        for number, item in enumerate(value, 1):
            which, key = _item_name(item, number)
            title = f"{_heading(name)}: {which}"
            yield Section(title, facts_of(item, unit=unit, without=(key,)))
    else:
        yield Section(_heading(name), tuple(_of_field(key, value, "", unit)))


def sections_of(record: Record, title: str, without: tuple[str, ...] = ()) -> tuple[Section, ...]:
    """The record: its own fields first, then what it holds, each under a heading.

    Fields named in `without` are left out.
    """
    inside = [
        (key, value)
        for key, value in _stated(record)
        if key not in without
        and not isinstance(value, Sourced | EngineFact)
        and (isinstance(value, Record) or _is_records(value))
    ]
    apart = tuple(key for key, _ in inside)
    notes = getattr(record, "notes", ())
    own = Section(title, facts_of(record, without=(*apart, *without, "notes")))
    nested = [section for key, value in inside for section in _nested(key, value)]
    said = [Section("Notes", lines=tuple(notes))] if notes else []
    return (own, *nested, *said)
