"""Reference pages of the engine tables: what each engine takes, since when, and what is gone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from infra_gen.catalogue.table_changes import TITLES, default, takes
from infra_gen.knowledge.tables import table_document, table_names
from infra_gen.model.engine_table import Removed
from infra_gen.model.intervals import holding, positions, span
from infra_gen.model.table_reading import table_of
from tools.docs_markdown import page, table

_FOLDER = "docs/reference/tables"
_SETTINGS = ("flags", "env", "fields", "modelfile_parameters")
_LISTS = ("kv_cache_dtypes", "tool_call_parsers", "reasoning_parsers", "modelfile_commands")
Record = Mapping[str, Any]


def since(document: Record, section: str) -> dict[str, str]:
    """Name -> the version since which it has been there without a gap; "" for the first."""
    order, versions = positions(document["versions"]), document["versions"]
    found: dict[str, str] = {}
    by_name: dict[str, list[Record]] = {}
    for record in document.get(section, ()):
        by_name.setdefault(record["name"], []).append(record)
    for name, records in by_name.items():
        held = {at for record in records for at in span(record, order)}
        at = len(versions) - 1
        while at - 1 in held:
            at -= 1
        found[name] = versions[at] if at else ""
    return found


def _now(document: Record, section: str) -> list[dict[str, Any]]:
    order = positions(document["versions"])
    return list(holding(document.get(section, ()), len(order) - 1, order))


def _settings(document: Record, section: str) -> str:
    came = since(document, section)
    rows = [
        (
            ", ".join(
                f"`{n}`" for n in (r["name"], *r.get("aliases", ()), *r.get("negatives", ()))
            ),
            takes(r) + (" (deprecated)" if r.get("deprecated") else ""),
            _short(default(r)),
            came[r["name"]],
        )
        for r in _now(document, section)
    ]
    return table(["Name", "Takes", "Default", "Since"], rows)


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:56].rstrip('`')}...`"


def _metrics(document: Record) -> str:
    came = since(document, "metrics")
    rows = [
        (f"`{r['name']}`", r["type"], f"`{r['needs']}`" if "needs" in r else "", came[r["name"]])
        for r in _now(document, "metrics")
    ]
    return table(["Name", "Type", "Needs", "Since"], rows)


def _quantization(document: Record) -> str:
    came = since(document, "quantization")
    rows = [
        (
            f"`{r['name']}`" + (" (deprecated)" if r.get("deprecated") else ""),
            r.get("min_compute_capability", ""), ", ".join(r.get("platforms", ())),
            came[r["name"]],
        )
        for r in _now(document, "quantization")
    ]  # fmt: skip
    return table(["Method", "Least compute capability", "Platforms", "Since"], rows)


def _list(document: Record, section: str) -> str:
    came = since(document, section)
    names = [r["name"] for r in _now(document, section)]
    return ", ".join(f"`{name}`" + (f" ({came[name]})" if came[name] else "") for name in names)


def _gone(rows: Mapping[str, Removed]) -> str:
    cells = [
        (f"`{row.name}`", row.last_seen or "", row.gone_by or "not known", row.instead or "")
        for _, row in sorted(rows.items())
    ]
    return table(["Name", "Last in", "Gone by", "Instead"], cells)


def _changes(document: Record) -> str:
    """Defaults that are others now than they were in some version of the table."""
    order, rows = positions(document["versions"]), []
    for section in ("flags", "env"):
        last: dict[str, Record] = {}
        ordered = sorted(document.get(section, ()), key=lambda r: (r["name"], span(r, order).start))
        for record in ordered:
            before = last.get(record["name"])
            if before and _moved(before, record):
                rows.append(
                    (f"`{record['name']}`", record["since"],
                     _short(default(before)), _short(default(record)))
                )  # fmt: skip
            last[record["name"]] = record
    return table(["Name", "Since", "Default before", "Default since"], rows) if rows else ""


def _moved(before: Record, after: Record) -> bool:
    known = "default" in before and "default" in after
    return known and before["default"] != after["default"]


def _sources(document: Record) -> str:
    rows = [
        (row["version"], f"`{row['artifact']}`", f"`{row['sha256']}`" if "sha256" in row else "")
        for row in reversed(document["sources"])
    ]
    return table(["Version", "Read from", "SHA-256"], rows)


def _methods(document: Record) -> str:
    others = (row["method"] for row in document["sources"] if "method" in row)
    return "; ".join(dict.fromkeys((document["method"], *others)))


def _sections(document: Record) -> Iterator[tuple[str, str]]:
    newest = document["versions"][-1]
    for section in _SETTINGS:
        if document.get(section):
            yield f"{TITLES[section]} in {newest}", _settings(document, section)
    if document.get("metrics"):
        yield f"Metrics in {newest}", _metrics(document)
    if document.get("quantization"):
        yield f"Quantization methods in {newest}", _quantization(document)
    for section in _LISTS:
        if document.get(section):
            yield f"{TITLES[section]} in {newest}", _list(document, section)
    yield from _removals(document)
    changed = _changes(document)
    if changed:
        yield "Defaults that changed", changed
    yield "What was read", f"Method: {_methods(document)}.\n\n{_sources(document)}"


def _removals(document: Record) -> Iterator[tuple[str, str]]:
    now = table_of(document, document["versions"][-1])
    for what, rows in (
        ("Flags", now.removed_flags), ("Variables", now.removed_env),
        ("Metrics", now.removed_metrics),
    ):  # fmt: skip
        if rows:
            yield f"{what} that are gone", _gone(rows)


def _page(name: str) -> str:
    document = table_document(name)
    versions: Sequence[str] = document["versions"]
    said = (
        f"What {name} accepts and exports, read from {len(versions)} versions, {versions[0]} to "
        f"{versions[-1]}, as in `presets/engines/{name}/table.json` ([its form]"
        "(../../../presets/engines/README.md)). Older than that is not known; an empty cell under "
        "`Since` means the first version or before. One version in full: "
        f"`infra-gen schema show {name} --version {versions[0]}`; two compared: "
        f"`infra-gen schema diff {name} {versions[0]} {versions[-1]}`."
    )
    parts = [f"## {title}\n\n{text}" for title, text in _sections(document)]
    return page(f"{name} through its versions", said, *parts)


def pages() -> dict[str, str]:
    """docs/reference/tables/: one page for each table, and the list of them."""
    made = {f"{_FOLDER}/{name}.md": _page(name) for name in table_names()}
    rows = []
    for name in table_names():
        document = table_document(name)
        versions = document["versions"]
        counts = (len(_now(document, s)) for s in ("flags", "env", "metrics"))
        rows.append((f"[{name}]({name}.md)", len(versions), versions[0], versions[-1], *counts))
    made[f"{_FOLDER}/index.md"] = page(
        "Engines through their versions",
        "Extracted from the releases themselves; [how](../../explanation/engine-tables.md), and "
        "[what it was compared with](parity.md). Counts are those of the newest version.",
        table(["Engine", "Versions", "From", "To", "Flags", "Variables", "Metrics"], rows),
    )
    return made
