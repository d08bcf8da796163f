"""docs/images/plan.svg: a terminal with what `infra-gen plan` prints, drawn as text."""

from __future__ import annotations

import re
import tempfile
from html import escape
from pathlib import Path

from tools.docs_blocks import Options, Session, elided

COMMAND = "infra-gen plan --hardware 2x4090 --users 40 --model qwen3-32b"
_COLUMNS = 126
_CHAR, _LINE, _PAD, _BAR = 7.8, 18, 16, 28
_FONT = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
_COLOURS = {
    "W": "#6cb6ff", "K": "#8ddb8c", "A": "#f69d50", "G": "#dcbdfb", "R": "#f47067", "-": "#768390",
    ".": "#545d68",
}  # fmt: skip
_TEXT, _STRONG, _BACK = "#adbac7", "#ffffff", "#22272e"
_RUN = re.compile(r"\S+(?: \S+)*")
_MEMORY_BAR = re.compile(r"^  \[([WKAGR.\-]+)\]")


def _text(row: int, column: int, words: str, colour: str = _TEXT, weight: str = "") -> str:
    bold = f' font-weight="{weight}"' if weight else ""
    return (
        f'<text x="{_PAD + column * _CHAR:.1f}" y="{_BAR + _PAD + row * _LINE}" fill="{colour}"'
        f'{bold} textLength="{len(words) * _CHAR:.1f}" lengthAdjust="spacingAndGlyphs">'
        f"{escape(words, quote=False)}</text>"
    )


def _bar(row: int, letters: str, column: int) -> list[str]:
    """The memory bar as blocks of colour under its letters."""
    top = _BAR + _PAD + row * _LINE - 13
    found = []
    for match in re.finditer(r"(.)\1*", letters):
        x = _PAD + (column + match.start()) * _CHAR
        width = len(match.group()) * _CHAR
        colour = _COLOURS[match.group()[0]]
        found.append(
            f'<rect x="{x:.1f}" y="{top}" width="{width:.1f}" height="16" fill="{colour}"/>'
        )
        found.append(_text(row, column + match.start(), match.group(), _BACK))
    return found


def _line(row: int, line: str, *, heading: bool) -> list[str]:
    bar = _MEMORY_BAR.match(line)
    if bar:
        rest = line[bar.end() :]
        return [*_bar(row, bar.group(1), 3), *_runs(row, rest, bar.end(), _TEXT, "")]
    strong = line.startswith("$ ") or heading
    return _runs(row, line, 0, _STRONG if strong else _TEXT, "bold" if heading else "")


def _runs(row: int, line: str, column: int, colour: str, weight: str) -> list[str]:
    """Words apart by more than one blank are placed on their own, so columns stay straight."""
    return [
        _text(row, column + match.start(), match.group(), colour, weight)
        for match in _RUN.finditer(line)
    ]


def _shown(line: str) -> str:
    return line if len(line) <= _COLUMNS else line[: _COLUMNS - 4] + " ..."


def svg(lines: list[str]) -> str:
    """A terminal that shows `lines`."""
    width = round(2 * _PAD + _COLUMNS * _CHAR)
    height = _BAR + 2 * _PAD + len(lines) * _LINE
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img" aria-label="Output of {COMMAND}">',
        f'<rect width="{width}" height="{height}" rx="8" fill="{_BACK}"/>',
        *[
            f'<circle cx="{_PAD + 6 + 18 * i}" cy="16" r="5" fill="{colour}"/>'
            for i, colour in enumerate(("#f47067", "#e0c055", "#8ddb8c"))
        ],
        f'<g font-family="{_FONT}" font-size="13">',
    ]
    before = "$"
    for row, line in enumerate(lines):
        heading = bool(line) and not line.startswith((" ", "$", ".")) and before in ("", lines[0])
        out += _line(row, _shown(line), heading=heading)
        before = line
    return "\n".join([*out, "</g>", "</svg>"]) + "\n"


def plan_svg() -> str:
    """The picture in the README."""
    with tempfile.TemporaryDirectory() as folder:
        printed = Session(Path(folder)).command(COMMAND)
    options = Options([], ["first", "Memory", "Load", "Passed over"], None, 0)
    return svg([f"$ {COMMAND}", *elided(printed, options)])
