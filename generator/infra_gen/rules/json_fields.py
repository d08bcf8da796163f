"""Flags whose value is JSON: its keys are the fields of a configuration that the table knows."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from infra_gen.model.engine_table import FlagSpec, Table
from infra_gen.rules.command_line import Used, is_variable


def problems(used: Used, table: Table) -> Iterator[str]:
    """What is wrong with the keys and values of one such flag, whole or dotted."""
    spec = used.spec
    if spec is None or spec.config is None or spec.config not in table.fields:
        return
    if used.part:
        yield from _dotted(used, spec.config, table)
    elif used.value and used.value.lstrip().startswith("{") and not is_variable(used.value):
        try:
            document = json.loads(used.value)
        except ValueError as error:
            yield f"{used.spelling}: not valid JSON: {error}"
            return
        yield from _mapping(document, spec.config, table, used.spelling)


def _mapping(document: Any, config: str, table: Table, path: str) -> Iterator[str]:
    if not isinstance(document, Mapping):
        return
    fields = table.fields[config]
    for key, value in document.items():
        where = f"{path}.{key}"
        field = fields.get(key)
        if field is None:
            yield f"{where}: {config} has no such field{_close(key, fields)}"
        elif field.config in table.fields:
            yield from _mapping(value, str(field.config), table, where)
        else:
            yield from _value(field, value, where)


def _dotted(used: Used, config: str, table: Table) -> Iterator[str]:
    """`--flag.key value`, `--flag.key.inner value`, and `+` at the end to add to a list."""
    path, fields = used.spelling.partition(".")[0], table.fields[config]
    for key in used.part.rstrip("+").split("."):
        path = f"{path}.{key}"
        field = fields.get(key)
        if field is None:
            yield f"{path}: {config} has no such field{_close(key, fields)}"
            return
        if field.config not in table.fields:
            return  # deeper keys are the user's own
        config = str(field.config)
        fields = table.fields[config]


def _value(field: FlagSpec, value: Any, where: str) -> Iterator[str]:
    """Only what is certain: words where words are listed, and bounds of numbers."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return
    certain = field.choices is not None or (
        (field.type == "str" and field.known_values is not None)
        if isinstance(value, str)
        else field.type in ("int", "float")
    )
    found = field.problem_with(str(value), where) if certain else None
    if found:
        yield found


def _close(key: str, fields: Mapping[str, FlagSpec]) -> str:
    close = difflib.get_close_matches(key, fields, n=2, cutoff=0.7)
    return f"; did you mean {' or '.join(close)}?" if close else ""
