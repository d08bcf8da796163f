"""Caddyfiles: blocks and directives with their lines, as Caddy's own tokens split them."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from infra_gen.rules.reading.yaml_text import UnreadableError

_TOKEN = re.compile(r'"((?:\\.|[^"\\])*)"|`([^`]*)`|(\S+)', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Directive:
    """One line of words, and what stands in the braces behind it."""

    words: tuple[str, ...]
    line: int
    body: tuple[Directive, ...] = ()

    @property
    def name(self) -> str:
        """The first word, empty for a block without one."""
        return self.words[0] if self.words else ""

    def child(self, name: str) -> Directive | None:
        """The last directive of that name right below."""
        found = [one for one in self.body if one.name == name]
        return found[-1] if found else None

    def walk(self) -> Iterator[Directive]:
        """All directives below, in the order of the file."""
        for one in self.body:
            yield one
            yield from one.walk()


def is_caddyfile(path: str) -> bool:
    """Whether that path is a Caddyfile."""
    return posixpath.basename(path) == "Caddyfile"


@lru_cache(maxsize=128)
def read_caddyfile(text: str) -> tuple[Directive, ...]:
    """The blocks at the top of `text`. Raises UnreadableError for braces that do not match."""
    levels: list[list[Directive]] = [[]]
    heads: list[tuple[tuple[str, ...], int]] = []
    for number, words in _lines(text):
        if words == ["}"]:
            if not heads:
                raise UnreadableError("a brace is closed that was not opened", number)
            above, line = heads.pop()
            body = tuple(levels.pop())
            levels[-1].append(Directive(above, line, body))
        elif words[-1] == "{":
            heads.append((tuple(words[:-1]), number))
            levels.append([])
        else:
            levels[-1].append(Directive(tuple(words), number))
    if heads:
        raise UnreadableError("a brace is not closed", heads[-1][1])
    return tuple(levels[0])


def _lines(text: str) -> Iterator[tuple[int, list[str]]]:
    """(line, words) of every line that has any; quotes may go over several lines."""
    words: list[str] = []
    first, line, end = 1, 1, 0
    plain = _without_comments(text)
    for match in _TOKEN.finditer(plain):
        between = plain.count("\n", end, match.start())
        line, end = line + between, match.end()
        if between and words:
            yield first, words
            words = []
        first = first if words else line
        words.append(match[0][1:-1] if match[3] is None else match[3])
        line += match[0].count("\n")
    if words:
        yield first, words


def _without_comments(text: str) -> str:
    """`text` with every line that is a comment made blank; nothing else moves."""
    if "#" not in text:
        return text
    return "\n".join("" if line.lstrip().startswith("#") else line for line in text.split("\n"))
