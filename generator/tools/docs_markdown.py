"""Small pieces of Markdown that the generated pages share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

BANNER = (
    "<!-- Written by generator/tools/docs.py; run `make docs` instead of editing this page. -->"
)


def cell(value: object) -> str:
    """One table cell: bars escaped, line ends removed."""
    return " ".join(str(value).split()).replace("|", "\\|")


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table, columns as they come."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(cell(value) for value in row) + " |" for row in rows]
    return "\n".join(lines)


def page(title: str, *parts: str) -> str:
    """A whole generated page."""
    return "\n\n".join([BANNER, f"# {title}", *(part.strip("\n") for part in parts)]) + "\n"


def number(value: float | None) -> str:
    """A number without trailing zeros; an empty cell for what is unknown."""
    return "unknown" if value is None else f"{value:,.6g}".replace(",", " ")
