"""What `schema show` tells of an engine's table: one version in full, or one name through all."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from infra_gen.errors import UsageError
from infra_gen.knowledge.tables import engine_table, position, resolve, table_document
from infra_gen.model.engine_table import SECTIONS, names_of
from infra_gen.model.intervals import BOUNDS, holding, positions, span
from infra_gen.model.table_reading import removed_names

Record = dict[str, Any]

# Sections whose records a name can be asked for.
_ASKED = SECTIONS


def snapshot(engine: str, version: str) -> dict[str, list[Record]]:
    """Every section as of that version. A version between two of the table's is the older one's."""
    document, at = table_document(engine), position(engine, version)
    order = positions(document["versions"])
    return {
        section: list(holding(document[section], at, order))
        for section in SECTIONS
        if section in document
    }


def shown(engine: str, asked: str | None) -> Record:
    """One version in full: where it was read, every section; flags with all keys that name them.

    `asked` None is the newest. `base` is the version read where `version` itself was not.
    """
    document = table_document(engine)
    version = document["versions"][-1] if asked is None else resolve(engine, asked)
    found = snapshot(engine, version)
    found["flags"] = [_named(flag) for flag in found.get("flags", [])]
    at = position(engine, version)
    return {
        "engine": engine,
        "version": version,
        "base": document["versions"][at],
        "standing": engine_table(engine, version).standing,
        "source": {"method": document["method"], **document["sources"][at]},
        **found,
    }


def _named(flag: Record) -> Record:
    """A flag with its lists of spellings written out, empty ones too."""
    names = {"name": flag["name"], "aliases": [], "negatives": []}
    return {**names, **flag}


def named(engine: str, asked: str | None, name: str) -> Record:
    """One flag, variable, field or metric: as of a version, and every change since the first.

    Raises UsageError for a name that no version of the table has.
    """
    document = table_document(engine)
    version = document["versions"][-1] if asked is None else resolve(engine, asked)
    at, order = position(engine, version), positions(document["versions"])
    for wanted in _spelled(name):
        for section in _ASKED:
            rows = sorted(_of(document, section, wanted), key=lambda row: span(row, order).start)
            if rows:
                now = next((row for row in rows if at in span(row, order)), None)
                return {
                    "engine": engine,
                    "version": version,
                    "base": document["versions"][at],
                    "section": section,
                    "name": wanted,
                    "record": _without_bounds(now) if now else None,
                    "removed": _removed(engine, version, section, wanted) if not now else None,
                    "history": [_dated(row, document["versions"]) for row in rows],
                }
    return _hinted(engine, version, name)


def _spelled(name: str) -> tuple[str, str]:
    """As written, and as a long flag."""
    return name, f"--{name.lstrip('-').replace('_', '-')}"


def _of(document: Mapping[str, Any], section: str, name: str) -> Iterator[Record]:
    for record in document.get(section, ()):
        if name in names_of(section, record):
            yield record


def _without_bounds(record: Record) -> Record:
    return {key: value for key, value in record.items() if key not in BOUNDS}


def _dated(record: Record, versions: list[str]) -> Record:
    """A record with `since` always there; `until` None where it still holds."""
    since = record.get("since", versions[0])
    return {"since": since, "until": record.get("until"), **_without_bounds(record)}


def _removed(engine: str, version: str, section: str, name: str) -> Record | None:
    row = removed_names(table_document(engine), position(engine, version), section).get(name)
    if row is None:
        return None
    return {"last_seen": row.last_seen, "gone_by": row.gone_by, "instead": row.instead}


def _hinted(engine: str, version: str, name: str) -> Record:
    """A name that went before the table's first version."""
    for wanted in _spelled(name):
        for section in _ASKED:
            removed = _removed(engine, version, section, wanted)
            if removed:
                return {
                    "engine": engine,
                    "version": version,
                    "base": table_document(engine)["versions"][position(engine, version)],
                    "section": section,
                    "name": wanted,
                    "record": None,
                    "removed": removed,
                    "history": [],
                }
    document = table_document(engine)
    known = [n for s in _ASKED for r in document.get(s, ()) for n in names_of(s, r)]
    by_word = {n.lstrip("-").casefold(): n for n in known}
    words = difflib.get_close_matches(name.lstrip("-").casefold(), by_word, n=3)
    close = [by_word[word] for word in words]
    raise UsageError(
        f"no version of {engine} has {name}",
        hint=f"did you mean {' or '.join(close)}?" if close else f"infra-gen schema show {engine}",
    )
