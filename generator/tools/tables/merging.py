"""Snapshots of single versions to one interval-coded table, and back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from infra_gen.model.engine_table import SECTIONS
from infra_gen.model.intervals import holding, positions, span
from infra_gen.model.versions import version_key
from tools.tables.records import Artefact, Record, Snapshot, TableError, as_text

SCHEMA = 2
Table = dict[str, Any]


def merge(snapshots: Mapping[str, Snapshot]) -> dict[str, list[Record]]:
    """Fold snapshots, by version, into sections of interval-coded records."""
    versions = sorted(snapshots, key=version_key)
    present = [s for s in SECTIONS if any(snapshots[v].get(s) for v in versions)]
    return {
        section: _merged([snapshots[version].get(section, []) for version in versions], versions)
        for section in present
    }


def _merged(rows: Sequence[Sequence[Record]], versions: Sequence[str]) -> list[Record]:
    """One section: `rows[i]` are the records of `versions[i]`."""
    done: list[Record] = []
    open_: dict[str, tuple[str, Record]] = {}  # name -> since when, what
    for version, records in zip(versions, rows, strict=True):
        now = {record["name"]: record for record in records}
        for name in [n for n, (_, record) in open_.items() if now.get(n) != record]:
            since, record = open_.pop(name)
            done.append(_bounded(record, since, version, versions[0]))
        for name, record in now.items():
            open_.setdefault(name, (version, record))
    done += [_bounded(record, since, None, versions[0]) for since, record in open_.values()]
    order = positions(versions)
    return sorted(done, key=lambda record: (record["name"], span(record, order).start))


def _bounded(record: Record, since: str, until: str | None, first: str) -> Record:
    bounds = {"since": None if since == first else since, "until": until}
    return {**record, **{key: value for key, value in bounds.items() if value}}


def snapshots_of(table: Table) -> dict[str, Snapshot]:
    """What the table holds of each of its versions."""
    order = positions(table["versions"])
    return {
        version: {
            section: list(holding(table[section], at, order))
            for section in SECTIONS
            if section in table
        }
        for version, at in order.items()
    }


def source_of(artefact: Artefact) -> Record:
    """The row of a table that says what a version was read from."""
    row = {"version": artefact.version, "artifact": artefact.name}
    if artefact.sha256:
        row["sha256"] = artefact.sha256
    return {**row, "method": artefact.method}


def table_from(
    engine: str,
    snapshots: Mapping[str, Snapshot],
    sources: Mapping[str, Record],
    hints: Sequence[Record],
) -> Table:
    """The table document. Raises TableError for a version without source or the reverse."""
    versions = sorted(snapshots, key=version_key)
    if sorted(sources, key=version_key) != versions:
        raise TableError(f"{engine}: the sources are not those of the versions")
    method, rows = _shared_method([sources[version] for version in versions])
    return {
        "$schema": "../table.schema.json",
        "schema": SCHEMA,
        "engine": engine,
        "versions": versions,
        "method": method,
        "sources": rows,
        **merge(snapshots),
        "hints": list(hints),
    }


def _shared_method(sources: Sequence[Record]) -> tuple[str, list[Record]]:
    """How most versions were read, and the sources; those read otherwise keep their own."""
    method: str = Counter(row["method"] for row in sources).most_common(1)[0][0]
    rows = [
        {key: value for key, value in row.items() if (key, value) != ("method", method)}
        for row in sources
    ]
    return method, rows


def sources_of(table: Table) -> dict[str, Record]:
    """The sources by version, each with its method."""
    return {row["version"]: {"method": table["method"], **row} for row in table["sources"]}


def dump(table: Table) -> str:
    """Return the table as JSON with one list item a line, so that diffs show single records."""
    parts = [f"{as_text(key)}:{_dump_value(key, value)}" for key, value in table.items()]
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _dump_value(key: str, value: Any) -> str:
    if not isinstance(value, list) or not value:
        return as_text(value)
    if key == "versions":
        return as_text(value)
    return "[\n" + ",\n".join(map(as_text, value)) + "\n]"
