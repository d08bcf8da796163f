"""Property lists of launchd: plistlib writes the data, this adds the reasons as XML comments."""

from __future__ import annotations

import plistlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from infra_gen.render.text import comment_lines
from infra_gen.targets.names import HEADER
from infra_gen.targets.placement import Word

PlistValue = str | int | bool | Sequence[str] | Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class Entry:
    """One key of a property list and why it is there."""

    key: str
    value: PlistValue
    because: str = ""


def plist(purpose: str, entries: Sequence[Entry], arguments: Sequence[Word] = ()) -> str:
    """The XML text; `arguments` are the commented words at the end of ProgramArguments."""
    document = {entry.key: _data(entry, arguments) for entry in entries}
    lines = plistlib.dumps(document, sort_keys=False).decode().splitlines()
    top = lines.index('<plist version="1.0">') + 1
    lines[top:top] = [_comment(HEADER), _comment(purpose)]
    for entry in entries:
        if entry.because:
            at = lines.index(f"\t<key>{entry.key}</key>")
            lines.insert(at, _comment(entry.because, "\t"))
    if arguments:
        _note_arguments(lines, arguments)
    return "\n".join(lines) + "\n"


def _data(entry: Entry, arguments: Sequence[Word]) -> object:
    if entry.key == "ProgramArguments" and isinstance(entry.value, Sequence):
        return [*entry.value, *(word.text for word in arguments)]
    return entry.value


def _note_arguments(lines: list[str], arguments: Sequence[Word]) -> None:
    start = lines.index("\t<key>ProgramArguments</key>")
    end = lines.index("\t</array>", start)
    # From the last to the first, so that positions before an insertion stay true.
    for offset, word in enumerate(reversed(arguments), 1):
        if word.because:
            lines.insert(end - offset, _comment(word.because, "\t\t"))


def _comment(text: str, indent: str = "") -> str:
    # XML forbids two hyphens in a row inside a comment: flags are named without theirs.
    plain = re.sub(r"-{2,}(?=\w)", "", " ".join(text.split()))
    plain = re.sub(r"-{2,}", "-", plain).rstrip("-")
    return comment_lines(plain, 98, f"{indent}     ").replace("     ", "<!-- ", 1) + " -->"
