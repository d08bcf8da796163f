"""What changed between two versions of an engine, and how that reads as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from infra_gen.catalogue.engine_records import Record, snapshot
from infra_gen.knowledge.tables import position, resolve, table_document
from infra_gen.model.engine_table import SECTIONS, Removed, names_of
from infra_gen.model.table_reading import removed_names

TITLES = {
    "flags": "Flags",
    "fields": "Fields of JSON flags",
    "env": "Variables",
    "metrics": "Metrics",
    "quantization": "Quantization methods",
    "kv_cache_dtypes": "Types of the KV cache",
    "tool_call_parsers": "Parsers of tool calls",
    "reasoning_parsers": "Parsers of reasoning",
    "endpoints": "Routes",
    "facts": "How the engine reads its settings",
    "modelfile_commands": "Commands of a Modelfile",
    "modelfile_parameters": "Parameters of a Modelfile",
}


_KEYS = {
    "negatives": "switched off by",
    "nullable": "may be none",
    "known_values": "values that it knows",
    "special_values": "words beside a number",
    "default_known": "default was read",
    "min_compute_capability": "least compute capability",
}


@dataclass(frozen=True, slots=True)
class Change:
    """One key of a record that is another now; for lists what came and what went."""

    name: str
    key: str
    old: Any
    new: Any
    added: tuple[Any, ...] = ()
    removed: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Gone:
    """A name that is no more."""

    name: str
    gone_by: str | None
    instead: str | None


@dataclass(frozen=True, slots=True)
class SectionChanges:
    """All of one section."""

    section: str
    added: tuple[Record, ...]
    removed: tuple[Gone, ...]
    changed: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Changes:
    """All of it; sections without a change are left out.

    A version that the table does not hold is read as its base, the newest before it.
    """

    engine: str
    old: str
    new: str
    old_base: str
    new_base: str
    sections: tuple[SectionChanges, ...]

    def document(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return asdict(self)


def changes(engine: str, old: str, new: str) -> Changes:
    """From one version to the other. `0.20` is the newest 0.20.x of the table.

    Raises UsageError for an engine or a version that the tables cannot speak of.
    """
    first, second = resolve(engine, old), resolve(engine, new)
    before, after = snapshot(engine, first), snapshot(engine, second)
    document, at = table_document(engine), position(engine, second)
    found = (
        _section(name, before.get(name, []), after.get(name, []), removed_names(document, at, name))
        for name in SECTIONS
    )
    kept = tuple(s for s in found if s.added or s.removed or s.changed)
    versions = document["versions"]
    return Changes(engine, first, second, versions[position(engine, first)], versions[at], kept)


def _section(
    name: str, before: Sequence[Record], after: Sequence[Record], gone: Mapping[str, Removed]
) -> SectionChanges:
    now = {spelling: record for record in after for spelling in names_of(name, record)}
    then = {spelling for record in before for spelling in names_of(name, record)}
    return SectionChanges(
        name,
        tuple(record for record in after if record["name"] not in then),
        tuple(_gone(r["name"], gone) for r in before if r["name"] not in now),
        tuple(c for r in before if r["name"] in now for c in _changed(r, now[r["name"]])),
    )


def _gone(name: str, gone: Mapping[str, Removed]) -> Gone:
    row = gone.get(name)
    return Gone(name, row.gone_by if row else None, row.instead if row else None)


def _changed(old: Record, new: Record) -> Iterator[Change]:
    for key in sorted({*old, *new}):
        one, other = old.get(key), new.get(key)
        if one == other and (key in old) == (key in new):
            continue
        if isinstance(one, list | None) and isinstance(other, list | None) and key != "default":
            was, is_ = one or [], other or []
            came = tuple(value for value in is_ if value not in was)
            went = tuple(value for value in was if value not in is_)
            if came or went:
                yield Change(old["name"], key, one, other, came, went)
        else:
            yield Change(old["name"], key, one, other)


def markdown(found: Changes) -> str:
    """The changes as a page: removed first, for that is what breaks."""
    lines = [f"# {found.engine} {found.old} to {found.new}"]
    for version, base in ((found.old, found.old_base), (found.new, found.new_base)):
        if version != base:
            lines += ["", f"**{version} is not in the table; what is said of it is {base}.**"]
    if not found.sections:
        lines += ["", "Nothing changed."]
    for one in found.sections:
        counts = f"{len(one.added)} added, {len(one.removed)} removed, {len(one.changed)} changed"
        lines += ["", f"## {TITLES[one.section]}: {counts}"]
        lines += _removed(one) + _altered(one, found) + _added(one)
    return "\n".join(lines) + "\n"


def _removed(one: SectionChanges) -> list[str]:
    if not one.removed:
        return []
    rows = [f"| `{g.name}` | {g.gone_by or ''} | {_code_free(g.instead)} |" for g in one.removed]
    return ["", "| Removed | Gone by | Instead |", "|---|---|---|", *rows]


def _altered(one: SectionChanges, found: Changes) -> list[str]:
    if not one.changed:
        return []
    rows = [f"| `{c.name}` | {_KEYS.get(c.key, c.key)} | {_both(c)} |" for c in one.changed]
    return ["", f"| Changed | What | {found.old} | {found.new} |", "|---|---|---|---|", *rows]


def _both(change: Change) -> str:
    if change.added or change.removed:
        return f"{_less('without', change.removed)} | {_less('with', change.added)}"
    return f"{_value(change.old)} | {_value(change.new)}"


def _less(word: str, values: Sequence[Any]) -> str:
    said = "had" if word == "without" else "has"
    return f"{said} " + ", ".join(_value(value) for value in values) if values else ""


def _added(one: SectionChanges) -> list[str]:
    if not one.added:
        return []
    rows = [f"| `{record['name']}` | {takes(record)} | {default(record)} |" for record in one.added]
    return ["", "| Added | Takes | Default |", "|---|---|---|", *rows]


def takes(record: Mapping[str, Any]) -> str:
    """What a record takes, in a few words: its choices, bounds or type."""
    if record.get("kind") in ("switch", "bool_pair"):
        return "switch"
    choices = record.get("choices") or record.get("known_values")
    if choices and len(choices) <= 8:
        return ", ".join(_value(value) for value in choices)
    if choices:
        return f"one of {len(choices)} values"
    kind = str(record.get("type") or record.get("path") or "")
    return " ".join(part for part in (kind, bounds(record)) if part)


def bounds(record: Mapping[str, Any]) -> str:
    """The bounds of a number, nothing where there are none."""
    words = {
        "minimum": "at least",
        "exclusive_minimum": "above",
        "maximum": "at most",
        "exclusive_maximum": "below",
    }
    return ", ".join(f"{word} {record[key]}" for key, word in words.items() if key in record)


def default(record: Mapping[str, Any]) -> str:
    """The default as code; empty where there is none or nobody knows it."""
    if "default" not in record:
        return "" if "default_known" not in record else "not read"
    return _value(record["default"])


def _value(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"`{value}`".replace("|", "\\|")


def _code_free(text: str | None) -> str:
    return (text or "").replace("|", "\\|")
