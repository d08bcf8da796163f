"""docs/reference/calibration.md: every constant of presets/calibration, with its source."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from infra_gen.knowledge import store
from infra_gen.model.calibration_memory import VllmMemory
from infra_gen.model.calibration_speed import EngineSpeed
from infra_gen.model.sourced import Record, Sourced
from tools import accuracy_result
from tools.docs_markdown import number, page, table

_ORIGIN = ("source", "assumed", "note")
_FLAGS = {"experts_assumed": "experts assumed"}


def _shown(value: object) -> str:
    """A value in a cell: numbers as everywhere, lists and records in words."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return number(value)
    if isinstance(value, Record):
        fields = type(value).model_fields
        return ", ".join(f"{name} {_shown(getattr(value, name))}" for name in fields)
    if isinstance(value, tuple | list):
        return "; ".join(map(_shown, value)) or "none"
    return "-" if value is None else str(value)


def _origin(held: Any) -> str:
    """Where a row or constant comes from; what is assumed says so first."""
    note, source = getattr(held, "note", None), getattr(held, "source", None)
    if getattr(held, "assumed", False):
        return f"assumed: {note}"
    return "; ".join(str(part) for part in (source, note) if part)


def _constants(held: object, name: str = "") -> Iterator[tuple[str, str, str]]:
    """Every single constant of a record, by dotted name."""
    if isinstance(held, Sourced):
        yield f"`{name}`", _shown(held.value), _origin(held)
    elif isinstance(held, Record):
        for field in type(held).model_fields:
            yield from _constants(getattr(held, field), f"{name}.{field}" if name else field)
    elif isinstance(held, Mapping):
        for key, value in held.items():
            yield from _constants(value, f"{name}.{key}")


def _lists(held: Record) -> Iterator[tuple[str, tuple[Record, ...]]]:
    """Every list of records in a record; those read from files of their own have their own part."""
    for name, field in type(held).model_fields.items():
        value = getattr(held, name)
        if (
            not field.exclude
            and isinstance(value, tuple)
            and value
            and isinstance(value[0], Record)
        ):
            yield name, value


def _table_of(rows: tuple[Record, ...]) -> str:
    """The rows of a list: a column each, the origin last; columns that say nothing left out."""
    fields = [name for name in type(rows[0]).model_fields if name not in _ORIGIN]
    told = [name for name in fields if any(getattr(row, name) not in (None, False) for row in rows)]
    head = [_FLAGS.get(name, name.replace("_", " ")) for name in told]
    body = [[*(_shown(getattr(row, name)) for name in told), _origin(row)] for row in rows]
    return table([*head, "source"], body)


def _part(title: str, text: str, held: Record) -> list[str]:
    found = [f"## {title}", text]
    for name, rows in _lists(held):
        found += [f"### {title}: {name.replace('_', ' ')}", _table_of(rows)]
    singles = [row for row in _constants(held) if row[1] != "-"]
    if singles:
        found += [f"### {title}: numbers", table(["Name", "Value", "Source"], singles)]
    return found


_SPEED = (
    "Shares of what the hardware could do, and times in microseconds, in "
    "`presets/calibration/speed/{id}.yaml`. The row nearest to the hardware holds: a family with "
    "its compute capability, a family, a vendor, any. `band` is the error that nine of ten "
    "predictions stayed within. Measured versions begin with: {measured}."
)


def _left_out(result: Mapping[str, Any]) -> list[str]:
    """What the fits did not see, as the stored result says."""
    if not result:
        return []
    folds: Iterable[tuple[str, str, list[str]]] = result["folds"]
    rows = [(count, why) for why, count in result["not_fitted"].items()]
    return [
        "## What was left out of the fits",
        f"Constants of vLLM's memory were read off these starts: {', '.join(result['fitted_starts'])}. "
        "All others are only compared. Constants of speed were fitted by `generator/tools/fit_speed.py`, "
        "without drawing anything at random, to all rows but these:",
        table(["Rows", "Which, and why not"], rows),
        "To see how the fit does elsewhere it was made again without these, all runs of a model or of "
        f"a kind of GPU together (dealt with seed {result['seed']}):",
        table(["Engine", "Left out by", "Not seen"], [(e, s, ", ".join(n)) for e, s, n in folds]),
    ]


def calibration_page() -> str:
    """docs/reference/calibration.md."""
    parts = [
        "Every constant of the memory and speed model, from `presets/calibration/`. How they are used: "
        "[sizing](../explanation/sizing.md). How well: [accuracy](accuracy.md)."
    ]
    memory = store.load("calibration/memory", "vllm", VllmMemory)
    parts += _part(
        "Memory of vLLM",
        "`presets/calibration/memory/vllm.yaml`. Of rows with `since` the newest that is not above the "
        'version holds. "Measured": the starts in `tests/measurements/vllm/`.',
        memory,
    )
    for name in store.names("calibration/speed"):
        speed = store.load("calibration/speed", name, EngineSpeed)
        text = _SPEED.format(id=name, measured=", ".join(speed.measured) or "none")
        parts += _part(f"Speed of {name}", text, speed)
    parts += _part(
        "Other constants",
        "`presets/calibration/roofline.yaml`.",
        store.calibration().model_copy(update={"speed": (), "vllm_memory": None}),
    )
    return page("Calibration", *parts, *_left_out(accuracy_result.stored()))
