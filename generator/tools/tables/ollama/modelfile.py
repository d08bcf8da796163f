"""The words of Ollama's Modelfile: its commands, and the PARAMETERs with their defaults."""

from __future__ import annotations

import re
from typing import Any

from tools.tables.records import Record, TableError, by_name, compact

PARSER = "parser/parser.go"
OPTIONS = "api/types.go"

_COMMANDS = re.compile(r"func isValidCommand\(.*?case ([^\n]+):", re.DOTALL)
_FIELD = re.compile(r'^\s+(\w+)\s+(\S+)\s+`json:"(\w+)', re.MULTILINE)
_DEFAULT = re.compile(r"^\s+(\w+):\s+([^\s,{]+),", re.MULTILINE)
_DROPPED = re.compile(r"deprecatedParameters = \[\]string\{(.*?)\}", re.DOTALL)
_TYPES = {
    "int": "int",
    "*int": "int",
    "float32": "float",
    "bool": "bool",
    "*bool": "bool",
    "[]string": "list",
}
_FROM_VARIABLE = "int(envconfig.ContextLength())"


def commands(parser: str) -> list[Record]:
    """List the commands of a Modelfile. Only FROM must be there."""
    match = _COMMANDS.search(parser)
    if match is None:
        raise TableError(f"{PARSER}: no commands")
    names = [name.upper() for name in re.findall(r'"(\w+)"', match[1])]
    rows = [{"name": name, "type": "str", "required": name == "FROM"} for name in names]
    return by_name(compact(row) for row in rows)


def _struct(source: str, name: str) -> str:
    match = re.search(rf"\ntype {name} struct \{{\n(.*?)\n\}}", source, re.DOTALL)
    if match is None:
        raise TableError(f"{OPTIONS}: no struct {name}")
    return match[1]


def _default(go_type: str, given: str | None, context: int | None) -> Any:
    """Return the default of an option: what nobody sets is Go's zero, or unset for a pointer."""
    if given == _FROM_VARIABLE:
        # 0 is not what a model gets then: the server takes it from the devices' memory.
        return context or None
    if go_type.startswith(("*", "[]")):
        if given not in (None, "nil"):
            raise TableError(f"{given} as the default of a {go_type}")
        return None
    if go_type == "bool":
        return {"true": True, "false": False, None: False}[given]
    number = float(given or 0)
    return int(number) if go_type == "int" else number


def parameters(options: str, parser: str, context: int | None) -> list[Record]:
    """List the PARAMETERs; those that are read and dropped are marked deprecated.

    `context` is the default of the variable that newer versions take the context's length from.
    """
    body = re.search(r"func DefaultOptions\(\) Options \{(.*?)\n\}", options, re.DOTALL)
    if body is None:
        raise TableError(f"{OPTIONS}: no defaults of the options")
    given = dict(_DEFAULT.findall(re.sub(r"//[^\n]*", "", body[1])))
    rows: list[Record] = []
    for struct, when in (("Options", "request"), ("Runner", "load")):
        for field, go_type, name in _FIELD.findall(_struct(options, struct)):
            if go_type not in _TYPES:
                raise TableError(f"{OPTIONS}: {field} is a {go_type}")
            default = _default(go_type, given.pop(field, None), context)
            rows.append(
                {"name": name, "type": _TYPES[go_type], "default": default, "applies": when}
            )
    if given:
        raise TableError(f"{OPTIONS}: defaults of unknown options: {', '.join(given)}")
    return by_name([*rows, *_dropped(parser)])


def _dropped(parser: str) -> list[Record]:
    match = _DROPPED.search(parser)
    if match is None and "deprecatedParameters" in parser:
        raise TableError(f"{PARSER}: the deprecated parameters are not understood")
    names = re.findall(r'"(\w+)"', match[1]) if match else []
    return [{"name": name, "deprecated": True} for name in names]
