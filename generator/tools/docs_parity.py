"""docs/reference/tables/parity.md: the tables against the real thing, from tests/measurements."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tools.docs_markdown import page, table

_MEASURED = Path(__file__).parents[2] / "tests" / "measurements" / "engine-parity"
Found = Mapping[str, Any]
# Lists in a result whose entries are disagreements.
_DIFFERENCES = (
    "spellings",
    "only_in_page",
    "only_in_parser",
    "only_in_table",
    "only_in_source",
    "refused_by_the_parser",
    "kinds",
    "types",
    "choices",
    "defaults",
    "fields",
    "env",
    "parsers",
    "facts",
    "facts_differing",
    "texts_differing",
    "defaults_differing",
    "metrics_only_in_page",
    "metric_types_differing",
    "unexpected",
    "choices_differing",
    "defaults_wrong",
)
_SPELLINGS = ("only_in_page", "only_in_parser", "only_in_table", "only_in_source", "spellings")


def _differing(row: Found, keys: tuple[str, ...]) -> list[str]:
    found = []
    for key in keys:
        value = row.get(key)
        if isinstance(value, list):
            found += [_name(one) for one in value]
    return sorted(set(found))


def _name(one: Any) -> str:
    if isinstance(one, dict):
        return str(one.get("name", one))
    return str(one[0]) if isinstance(one, list) and one else str(one)


def _compared(row: Found) -> str:
    if isinstance(row.get("compared"), dict):
        return ", ".join(
            f"{count} {name.replace('_', ' ')}" for name, count in row["compared"].items()
        )
    counts = [
        f"{value} {name.replace('_', ' ')}"
        for name, value in row.items()
        if isinstance(value, int) and not isinstance(value, bool)
    ]
    return ", ".join(counts)


def _rows(result: Found) -> Iterator[tuple[str, ...]]:
    for row in result.get("versions") or result.get("comparisons") or ():
        version = row.get("version") or row.get("build")
        spellings = _differing(row, _SPELLINGS)
        others = [name for name in _differing(row, _DIFFERENCES) if name not in spellings]
        yield (
            str(version), str(row.get("page", "")), _compared(row),
            str(len(spellings)) + (f": {_code(spellings)}" if spellings else ""),
            _code(others),
        )  # fmt: skip


def _code(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _part(path: Path) -> str:
    result: Found = json.loads(path.read_text("utf-8"))
    rows = list(_rows(result))
    head = ["Version", "Page", "Compared", "Spellings that differ", "Something else differs"]
    if not any(row[1] for row in rows):
        head, rows = [head[0], *head[2:]], [(row[0], *row[2:]) for row in rows]
    parts = [f"## {result['engine']}", f"Run on {result['date']}."]
    if "compared_with" in result:
        parts[-1] = f"Compared with {result['compared_with']}, on {result['date']}."
    parts += [str(note) for note in result.get("notes", ())]
    parts.append(table(head, rows))
    because = result.get("because", {})
    if because:
        parts.append(table(["Why it differs", ""], [(f"`{n}`", why) for n, why in because.items()]))
    return "\n\n".join(parts)


def parity_page() -> str:
    """docs/reference/tables/parity.md."""
    return page(
        "Tables against the real thing",
        "What was extracted from a release, compared with what that release says when it really "
        "runs: the parser that its code builds, the help page of its program, or the documentation "
        "it generates. `python -m tools.tables.vllm.parity 0.33.0` in `generator/` repeats it, and "
        "so does the module `parity` of the other engines there; raw results are in "
        "`tests/measurements/engine-parity/`.",
        *(_part(path) for path in sorted(_MEASURED.glob("*.json"))),
    )
