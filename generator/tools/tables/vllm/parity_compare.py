"""In what an extracted snapshot of vLLM differs from what the imported vLLM says of itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from tools.tables.records import Record, Snapshot, spellings

Difference = dict[str, Any]

_KINDS = {
    "_StoreTrueAction": "switch",
    "_StoreFalseAction": "switch",
    "BooleanOptionalAction": "bool_pair",
    "EnableDisableAction": "bool_pair",
}
_PARSERS = ("tool_call_parsers", "reasoning_parsers")
# Fields that the engine itself fills in.
_INNER = re.compile(r"\._|\.(?:draft|target)_(?:model|parallel)_config$")
# What argparse calls the converter, and the types that may come of it; others wrap another one.
_TYPES = {
    "int": {"int"},
    "float": {"float"},
    "str": {"str", "path", "int"},  # numbered enumerations are read as text
    "human_readable_int": {"size"},
    "human_readable_int_or_auto": {"size"},
    "parse_dataclass": {"json"},
    "loads": {"json"},
    "_parse_type": {"json"},
    "union_dict_and_str": {"json", "str"},
}


def compare(snapshot: Snapshot, real: dict[str, Any]) -> dict[str, Any]:
    """Return how much was compared, and each difference."""
    flags = snapshot["flags"]
    actions = [_with_short_level(action, real["short_level"]) for action in real["actions"]]
    theirs = {text: action for action in actions for text in _spelled(action)}
    ours = {text for flag in flags for text in spellings(flag)}
    both = [(flag, theirs[flag["name"]]) for flag in flags if flag["name"] in theirs]
    found: dict[str, Any] = {
        "compared": {
            "flags": len(actions),
            "spellings": len(theirs),
            "fields": sum(_class(record) in real["fields"] for record in snapshot["fields"]),
            **{name: len(snapshot[name]) for name in ("env", *_PARSERS)},
            "facts": len(real["facts"]),
        },
        "spellings": _names(ours, set(theirs)),
        "kinds": [d for flag, action in both for d in _kinds(flag, action)],
        "types": [d for flag, action in both for d in _types(flag, action)],
        "choices": [d for flag, action in both for d in _choices(flag, action)],
        "defaults": [d for flag, action in both for d in _default(flag, action["default"])],
        "fields": list(_fields(snapshot["fields"], real["fields"])),
        "env": list(_env(snapshot["env"], real["env"])),
        "parsers": list(_parsers(snapshot, real)),
        "facts": list(_facts(snapshot["facts"], real["facts"])),
    }
    return found | {"unknown": _unknown(found)}


def _unknown(found: dict[str, Any]) -> list[str]:
    """Take out what the table says it does not know, which is no difference; return the names."""
    names: list[str] = []
    for section in ("defaults", "fields", "env"):
        names += [row["name"] for row in found[section] if row.get("table") == "unknown"]
        found[section] = [row for row in found[section] if row.get("table") != "unknown"]
    return sorted(names)


def _names(ours: set[str], theirs: set[str]) -> list[Difference]:
    found = [{"name": name, "only": "table"} for name in sorted(ours - theirs)]
    return found + [{"name": name, "only": "vllm"} for name in sorted(theirs - ours)]


def _with_short_level(action: dict[str, Any], dest: str | None) -> dict[str, Any]:
    """Add `-O` to the argument that it is rewritten to before argparse sees it."""
    if action["dest"] != dest or "-O" in action["spellings"]:
        return action
    return {**action, "spellings": [*action["spellings"], "-O"]}


def _spelled(action: dict[str, Any]) -> list[str]:
    return action["spellings"] or [action["dest"]]


def _kinds(flag: Record, action: dict[str, Any]) -> Iterator[Difference]:
    kind = _kind(action)
    if flag["kind"] != kind:
        yield {"name": flag["name"], "table": flag["kind"], "vllm": kind}


def _kind(action: dict[str, Any]) -> str:
    if not action["spellings"]:
        return "positional"
    if action["action"] in _KINDS:
        return _KINDS[action["action"]]
    return {None: "value", "?": "optional_value"}.get(action["nargs"], "list")


def _types(flag: Record, action: dict[str, Any]) -> Iterator[Difference]:
    allowed = _TYPES.get(action["type"]) if flag["kind"] not in ("switch", "bool_pair") else None
    if allowed and flag["type"] not in allowed:
        yield {"name": flag["name"], "table": flag["type"], "vllm": action["type"]}


def _choices(flag: Record, action: dict[str, Any]) -> Iterator[Difference]:
    theirs, ours = _written(action), flag.get("choices")
    if (ours and sorted(map(str, ours))) != (theirs and sorted(map(str, theirs))):
        open_ = flag.get("known_values")
        yield {"name": flag["name"], "table": ours, "table_open": open_, "vllm": theirs}


def _written(action: dict[str, Any]) -> list[Any] | None:
    """Return what can be written: a type that turns "None" into None never gives the text."""
    if action["choices"] is None:
        return None
    optional = action["type"] == "_optional_type"
    written = [c for c in action["choices"] if not (c == "None" and optional)]
    return ["None" if c is None else c for c in written if c is not None or optional]


def _default(record: Record, theirs: Any) -> Iterator[Difference]:
    known = record.get("default_known", True)
    if theirs == "==SUPPRESS==" or (
        isinstance(theirs, dict) and {"$object", "$none"} & set(theirs)
    ):
        same = not known
    elif isinstance(theirs, dict) and "$enum" in theirs:
        same = known and record["default"] in theirs["$enum"]
    else:
        same = known and record["default"] == theirs
    if not same:
        ours = record["default"] if known else "unknown"
        yield {"name": record["name"], "table": ours, "vllm": theirs}


def _fields(ours: Sequence[Record], real: dict[str, dict[str, Any]]) -> Iterator[Difference]:
    classes = {_class(record) for record in ours} & set(real)  # others are not exported
    told = {f"{cls}.{field}": value for cls in classes for field, value in real[cls].items()}
    users = {name for name in told if not _INNER.search(name)}
    compared = [record for record in ours if _class(record) in classes]
    yield from _names({str(record["name"]) for record in compared}, users)
    for record in compared:
        if record["name"] in told:
            yield from _default(record, told[record["name"]])


def _class(record: Record) -> str:
    return str(record["name"]).partition(".")[0]


def _env(ours: Sequence[Record], real: dict[str, Any]) -> Iterator[Difference]:
    yield from _names({str(record["name"]) for record in ours}, set(real))
    for record in ours:
        if record["name"] in real:
            yield from _default(record, real[record["name"]])


def _parsers(snapshot: Snapshot, real: dict[str, Any]) -> Iterator[Difference]:
    for section in _PARSERS:
        yield from _names({str(r["name"]) for r in snapshot[section]}, set(real[section]))


def _facts(ours: Sequence[Record], real: dict[str, bool]) -> Iterator[Difference]:
    held = {record["name"]: record["value"] for record in ours}
    for name, value in real.items():
        if held[name] != value:
            yield {"name": name, "table": held[name], "vllm": value}
