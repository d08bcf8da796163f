"""Tables and paragraphs for the terminal: columns are dropped before a word is broken."""

from __future__ import annotations

import os
import shutil
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import typer

# Width where nobody looks: pipes and files get every column.
_ENDLESS = 1_000_000
_GAP = "  "
_LEAST_WORDS = 24


@dataclass(frozen=True, slots=True)
class Column:
    """A column: `drop` is its turn to go when the terminal is narrow, 0 never.

    `right` aligns numbers. `shorten` cuts the text at a word before the column is dropped; only for
    the last column.
    """

    title: str
    cells: tuple[str, ...]
    drop: int = 0
    right: bool = False
    shorten: bool = False

    @property
    def width(self) -> int:
        """Letters of the longest cell."""
        return max(len(text) for text in (self.title, *self.cells))


def terminal_width() -> int:
    """Columns of the terminal ($COLUMNS first); without end for pipes and files."""
    return shutil.get_terminal_size(fallback=(_ENDLESS, 24)).columns


def plain() -> bool:
    """Whether colour and weight are unwanted; pipes get none in any case."""
    return bool(os.environ.get("NO_COLOR"))


def heading(text: str) -> None:
    """A line in bold."""
    typer.echo(text if plain() else typer.style(text, bold=True))


def _total(columns: Sequence[Column], indent: str) -> int:
    return len(indent) + sum(c.width for c in columns) + len(_GAP) * (len(columns) - 1)


def _cut(text: str, room: int) -> str:
    return textwrap.shorten(
        text, room, placeholder=" ...", break_on_hyphens=False, break_long_words=False
    )


def _shortened(columns: list[Column], width: int, indent: str) -> list[Column] | None:
    """The last column cut to what is left for it, or None when that is too little."""
    last = columns[-1]
    room = width - _total(columns, indent) + last.width
    if not last.shorten or room < max(_LEAST_WORDS, len(last.title)):
        return None
    cells = tuple(_cut(text, room) for text in last.cells)
    return [*columns[:-1], Column(last.title, cells, last.drop, last.right, last.shorten)]


def fitted(columns: Sequence[Column], width: int, indent: str = "") -> list[Column]:
    """The columns that fit into `width`; what may go goes in the order of `drop`, highest first."""
    kept = list(columns)
    while _total(kept, indent) > width:
        shortened = _shortened(kept, width, indent)
        if shortened:
            return shortened
        droppable = [column for column in kept if column.drop]
        if not droppable:
            return kept
        kept.remove(max(droppable, key=lambda column: column.drop))
    return kept


def lines(columns: Sequence[Column], indent: str = "") -> list[str]:
    """The heading and one line a row."""
    found = []
    for row in zip(*((column.title, *column.cells) for column in columns), strict=True):
        cells = [
            text.rjust(column.width) if column.right else text.ljust(column.width)
            for text, column in zip(row, columns, strict=True)
        ]
        found.append((indent + _GAP.join(cells)).rstrip())
    return found


def show(columns: Sequence[Column], indent: str = "") -> tuple[str, ...]:
    """Print the table; the titles of the columns that found no room."""
    kept = fitted(columns, terminal_width(), indent)
    head, *rest = lines(kept, indent)
    heading(head)
    for line in rest:
        typer.echo(line)
    titles = [column.title for column in kept]
    return tuple(column.title for column in columns if column.title not in titles)


def paragraph(text: str, indent: str, first: str | None = None) -> None:
    """Text in lines that fit, words whole; `first` stands before the first line instead."""
    wrapped = textwrap.wrap(
        text,
        max(terminal_width(), len(indent) + _LEAST_WORDS),
        initial_indent=indent if first is None else first,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    for line in wrapped:
        typer.echo(line)
