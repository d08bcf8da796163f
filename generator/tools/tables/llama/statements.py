"""The statements in a handler's body that matter: ifs with their branches, fields that are set."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tools.tables.llama.cpp_tokens import Token, Tokens, closing, find_all, is_mark

_ADDING = ("push_back", "emplace_back", "insert", "emplace")


@dataclass(frozen=True, slots=True)
class Branch:
    """One branch of an if: its condition (None for the last else) and its block."""

    condition: Tokens | None
    block: Tokens

    @property
    def throws(self) -> bool:
        """Whether it does nothing but refuse."""
        return bool(self.block) and self.block[0] == Token("name", "throw")


@dataclass(frozen=True, slots=True)
class Setting:
    """A field that is set: its path, and the expression that it is set to."""

    path: tuple[str, ...]
    value: Tokens


def chains(body: Tokens) -> Iterator[list[Branch]]:
    """The ifs of a body that are not inside of other blocks, each with its branches."""
    index = 0
    while index < len(body):
        if body[index] == Token("name", "if") and is_mark(body, index + 1, "("):
            chain, index = _chain(body, index)
            yield chain
        elif is_mark(body, index, "(", "[", "{"):
            index = closing(body, index) + 1
        else:
            index += 1


def _chain(body: Tokens, index: int) -> tuple[list[Branch], int]:
    branches: list[Branch] = []
    while True:
        condition: Tokens | None = None
        if body[index].text == "if":
            end = closing(body, index + 1)
            condition, index = body[index + 2 : end], end + 1
        if not is_mark(body, index, "{"):
            return [], index  # a single statement: none of what is looked for
        end = closing(body, index)
        branches.append(Branch(condition, body[index + 1 : end]))
        index = end + 1
        if condition is None or index >= len(body) or body[index] != Token("name", "else"):
            return branches, index
        index += 1


def settings(body: Tokens) -> Iterator[Setting]:
    """Every `params.a.b = expression` of a body, whichever block it is in."""
    for index in range(len(body)):
        if body[index] != Token("name", "params") or is_mark(body, index - 1, "."):
            continue
        path = _path(body, index)
        at = index + 1 + 2 * len(path)
        if path and is_mark(body, at, "="):
            yield Setting(path, body[at + 1 : _end(body, at)])


def _path(body: Tokens, index: int) -> tuple[str, ...]:
    """The names that follow `params`, with dots between them."""
    path: list[str] = []
    while is_mark(body, index + 1 + 2 * len(path), "."):
        path.append(body[index + 2 + 2 * len(path)].text)
    return tuple(path)


def _end(body: Tokens, start: int) -> int:
    index = start
    while index < len(body) and not is_mark(body, index, ";"):
        index = closing(body, index) if is_mark(body, index, "(", "{", "[") else index
        index += 1
    return index


def added(body: Tokens) -> Iterator[tuple[str, ...]]:
    """Lists of the parameters that are added to, none where they are emptied first."""
    if any(True for _ in find_all(body, "clear ( )")):
        return
    for index in range(len(body)):
        if body[index] == Token("name", "params"):
            path = _path(body, index)
            if path[-1:] and path[-1] in _ADDING:
                yield path[:-1]
