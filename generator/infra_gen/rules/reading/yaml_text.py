"""YAML with the line of every key, so that a finding can point at the place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any


@dataclass(frozen=True, slots=True)
class Document:
    """The value of a YAML file, and the line (from 1) of every dotted path in it."""

    value: Any
    lines: Mapping[str, int]


class UnreadableError(ValueError):
    """The text is no YAML: `problem` and, where the parser knows it, `line`."""

    def __init__(self, problem: str, line: int | None) -> None:
        """Keep both for a finding."""
        super().__init__(problem)
        self.problem = problem
        self.line = line


@lru_cache(maxsize=128)
def parse_yaml(text: str) -> Document:
    """The document in `text`; the value is shared and must not be changed.

    Raises UnreadableError.
    """
    from ruamel.yaml import YAML  # noqa: PLC0415
    from ruamel.yaml.error import YAMLError  # noqa: PLC0415

    yaml = YAML(typ="safe", pure=True)
    try:
        node = yaml.compose(text)
        if node is None:
            return Document(None, {})
        return Document(yaml.constructor.construct_document(node), dict(_lines(node, "", set())))
    except (YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or str(error) or "not valid YAML"
        line = mark.line + 1 if mark else None
        raise UnreadableError(str(problem).splitlines()[0], line) from error


def _lines(node: Any, path: str, seen: set[int]) -> Iterator[tuple[str, int]]:
    if id(node) in seen:  # an alias: its places are those of its anchor
        return
    seen.add(id(node))
    if node.id == "mapping":
        for key, value in node.value:
            below = f"{path}.{key.value}" if path else str(key.value)
            yield below, key.start_mark.line + 1
            yield from _lines(value, below, seen)
    elif node.id == "sequence":
        for index, value in enumerate(node.value):
            below = f"{path}.{index}"
            yield below, value.start_mark.line + 1
            yield from _lines(value, below, seen)
