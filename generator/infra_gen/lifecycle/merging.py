"""Three-way merge of lines: your edits and the new render, both against what was written before.

The regions of the old text that both sides left alone tie the two together. Between two ties, the
side that changed wins; where both did, and not alike, both versions and the old one stay in the text
between markers (git's diff3 style), and that is a conflict.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

YOURS, BEFORE, NEW = "<<<<<<< yours", "||||||| before", ">>>>>>> infra-gen"
_MIDDLE = "======="
_MARKS = (
    "<<<<<<<",
    "|||||||",
    ">>>>>>>",
)  # ours and git's; the middle one also underlines headings

Lines = Sequence[str]


@dataclass(frozen=True, slots=True)
class Merged:
    """The merged text, and the lines (from 1) where conflicts begin in it."""

    text: str
    conflicts: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class _Tie:
    """Lines that are the same in all three: where they begin, and how many."""

    base: int
    ours: int
    new: int
    length: int


def _lines(text: str) -> list[str]:
    """Lines with their ends. Only a line feed ends one: form feeds and the like are letters here."""
    parts = text.split("\n")
    return [f"{line}\n" for line in parts[:-1]] + ([parts[-1]] if parts[-1] else [])


def _matches(base: Lines, other: Lines) -> list[tuple[int, int, int]]:
    matcher = SequenceMatcher(None, base, other, autojunk=False)
    return [(m.a, m.b, m.size) for m in matcher.get_matching_blocks() if m.size]


def _ties(base: Lines, ours: Lines, new: Lines) -> Iterator[_Tie]:
    """Where a run that `ours` kept and a run that `new` kept overlap, in order."""
    mine, theirs = _matches(base, ours), _matches(base, new)
    first = second = 0
    while first < len(mine) and second < len(theirs):
        base_a, at_a, size_a = mine[first]
        base_b, at_b, size_b = theirs[second]
        start, end = max(base_a, base_b), min(base_a + size_a, base_b + size_b)
        if start < end:
            yield _Tie(start, at_a + start - base_a, at_b + start - base_b, end - start)
        if base_a + size_a <= base_b + size_b:
            first += 1
        else:
            second += 1
    yield _Tie(len(base), len(ours), len(new), 0)


def _ended(lines: Lines) -> list[str]:
    """The lines, the last one with an end too: a marker follows it."""
    return [line if line.endswith("\n") else line + "\n" for line in lines]


def _conflict(base: Lines, ours: Lines, new: Lines) -> list[str]:
    """Both versions between markers; beginnings and ends that both share stay outside."""
    head = 0
    while head < min(len(ours), len(new)) and ours[head] == new[head]:
        head += 1
    tail = 0
    while tail < min(len(ours), len(new)) - head and ours[-1 - tail] == new[-1 - tail]:
        tail += 1
    return [
        *ours[:head],
        f"{YOURS}\n",
        *_ended(ours[head : len(ours) - tail]),
        f"{BEFORE}\n",
        *_ended(base),
        f"{_MIDDLE}\n",
        *_ended(new[head : len(new) - tail]),
        f"{NEW}\n",
        *ours[len(ours) - tail :],
    ]


def merge(base: str, ours: str, new: str) -> Merged:
    """`ours` with the change from `base` to `new`.

    A line of either side is in the result unless the other side alone removed it.
    """
    if ours in (base, new):
        return Merged(new)
    if base == new:
        return Merged(ours)
    old, mine, theirs = (_lines(text) for text in (base, ours, new))
    out: list[str] = []
    conflicts: list[int] = []
    at_base = at_ours = at_new = 0
    for tie in _ties(old, mine, theirs):
        before, left = old[at_base : tie.base], mine[at_ours : tie.ours]
        right = theirs[at_new : tie.new]
        if left in (before, right):
            out += right
        elif right == before:
            out += left
        else:
            lines = _conflict(before, left, right)
            conflicts.append(len(out) + lines.index(f"{YOURS}\n") + 1)
            out += lines
        out += old[tie.base : tie.base + tie.length]
        at_base, at_ours = tie.base + tie.length, tie.ours + tie.length
        at_new = tie.new + tie.length
    return Merged("".join(out), tuple(conflicts))


def conflict_lines(text: str, rendered: str = "") -> tuple[int, ...]:
    """Lines (from 1) with a mark that a merge left, infra-gen's or git's; half a conflict counts too.

    Lines that `rendered` has as well were meant.
    """
    lines = enumerate(text.removeprefix("\ufeff").split("\n"), 1)
    found = [(number, line.rstrip("\r")) for number, line in lines if line.startswith(_MARKS)]
    if not found:
        return ()
    meant = set(rendered.split("\n"))
    return tuple(number for number, line in found if line[7:8] in ("", " ") and line not in meant)
