"""C++ as tokens: just enough to read declarations, calls and lambdas of known files.

Nothing is compiled or run. A slice of a file (a function, a struct) is found by its first line and
by the closing brace at the margin, as llama.cpp's formatting has it; its tokens are then matched by
brackets. What has another shape is a TableError, never a guess.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tools.tables.records import TableError

_LEXER = re.compile(
    r"""
      (?P<space>\s+|//[^\n]*|/\*.*?\*/|\\\n)
    | (?P<raw>R"(?P<fence>[^()\s]{0,16})\((?P<inside>.*?)\)(?P=fence)")
    | (?P<string>"(?:[^"\\\n]|\\.)*")
    | (?P<char>'(?:[^'\\\n]|\\.)+')
    | (?P<number>(?:0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)[uUlLfFzZ]*)
    | (?P<name>[A-Za-z_]\w*)
    | (?P<mark>::|->|==|!=|<=|>=|&&|\|\||\|=|\+=|-=|\+\+|--|\.\.\.|.)
    """,
    re.VERBOSE | re.DOTALL,
)
_PAIRS = {"(": ")", "{": "}", "[": "]"}
# Conditions of the preprocessor that hold for a server with every optional part built in.
_DEFINED = frozenset({"GGML_USE_RPC", "LLAMA_USE_CURL", "LLAMA_USE_HTTPLIB", "__linux__"})


class Token(NamedTuple):
    """A token: its kind (string, char, number, name or mark) and its text, strings decoded."""

    kind: str
    text: str


Tokens = Sequence[Token]


def tokens(text: str) -> list[Token]:
    """Every token of a piece of source, without blanks and comments."""
    return list(_tokens(built(text)))


def _tokens(text: str) -> Iterator[Token]:
    for match in _LEXER.finditer(text):
        kind = match.lastgroup
        if match.group("raw") is not None:
            yield Token("string", match.group("inside"))
        elif kind == "string":
            yield Token("string", _decoded(match.group()))
        elif kind is not None and kind != "space":
            yield Token(kind, match.group())


def _decoded(literal: str) -> str:
    try:
        # C's escapes are Python's, but for the question mark's.
        return str(ast.literal_eval(literal.replace(r"\?", "?")))
    except (SyntaxError, ValueError) as error:
        raise TableError(f"a string that is not understood: {literal[:60]}") from error


def built(text: str) -> str:
    """The lines that the preprocessor keeps; macros are left as they are."""
    kept: list[str] = []
    branches: list[_Branch] = []
    for line in text.split("\n"):
        word = re.match(r"\s*#\s*(\w+)\s*(.*)", line)
        if word:
            _directive(word.group(1), word.group(2), branches)
        kept.append("" if word or not all(branch.taken for branch in branches) else line)
    if branches:
        raise TableError("an #if without its #endif")
    return "\n".join(kept)


@dataclass(slots=True)
class _Branch:
    taken: bool
    done: bool  # one branch of the chain has been taken


def _directive(word: str, condition: str, branches: list[_Branch]) -> None:
    if word in ("if", "ifdef", "ifndef"):
        holds = _holds(condition) != (word == "ifndef")
        branches.append(_Branch(holds, holds))
    elif word in ("else", "elif", "endif") and not branches:
        raise TableError(f"#{word} without an #if")
    elif word == "endif":
        branches.pop()
    elif word in ("else", "elif"):
        branch = branches[-1]
        branch.taken = not branch.done and (word == "else" or _holds(condition))
        branch.done = branch.done or branch.taken


def _holds(condition: str) -> bool:
    text = re.sub(r"//.*|/\*.*|\bdefined\b|[\s()]", "", condition)
    return any((part.lstrip("!") in _DEFINED) != part.startswith("!") for part in text.split("||"))


def function_text(source: str, name: str) -> str:
    """The text of a function at the margin, from its first line to its closing brace."""
    start = re.search(
        rf"^[^\s/#][^\n;={{}}]*\b{name}\s*\([^;]*?\)[^;{{}}]*\{{", source, re.MULTILINE
    )
    end = source.find("\n}", start.end()) if start else -1
    if start is None or end < 0:
        raise TableError(f"no function {name}")
    return source[start.start() : end + 2]


def has_function(source: str, name: str) -> bool:
    """Whether a function of that name is written at the margin."""
    return (
        re.search(rf"^[^\s/#][^\n;={{}}]*\b{name}\s*\([^;]*?\)[^;{{}}]*\{{", source, re.MULTILINE)
        is not None
    )


def closing(row: Tokens, opening: int) -> int:
    """The index of the bracket that closes the one at `opening`."""
    depth = 0
    for index in range(opening, len(row)):
        if row[index].kind == "mark":
            depth += (row[index].text in _PAIRS) - (row[index].text in _PAIRS.values())
            if depth == 0:
                return index
    raise TableError("a bracket that is never closed")


def is_mark(row: Tokens, index: int, *texts: str) -> bool:
    """Whether that token is one of these marks."""
    return 0 <= index < len(row) and row[index].kind == "mark" and row[index].text in texts


def split(row: Tokens, mark: str = ",") -> list[list[Token]]:
    """Cut at a mark outside of brackets; no tokens give no parts, a last empty part is dropped."""
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in row:
        if token.kind == "mark":
            depth += (token.text in _PAIRS) - (token.text in _PAIRS.values())
        if depth == 0 and token == Token("mark", mark):
            parts.append([])
        else:
            parts[-1].append(token)
    return parts if parts[-1] else parts[:-1]


def inside(row: Tokens) -> list[Token]:
    """What a bracketed piece holds; TableError where it is not one bracket from end to end."""
    if not row or row[0].text not in _PAIRS or closing(row, 0) != len(row) - 1:
        raise TableError(f"no bracketed piece: {text_of(row)[:80]}")
    return list(row[1:-1])


def text_of(row: Tokens) -> str:
    """Tokens as one line, for comparisons and messages."""
    return " ".join(repr(t.text) if t.kind == "string" else t.text for t in row)


def find_all(row: Tokens, pattern: str) -> Iterator[int]:
    """Where tokens with these texts stand one after the other (blanks part them; no strings)."""
    wanted = pattern.split()
    size = len(wanted)
    for index in range(len(row) - size + 1):
        if all(
            row[index + step].text == wanted[step] and row[index + step].kind != "string"
            for step in range(size)
        ):
            yield index


def literal_strings(row: Tokens) -> list[str]:
    """The strings that stand in a list of nothing but strings; TableError for anything else."""
    found: list[str] = []
    for part in split(row):
        if len(part) != 1 or part[0].kind != "string":
            raise TableError(f"not a string: {' '.join(t.text for t in part)[:60]}")
        found.append(part[0].text)
    return found


def constant_names(row: Tokens) -> list[str]:
    """The names in a list of nothing but names."""
    found: list[str] = []
    for part in split(row):
        if len(part) != 1 or part[0].kind != "name":
            raise TableError(f"not a name: {' '.join(t.text for t in part)[:60]}")
        found.append(part[0].text)
    return found


def number(text: str) -> int | float:
    """A literal as Python has it."""
    if text[:2].lower() == "0x":
        return int(text.rstrip("uUlLzZ"), 16)
    bare = text.rstrip("uUlLzZfF")
    return int(bare) if bare.isdigit() else float(bare)
