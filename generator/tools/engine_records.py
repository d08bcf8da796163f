"""What the engine tables share: records, how they are written, and what makes one unfit."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

Record = dict[str, Any]
Table = dict[str, Any]

SCHEMA = 1
MIN_FLAGS = 150


class TableError(Exception):
    """The inputs do not give a table that can be trusted."""


def load(path: Path) -> Record:
    """Read a JSON object."""
    loaded: Record = json.loads(path.read_text(encoding="utf-8"))
    return loaded


def dump(table: Table) -> str:
    """Return the table as JSON with one list item a line, so that diffs show single records."""
    parts = [f"{json.dumps(key)}: {_dump_value(value)}" for key, value in table.items()]
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _dump_value(value: Any) -> str:
    if not isinstance(value, list) or not value:
        return json.dumps(value, ensure_ascii=False)
    lines = [json.dumps(item, ensure_ascii=False) for item in value]
    return "[\n" + ",\n".join(lines) + "\n]"


def compact(record: Record) -> Record:
    """Drop what a reader fills in by itself: None, False and empty lists (never `default`)."""
    return {
        key: value
        for key, value in record.items()
        if key == "default" or not (value is None or value is False or value == [])
    }


def by_name(records: Iterable[Record]) -> list[Record]:
    """Sort records by name."""
    return sorted(records, key=lambda record: str(record["name"]))


def sha256(path: Path) -> str:
    """Return the hex digest of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def spellings(flag: Record) -> list[str]:
    """Return every way to write a flag."""
    return [flag["name"], *flag.get("aliases", []), *flag.get("negatives", [])]


def check_flags(flags: Sequence[Record], sentinels: Iterable[str]) -> None:
    """Refuse a table that is too small, lost a well-known flag or has a spelling twice."""
    seen: list[str] = [text for flag in flags for text in spellings(flag)]
    twice = sorted({text for text in seen if seen.count(text) > 1})
    lost = sorted(set(sentinels) - set(seen))
    if len(flags) < MIN_FLAGS or twice or lost:
        raise TableError(f"{len(flags)} flags, lost: {lost}, given twice: {twice}")


def is_expression(value: Any) -> bool:
    """Tell whether a harvested default is code that was not evaluated."""
    return isinstance(value, dict) and "$expr" in value


def parser_values(flags: Iterable[Record], name: str) -> list[str]:
    """Return the listed values of a flag."""
    record = next(flag for flag in flags if flag["name"] == name)
    values: list[str] = record.get("choices") or record["known_values"]
    return values
