"""Changing one value in a spec as a person would: the rest of the file stays byte for byte."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra_gen.errors import SpecError
from infra_gen.lifecycle.comments import comments
from infra_gen.lifecycle.spec_document import (
    Layer,
    line,
    merged,
    place,
    read_layers,
    read_spec_text,
)

_KEY = re.compile(r"^engine[ \t]*:(?P<value>[^#\n]*?)(?P<note>[ \t]+#[^\n]*)?$")


@dataclass(frozen=True, slots=True)
class SpecEdit:
    """A spec's new text. `hides` is file:line of a base's own word, where the text now covers it."""

    text: str
    hides: str | None = None


def with_engine_version(path: Path, engine: str, version: str) -> SpecEdit:
    """The spec in `path` with `engine` pinned to `version`.

    SpecError where the file's form does not let it be changed safely: it says what to write.
    """
    text = read_spec_text(path)
    layers = read_layers(path, text)
    document = layers[0].document
    wanted = f"engine: {{name: {engine}, version: {_quoted(version)}}}"
    if "engine" not in document:
        end = _line_end(text)
        changed = text + ("" if text.endswith("\n") or not text else end) + wanted + end
    else:
        changed = _replaced(text, line(document, ("engine",)), wanted)
    if not _says_only(changed, layers, "engine", {"name": engine, "version": version}):
        raise SpecError(
            "engine cannot be changed in place",
            where=f"{path}:{line(document, ('engine',))}",
            hint=f"write it yourself: {wanted}",
        )
    return SpecEdit(changed, _hidden(layers, "engine"))


def with_patches(path: Path, patches: Sequence[Mapping[str, Any]]) -> SpecEdit:
    """The spec in `path` with more patches at the end of those that it has.

    A list covers that of a base: a spec that has none of its own gets the base's written out too.
    SpecError where the file's form does not let it be changed safely.
    """
    text = read_spec_text(path)
    layers = read_layers(path, text)
    document = layers[0].document
    have = list(merged(layers).get("patches") or ())
    own = "patches" in document
    end = _line_end(text)
    said = [*map(dict, patches)] if own else [*have, *map(dict, patches)]
    entries = [f"- {json.dumps(one, ensure_ascii=False)}{end}" for one in said]
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += end
    if not own:
        changed = "".join([*lines, "patches:" + end, *("  " + entry for entry in entries)])
    else:
        changed = _appended(lines, line(document, ("patches",)), entries, end, bare=not have)
    if not _says_only(changed, layers, "patches", [*have, *map(dict, patches)]):
        raise SpecError(
            "patches cannot be added in place",
            where=f"{path}:{line(document, ('patches',))}",
            hint="add them yourself: " + "; ".join(entry.strip() for entry in entries),
        )
    return SpecEdit(changed, _hidden(layers, "patches"))


def _hidden(layers: Sequence[Layer], key: str) -> str | None:
    """file:line of the base that says `key`, where the nearest file does not yet."""
    if key in layers[0].plain or not any(key in layer.plain for layer in layers):
        return None
    return place(layers, (key,))


def _appended(
    lines: Sequence[str], number: int, entries: Sequence[str], end: str, *, bare: bool
) -> str:
    """The lines with entries below the list of the key in line `number`; `bare`: it is empty."""
    after = _end_of(lines, number)
    items = (re.match(r"([ \t]*)- ", one) for one in lines[number:after])
    indent = next((item[1] for item in items if item), "  ")
    head = lines[:after]
    if bare:
        note = re.search(r"[ \t]+#[^\r\n]*", lines[number - 1])
        head = [*lines[: number - 1], f"patches:{note[0] if note else ''}{end}"]
    return "".join([*head, *(indent + entry for entry in entries), *lines[after:]])


def _line_end(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _end_of(lines: Sequence[str], number: int) -> int:
    """How many lines there are up to the end of the value of the key in line `number`.

    Empty lines and comments belong to it where more of the value follows.
    """
    after = number
    for count, one in enumerate(lines[number:], number + 1):
        if re.match(r"[ \t]+\S|-[ \t\r\n]", one):
            after = count
        elif one.strip() and not one.startswith("#"):
            break
    return after


def _quoted(version: str) -> str:
    """A version that YAML would read as a number, in quotes."""
    return f'"{version}"' if re.fullmatch(r"[0-9]+(\.[0-9]+)?", version) else version


def _replaced(text: str, number: int, wanted: str) -> str:
    """The line of `engine:`, and what is indented below it, as one line."""
    lines = text.splitlines(keepends=True)
    index = number - 1
    content = lines[index].rstrip("\r\n")
    end = lines[index][len(content) :]
    found = _KEY.match(content)
    after = _end_of(lines, number)
    note = (found["note"] or "") if found else ""
    return "".join([*lines[:index], wanted + note + end, *lines[after:]])


def _says_only(changed: str, layers: Sequence[Layer], key: str, value: Any) -> bool:
    """Whether the new text over the same bases says `value` at `key`, and all else as before.

    Comments count: none may be lost.
    """
    path = layers[0].path
    try:
        kept = not Counter(comments(read_spec_text(path))) - Counter(comments(changed))
        return kept and merged(read_layers(path, changed)) == {**merged(layers), key: value}
    except (SpecError, ValueError):
        return False
