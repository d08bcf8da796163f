"""Changing one value in a spec as a person would: the rest of the file stays byte for byte."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from infra_gen.errors import SpecError
from infra_gen.lifecycle.spec_document import line, parsed, read_spec_text

_KEY = re.compile(r"^engine[ \t]*:(?P<value>[^#\n]*?)(?P<note>[ \t]+#[^\n]*)?$")


def with_engine_version(path: Path, engine: str, version: str) -> str:
    """The text of the spec in `path` with `engine` pinned to `version`.

    SpecError where the file's form does not let it be changed safely: it says what to write.
    """
    text = read_spec_text(path)
    document = parsed(text, path)
    end = "\r\n" if "\r\n" in text else "\n"
    wanted = f"engine: {{name: {engine}, version: {_quoted(version)}}}"
    if "engine" not in document:
        changed = text + ("" if text.endswith("\n") or not text else end) + wanted + end
    else:
        changed = _replaced(text, line(document, ("engine",)), wanted)
    choice = {"name": engine, "version": version}
    if not _says_only(changed, path, {**document, "engine": choice}):
        raise SpecError(
            "engine cannot be changed in place",
            where=str(path),
            hint=f"write it yourself: {wanted}",
        )
    return changed


def with_patches(path: Path, patches: Sequence[Mapping[str, Any]]) -> str:
    """The text of the spec in `path` with more patches at the end of those that it has.

    SpecError where the file's form does not let it be changed safely.
    """
    text = read_spec_text(path)
    document = parsed(text, path)
    end = "\r\n" if "\r\n" in text else "\n"
    have = list(document.get("patches") or ())
    entries = [f"  - {json.dumps(dict(one), ensure_ascii=False)}{end}" for one in patches]
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += end
    if "patches" not in document:
        changed = "".join([*lines, "patches:" + end, *entries])
    else:
        number = line(document, ("patches",))
        after = _end_of(lines, number)
        head = lines[: number - 1] + (["patches:" + end] if not have else lines[number - 1 : after])
        changed = "".join([*head, *entries, *lines[after:]])
    if not _says_only(changed, path, {**document, "patches": [*have, *map(dict, patches)]}):
        raise SpecError(
            "patches cannot be added in place",
            where=str(path),
            hint="add them yourself: " + "; ".join(entry.strip() for entry in entries),
        )
    return changed


def _end_of(lines: Sequence[str], number: int) -> int:
    """How many lines there are up to the end of the value of the key in line `number`."""
    after = number
    while after < len(lines) and re.match(r"[ \t]+\S|- ", lines[after]):
        after += 1
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


def _says_only(changed: str, path: Path, wanted: Mapping[str, Any]) -> bool:
    """Whether the new text, read again, says what was wanted and nothing else."""
    try:
        return dict(parsed(changed, path)) == dict(wanted)
    except SpecError:
        return False
