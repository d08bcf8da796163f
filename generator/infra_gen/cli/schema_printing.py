"""How `schema show` looks on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from infra_gen.catalogue.table_changes import TITLES, bounds, default, takes
from infra_gen.cli import table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infra_gen.catalogue.engine_records import Record

# Sections whose names alone say everything; the others get a table.
_NAMES = ("kv_cache_dtypes", "tool_call_parsers", "reasoning_parsers", "modelfile_commands")


def shown(found: Record) -> None:
    """One version in full."""
    table.heading(f"{found['engine']} {found['version']}")
    if found["standing"] != "exact":
        table.paragraph(
            f"The table does not hold {found['version']}; this is {found['base']}.", "  "
        )
    source = found["source"]
    digest = f", sha256 {source['sha256']}" if "sha256" in source else ""
    table.paragraph(f"read from {source['artifact']}{digest}", "    ", "  ")
    for section, title in TITLES.items():
        records = found.get(section)
        if records:
            typer.echo("")
            table.heading(f"{title} ({len(records)})")
            _section(section, records)


def _section(section: str, records: Sequence[Record]) -> None:
    if section in _NAMES:
        table.paragraph(", ".join(record["name"] for record in records), "  ", "  ")
        return
    columns = _COLUMNS.get(section, _settings)(records)
    table.show([c for c in columns if any(c.cells)], indent="  ")


def _plain(text: str) -> str:
    return text.replace("`", "").replace("\\|", "|")


def _settings(records: Sequence[Record]) -> list[table.Column]:
    return [
        table.Column("name", tuple(_spelled(record) for record in records)),
        table.Column("variable", tuple(str(r.get("env") or "") for r in records), drop=2),
        table.Column("default", tuple(_plain(default(record))[:40] for record in records), drop=1),
        table.Column("takes", tuple(_taken(r) for r in records), drop=3, shorten=True),
    ]


def _spelled(record: Record) -> str:
    return ", ".join([record["name"], *record.get("aliases", ()), *record.get("negatives", ())])


def _taken(record: Record) -> str:
    words = [_plain(takes(record))]
    if record.get("special_values"):
        words.append("or " + ", ".join(map(str, record["special_values"])))
    if record.get("deprecated"):
        words.append("(deprecated)")
    return " ".join(word for word in words if word)


def _metrics(records: Sequence[Record]) -> list[table.Column]:
    return [
        table.Column("name", tuple(record["name"] for record in records)),
        table.Column("type", tuple(record["type"] for record in records)),
        table.Column("needs", tuple(str(r.get("needs") or "") for r in records), drop=1),
    ]


def _quantization(records: Sequence[Record]) -> list[table.Column]:
    least = (r.get("min_compute_capability") for r in records)
    return [
        table.Column("name", tuple(record["name"] for record in records)),
        table.Column("compute capability", tuple(str(n or "") for n in least)),
        table.Column("platforms", tuple(", ".join(r.get("platforms", ())) for r in records)),
        table.Column(
            "", tuple("deprecated" if r.get("deprecated") else "" for r in records), drop=1
        ),
    ]


def _pairs(records: Sequence[Record]) -> list[table.Column]:
    values = (r.get("path", r.get("value")) for r in records)
    return [
        table.Column("name", tuple(record["name"] for record in records)),
        table.Column("value", tuple(str(value) for value in values)),
    ]


_COLUMNS = {
    "metrics": _metrics,
    "quantization": _quantization,
    "endpoints": _pairs,
    "facts": _pairs,
}


def named(found: Record) -> None:
    """One name: what it is in that version, and what it was."""
    table.heading(f"{found['name']} of {found['engine']} {found['version']}")
    if found["base"] != found["version"]:
        table.paragraph(
            f"The table does not hold {found['version']}; this is {found['base']}.", "  ", "  "
        )
    record, removed = found["record"], found["removed"]
    if record:
        _facts(record)
    elif removed:
        gone = f"gone by {removed['gone_by']}" if removed["gone_by"] else "gone"
        typer.echo(f"  not there any more: {gone}")
        if removed["instead"]:
            table.paragraph(f"instead: {removed['instead']}", "    ", "  ")
    else:
        typer.echo("  not there yet")
    if found["history"]:
        typer.echo("")
        table.heading("Through the versions")
        rows = found["history"]
        table.show(
            [
                table.Column("since", tuple(row["since"] for row in rows)),
                table.Column("until", tuple(row["until"] or "" for row in rows)),
                table.Column("default", tuple(_plain(default(r))[:40] for r in rows), drop=1),
                table.Column("takes", tuple(_taken(row) for row in rows), drop=2, shorten=True),
            ],
            indent="  ",
        )


def _facts(record: Record) -> None:
    told = {
        "spellings": _spelled(record),
        "variable": record.get("env"),
        "takes": _plain(takes(record)),
        "values": ", ".join(map(str, record.get("choices") or record.get("known_values") or ())),
        "bounds": bounds(record),
        "default": _plain(default(record)),
        "fields of": record.get("config"),
        "needs": record.get("needs"),
        "state": "deprecated" if record.get("deprecated") else None,
    }
    width = max(len(label) for label in told)
    for label, value in told.items():
        if value:
            table.paragraph(str(value), " " * (width + 4), f"  {label.ljust(width)}  ")
