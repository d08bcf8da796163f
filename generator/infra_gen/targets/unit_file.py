"""Unit files as text: sections of lines, each with its reason above, one flag a line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from infra_gen.render.text import comment_lines, render
from infra_gen.targets.names import HEADER
from infra_gen.targets.placement import Word

_WIDTH = 98
_PLAIN = re.compile(r"[\w%$@+=:,./-]+")


@dataclass(frozen=True, slots=True)
class Line:
    """`key=value` and why it is there; lines of one reason follow each other without a comment."""

    key: str
    value: str
    because: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """A section of a unit."""

    name: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class LineView:
    """One line with its comment, wrapped; empty where it has none."""

    text: str
    comment: str


@dataclass(frozen=True, slots=True)
class SectionView:
    """A section as the template shows it."""

    name: str
    lines: tuple[LineView, ...]


@dataclass(frozen=True, slots=True)
class UnitView:
    """The names that templates/units/unit.j2 uses."""

    header: str
    purpose: str
    sections: tuple[SectionView, ...]


def unit_file(purpose: str, sections: Sequence[Section]) -> str:
    """The text of a unit or of a part of one."""
    shown = [
        SectionView(section.name, tuple(_view(line) for line in section.lines))
        for section in sections
    ]
    return render(
        "units/unit.j2",
        UnitView(comment_lines(HEADER), comment_lines(purpose), tuple(shown)),
    )


def _view(line: Line) -> LineView:
    comment = comment_lines(_sentence(line.because), _WIDTH) if line.because else ""
    return LineView(f"{line.key}={line.value}", comment)


def _sentence(text: str) -> str:
    plain = " ".join(text.split())
    return plain if plain.endswith(".") else f"{plain}."


def command(program: Sequence[str], arguments: Sequence[Word]) -> str:
    """A command line over several lines: a flag with its value on one, its reason above it."""
    lines = [" ".join(map(quoted, program))]
    for number, word in enumerate(arguments):
        if word.because or number == 0:
            reason = (
                comment_lines(_sentence(word.because), _WIDTH, "    # ") if word.because else ""
            )
            lines.append(
                f"{reason}\n    {quoted(word.text)}" if reason else f"    {quoted(word.text)}"
            )
        else:
            lines[-1] += f" {quoted(word.text)}"
    return " \\\n".join(lines)


def quoted(text: str) -> str:
    """One word of a command line: neither variables nor specifiers of systemd, one word always."""
    literal = text.replace("%", "%%").replace("$", "$$")
    return literal if _PLAIN.fullmatch(text) else f'"{_escaped(literal)}"'


def variable(name: str, value: str) -> str:
    """The value of an `Environment=` line. There `$` is an ordinary sign."""
    pair = f"{name}={value}".replace("%", "%%")
    return pair if _PLAIN.fullmatch(pair) else f'"{_escaped(pair)}"'


def path(text: str) -> str:
    """A path as a value of its own."""
    return text.replace("%", "%%")


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
