"""The arguments of Text Generation Inference, as its Rust programs declare them to clap.

The launcher declares its arguments with clap's attributes; nothing is compiled or run.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from tools.tables.records import Record, TableError, compact

_FIELD = re.compile(
    r"(?P<doc>(?:[ ]*///[^\n]*\n)*)"
    r"[ ]*#\[clap\((?P<clap>[^\]]*)\)\]\s*"
    r"(?P<name>[a-z_0-9]+):\s*(?P<type>[A-Za-z0-9_<>:]+),"
)
_STRUCT = re.compile(r"\nstruct Args \{\n(.*?)\n\}", re.DOTALL)
_ENUM = re.compile(r"\bValueEnum\b[^{]*?enum (\w+) \{\n(.*?)\n\}", re.DOTALL)
_VARIANT = re.compile(r'(?:#\[clap\(name = "([^"]+)"\)\]\s*)?^\s*([A-Z]\w*),', re.MULTILINE)
_INTEGERS = {"usize": None, "u64": None, "u32": 2**32 - 1, "u16": 2**16 - 1}
# What a clap attribute may say without making the argument another one.
_WORDS = {"default_value", "long", "short", "env", "action", "value_enum", "value_delimiter"}


def _kebab(name: str) -> str:
    """Return a Rust variant as clap spells it: NoStack is no-stack, Nf4 stays one word."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower()


def rust_enums(source: str) -> dict[str, list[str]]:
    """Return the values of every enum that an argument can take."""
    found: dict[str, list[str]] = {}
    for name, body in _ENUM.findall(source):
        code = re.sub(r"(?m)^\s*//.*$", "", body)
        found[name] = [given or _kebab(variant) for given, variant in _VARIANT.findall(code)]
    return found


def _parts(clap: str, name: str) -> dict[str, str | None]:
    """Split the words of a clap attribute; a default may hold commas."""
    words = re.findall(r"(\w+)(?:\s*=\s*(\"[^\"]*\"|'[^']*'|[^,\s]+))?", clap)
    found: dict[str, str | None] = {}
    for word, value in words:
        if word not in _WORDS and (word, value) != ("default_value_t", "false"):
            raise TableError(f"{name}: clap's {word} is not understood")
        if word == "long" and value:
            raise TableError(f"{name}: is called {value}")
        found[word] = value.strip("\"'") if value else None
    return found


def _kind(rust: str, enums: dict[str, list[str]]) -> Record:
    """Translate a Rust type: what the flag takes, and its bounds."""
    inner = re.sub(r"^Option<(.*)>$", r"\1", rust).split("::")[-1]
    if rust == "bool":
        return {"kind": "switch", "type": "bool"}
    if inner == "bool":
        return {"kind": "value", "type": "bool", "choices": ["true", "false"]}
    if inner in _INTEGERS:
        return {"kind": "value", "type": "int", "minimum": 0, "maximum": _INTEGERS[inner]}
    if inner in ("f32", "f64"):
        return {"kind": "value", "type": "float"}
    if inner in enums:
        return {"kind": "value", "type": "str", "choices": enums[inner]}
    if inner == "String" or inner.startswith("Vec<"):
        return {"kind": "value", "type": "str", "repeatable": inner == "Vec<String>"}
    raise TableError(f"unknown type {rust}")


def _default(kind: Record, text: str | None) -> Any:
    if kind["kind"] == "switch":
        return False
    if text is None or kind["type"] == "str":
        return text
    return int(text) if kind["type"] == "int" else float(text)


def rust_flags(source: str, more_enums: Iterable[str] = ()) -> list[Record]:
    """List the arguments of one program in the order of its source.

    `more_enums` are the sources of other modules whose enums its arguments take.
    """
    struct = _STRUCT.search(source)
    if struct is None:
        raise TableError("no struct Args")
    enums: dict[str, list[str]] = {}
    for text in (*more_enums, source):
        enums |= rust_enums(text)
    flags: list[Record] = []
    shorts: set[str] = set()
    for field in _FIELD.finditer(struct[1]):
        name = "--" + field["name"].replace("_", "-")
        parts, kind = _parts(field["clap"], name), _kind(field["type"], enums)
        short = f"-{field['name'][0]}" if "short" in parts else None
        record = {
            "name": name,
            # Two arguments may ask for one letter; clap gives it to the first.
            "aliases": [short] if short and short not in shorts else [],
            **kind,
            "env": field["name"].upper() if "env" in parts else None,
            "default": _default(kind, parts.get("default_value")),
            "deprecated": "Legacy version" in field["doc"],
        }
        shorts |= {short} if short else set()
        flags.append(compact(record))
    declared = struct[1].count("#[clap(")
    if len(flags) != declared:
        raise TableError(f"{declared} arguments, {len(flags)} understood")
    return flags
