"""Small pieces of Markdown that the generated pages share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from infra_gen.model.sourced import Sourced

BANNER = (
    "<!-- Written by generator/tools/docs.py; run `make docs` instead of editing this page. -->"
)


MARK = "\\*"
"""Stands behind what is assumed or computed."""


def cell(content: object) -> str:
    """One table cell: bars escaped, line ends removed."""
    return " ".join(str(content).split()).replace("|", "\\|")


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table, columns as they come."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(cell(content) for content in row) + " |" for row in rows]
    return "\n".join(lines)


def page(title: str, *parts: str) -> str:
    """A whole generated page."""
    return "\n\n".join([BANNER, f"# {title}", *(part.strip("\n") for part in parts)]) + "\n"


def number(amount: float | None) -> str:
    """A number without trailing zeros; a word for what is unknown."""
    return "unknown" if amount is None else f"{amount:,.6g}".replace(",", " ")


def value(fact: Sourced[float] | Sourced[int] | None) -> str:
    """The number of a fact, marked where it is assumed; an empty cell where there is no fact."""
    if fact is None:
        return ""
    return number(fact.value) + (MARK if fact.assumed else "")
