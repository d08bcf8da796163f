"""The filters of `list`: pure choices among rows. A filter that means nothing for a kind is refused."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import get_args

from infra_gen.catalogue.reading import ids, rows
from infra_gen.catalogue.rows import (
    KINDS,
    EngineRow,
    HardwareRow,
    InstanceRow,
    ModelRow,
    Row,
    Size,
    TargetRow,
)
from infra_gen.errors import UsageError, did_you_mean
from infra_gen.knowledge.machines import resolve_machine
from infra_gen.model.hardware import Vendor
from infra_gen.model.llm import Task
from infra_gen.model.machine import Machine
from infra_gen.model.plan import GIB


@dataclass(frozen=True, slots=True)
class Filters:
    """What the command line asks for; None or empty: not asked. Memory in GiB of one device."""

    words: tuple[str, ...] = ()
    vendor: str | None = None
    min_memory: float | None = None
    max_memory: float | None = None
    task: str | None = None
    engine: str | None = None
    licence: str | None = None
    fits: str | None = None

    def asked(self) -> dict[str, str | float]:
        """The filters in use by name, words left out."""
        found = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "words"}
        return {name: value for name, value in found.items() if value is not None}


# Which kinds a filter is for.
APPLIES: Mapping[str, tuple[str, ...]] = {
    "vendor": ("hardware", "instances"),
    "min_memory": ("hardware", "instances"),
    "max_memory": ("hardware", "instances"),
    "task": ("models", "engines"),
    "engine": ("models", "targets"),
    "licence": ("models",),
    "fits": ("models",),
}


@dataclass(frozen=True, slots=True)
class Selection:
    """The rows that pass. `room_gib` is what --fits compared the weights with."""

    kind: str
    rows: tuple[Row, ...]
    room_gib: float | None = None


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def kind_named(text: str) -> str:
    """The kind of that name, singular or plural; UsageError with close matches."""
    for kind in KINDS:
        if text.lower() in (kind, kind.removesuffix("s")):
            return kind
    raise UsageError(f"unknown kind {text!r}", hint=did_you_mean(text, KINDS))


def _check_kind(kind: str, filters: Filters) -> None:
    for name in filters.asked():
        if kind not in APPLIES[name]:
            raise UsageError(
                f"{_option(name)} does not apply to {kind}",
                hint=f"it filters {' and '.join(APPLIES[name])}",
            )


def _one_of(name: str, value: str | None, known: Iterable[str]) -> str | None:
    """`value` as it is spelled among `known`, any case."""
    if value is None:
        return None
    names = list(known)
    for one in names:
        if one.lower() == value.lower():
            return one
    raise UsageError(f"{_option(name)} {value!r} is unknown", hint=did_you_mean(value, names))


def _check_memory(filters: Filters) -> None:
    low, high = filters.min_memory, filters.max_memory
    for name, value in (("min_memory", low), ("max_memory", high)):
        if value is not None and (not math.isfinite(value) or value < 0):
            raise UsageError(f"{_option(name)} {value} is no amount of memory", hint="GiB: 24")
    if low is not None and high is not None and low > high:
        raise UsageError(f"--min-memory {low:g} is above --max-memory {high:g}")


def licences() -> tuple[str, ...]:
    """Every licence that a model has."""
    found = {row.licence for row in rows("models") if isinstance(row, ModelRow) and row.licence}
    return tuple(sorted(found))


def _checked(kind: str, filters: Filters) -> Filters:
    """The filters with names spelled as the presets do. UsageError for a value that names nothing."""
    _check_kind(kind, filters)
    _check_memory(filters)
    known_licences = licences() if filters.licence is not None else ()
    return replace(
        filters,
        vendor=_one_of("vendor", filters.vendor, get_args(Vendor)),
        task=_one_of("task", filters.task, get_args(Task)),
        engine=_one_of("engine", filters.engine, ids("engines")),
        licence=_one_of("licence", filters.licence, known_licences),
    )


def _says(row: Row, words: tuple[str, ...]) -> bool:
    places = [row.id, row.name, *row.aliases]
    if isinstance(row, ModelRow):
        places.append(row.hf_id)
    return all(any(word.lower() in place.lower() for place in places) for word in words)


def _within(of: Size | InstanceRow, filters: Filters) -> bool:
    """A card sold as 24 GB shows programs less: whoever asks for 24 at least means it too."""
    low, high = filters.min_memory or 0.0, filters.max_memory
    if high is not None and of.visible_gib > high:
        return False
    return max(of.nominal_gib or 0, of.visible_gib) >= low


def _keep_hardware(row: HardwareRow, filters: Filters) -> HardwareRow | None:
    """The device with the sizes that pass."""
    sizes = tuple(size for size in row.sizes if _within(size, filters))
    if not sizes or filters.vendor not in (None, row.vendor):
        return None
    return replace(row, sizes=sizes)


def _keep_instance(row: InstanceRow, filters: Filters) -> InstanceRow | None:
    kept = _within(row, filters) and filters.vendor in (None, row.vendor)
    return row if kept else None


def _keep_model(row: ModelRow, filters: Filters, room: float | None) -> ModelRow | None:
    """The model with the checkpoints that pass."""
    if filters.task not in (None, row.task) or filters.licence not in (None, row.licence):
        return None
    if filters.engine is None and room is None:
        return row
    kept = tuple(
        one
        for one in row.checkpoints
        if (filters.engine is None or filters.engine in one.engines)
        and (room is None or one.bytes <= room * GIB)
    )
    return replace(row, checkpoints=kept) if kept else None


def _keep(row: Row, filters: Filters, room: float | None) -> Row | None:
    if not _says(row, filters.words):
        return None
    if isinstance(row, HardwareRow):
        return _keep_hardware(row, filters)
    if isinstance(row, InstanceRow):
        return _keep_instance(row, filters)
    if isinstance(row, ModelRow):
        return _keep_model(row, filters, room)
    if isinstance(row, EngineRow):
        return row if filters.task is None or filters.task in row.tasks else None
    if isinstance(row, TargetRow):
        return row if filters.engine is None or filters.engine in row.engines else None
    return row


def room_of(machine: Machine) -> float:
    """GiB that all devices of the machine together may hold."""
    return machine.usable_gib * machine.devices * machine.nodes


def select(kind: str, filters: Filters) -> Selection:
    """The rows of `kind` that pass every filter, sorted by id.

    Raises UsageError for a filter that does not apply and for a value that names nothing.
    """
    checked = _checked(kind, filters)
    room = None if checked.fits is None else room_of(resolve_machine(checked.fits))
    kept = (_keep(row, checked, room) for row in rows(kind))
    return Selection(kind, tuple(row for row in kept if row is not None), room)
