"""The values that fields of llama.cpp's parameter structs begin with."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from tools.tables.llama.cpp_tokens import Token, Tokens, closing, is_mark, tokens
from tools.tables.llama.cpp_values import Constant, Function, Scope, UnknownValueError, evaluate
from tools.tables.records import TableError

_STRUCT = re.compile(r"^struct (\w+)\s*\{(.*?)^\}[^\n]*;", re.MULTILINE | re.DOTALL)
_QUALIFIERS = ("struct", "enum", "const", "static", "std", "mutable")
# What a field without a value is, where its type says so.
_EMPTY: Mapping[str, Any] = {"string": "", "vector": [], "set": [], "map": [], "list": []}


class _Field(NamedTuple):
    type: str
    value: Tokens | None


class Structs:
    """The structs of some headers; `value` follows a path of fields from one of them."""

    def __init__(self, sources: Mapping[str, str], root: str, constants: Mapping[str, Any]) -> None:
        self._root = root
        self._constants = dict(constants)
        self._structs: dict[str, dict[str, _Field]] = {}
        for text in sources.values():
            for match in _STRUCT.finditer(text):
                self._structs.setdefault(match.group(1), _fields(tokens(match.group(2))))
        if root not in self._structs:
            raise TableError(f"no struct {root}")
        self._set: dict[tuple[str, ...], Any] = {}

    def set(self, path: tuple[str, ...], value: Any) -> None:
        """Overwrite where a field begins, as the server does before it reads its arguments."""
        self.value(path)
        self._set[path] = value

    def value(self, path: tuple[str, ...]) -> Any:
        """What a field holds at first; UnknownValueError where no constant says it."""
        if path in self._set:
            return self._set[path]
        struct, found = self._root, None
        for name in path:
            found = self._structs.get(struct, {}).get(name)
            if found is None:
                raise UnknownValueError(f"{struct}.{name}")
            struct = found.type
        if found is None:
            raise UnknownValueError("the parameters themselves")
        return self._begin(found, path)

    def _begin(self, field: _Field, path: tuple[str, ...]) -> Any:
        if field.value is None:
            if field.type not in _EMPTY:
                raise UnknownValueError(field.type)
            return _EMPTY[field.type]
        names = {**self._constants, **self._beside(field.value, path)}
        value = evaluate(field.value, Scope(self.value, names, _FUNCTIONS))
        if isinstance(value, Constant):
            value = self._constants.get(value.name, value)
        if field.type in ("float", "double") and isinstance(value, int):
            return float(value)
        return value

    def _beside(self, value: Tokens, path: tuple[str, ...]) -> dict[str, Any]:
        """A field may begin as another of its struct: `timeout_write = timeout_read`."""
        names = {token.text for token in value if token.kind == "name" and token.text.islower()}
        found: dict[str, Any] = {}
        for name in names - {"true", "false", "nullptr"}:
            try:
                found[name] = self.value((*path[:-1], name))
            except UnknownValueError:
                continue
        return found


_FUNCTIONS: Mapping[str, Function] = {"llama_max_devices": lambda _: 1}


def _fields(row: list[Token]) -> dict[str, _Field]:
    found: dict[str, _Field] = {}
    for part in _declarations(row):
        if not part or any(is_mark(part, i, "(") for i in range(_equals(part))):
            continue  # a method's declaration
        declared, value = part[: _equals(part)], part[_equals(part) + 1 :]
        names = [token.text for token in _outside_angles(declared) if token.kind == "name"]
        types = [name for name in names[:-1] if name not in _QUALIFIERS]
        if names and types:
            found[names[-1]] = _Field(types[0], value or None)
    return found


def _equals(part: Tokens) -> int:
    return next((i for i in range(len(part)) if is_mark(part, i, "=")), len(part))


def _declarations(row: list[Token]) -> list[list[Token]]:
    """Cut a struct's body at its semicolons; the bodies of its methods fall away."""
    parts: list[list[Token]] = [[]]
    index = 0
    while index < len(row):
        if is_mark(row, index, "{"):
            end = closing(row, index)
            if _equals(parts[-1]) == len(parts[-1]) and not is_mark(row, end + 1, ";"):
                parts[-1] = []
            else:
                parts[-1] += row[index : end + 1]
            index = end + 1
            continue
        if is_mark(row, index, ";"):
            parts.append([])
        else:
            parts[-1].append(row[index])
        index += 1
    return parts


def _outside_angles(row: Tokens) -> list[Token]:
    """The tokens outside of `<...>` and `[...]`."""
    kept: list[Token] = []
    depth = 0
    for index, token in enumerate(row):
        depth += is_mark(row, index, "<", "[") - is_mark(row, index, ">", "]")
        if depth == 0 and not is_mark(row, index, ">", "]"):
            kept.append(token)
    return kept
