"""Values of C++ expressions that need no program to be run: constants, fields, choices, formats."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tools.tables.llama.cpp_formats import MISSING, formatted
from tools.tables.llama.cpp_tokens import Tokens, closing, is_mark, number, split

_WORDS: Mapping[str, Any] = {"true": True, "false": False, "nullptr": None, "NULL": None}
# Lengths that a format macro stands for.
_FORMATS = {"PRId64": "d", "PRIu64": "u", "PRId32": "d", "PRIu32": "u"}
_LEVELS = (("||",), ("&&",), ("==", "!="), ("<", ">", "<=", ">="), ("+", "-"), ("*", "/"))
_FORMATTERS = ("string_format", "format")


class UnknownValueError(Exception):
    """Only running the program would tell."""


@dataclass(frozen=True, slots=True)
class Constant:
    """The name of an enumerator or macro, which stands for itself."""

    name: str


Function = Callable[[list[Any]], Any]


@dataclass(frozen=True, slots=True)
class Scope:
    """What names mean: `root` resolves `params.a.b`, `values` single names, `functions` calls."""

    root: Callable[[tuple[str, ...]], Any]
    values: Mapping[str, Any] = field(default_factory=dict)
    functions: Mapping[str, Function] = field(default_factory=dict)


def evaluate(row: Tokens, scope: Scope) -> Any:
    """The value of an expression; UnknownValueError where it cannot be told."""
    reader = _Reader(row, scope)
    value = reader.expression()
    if reader.at != len(row):
        raise UnknownValueError(row[reader.at].text)
    return value


@dataclass(slots=True)
class _Reader:
    row: Tokens
    scope: Scope
    at: int = 0

    def expression(self) -> Any:
        value = self._binary(0)
        if not self._take("?"):
            return value
        yes = self._lazily(":")
        no = self._lazily(None)
        return evaluate(yes if value else no, self.scope)

    def _lazily(self, until: str | None) -> Tokens:
        """The tokens up to a mark of this level (or to the end), not evaluated yet."""
        start, depth = self.at, 0
        while self.at < len(self.row):
            if is_mark(self.row, self.at, "(", "{", "["):
                self.at = closing(self.row, self.at)
            elif is_mark(self.row, self.at, "?"):
                depth += 1
            elif until and is_mark(self.row, self.at, until):
                if depth == 0:
                    self.at += 1
                    return self.row[start : self.at - 1]
                depth -= 1
            self.at += 1
        return self.row[start:]

    def _take(self, *marks: str) -> str | None:
        if is_mark(self.row, self.at, *marks):
            self.at += 1
            return self.row[self.at - 1].text
        return None

    def _binary(self, level: int) -> Any:
        if level == len(_LEVELS):
            return self._unary()
        left = self._binary(level + 1)
        while (mark := self._take(*_LEVELS[level])) is not None:
            left = _applied(mark, left, self._binary(level + 1))
        return left

    def _unary(self) -> Any:
        if self._take("!"):
            return not self._unary()
        if self._take("-"):
            return -_as_number(self._unary())
        if self._is_cast():
            self.at = closing(self.row, self.at) + 1
            return self._unary()
        return self._postfix(self._primary())

    def _is_cast(self) -> bool:
        """A bracket around a type, with an operand behind it."""
        if not is_mark(self.row, self.at, "("):
            return False
        end = closing(self.row, self.at)
        inner = self.row[self.at + 1 : end]
        follows = end + 1 < len(self.row) and (
            self.row[end + 1].kind != "mark" or is_mark(self.row, end + 1, "(")
        )
        return follows and bool(inner) and all(token.kind == "name" for token in inner)

    def _primary(self) -> Any:
        if self.at >= len(self.row):
            raise UnknownValueError("nothing")
        token = self.row[self.at]
        if is_mark(self.row, self.at, "("):
            start, self.at = self.at + 1, closing(self.row, self.at) + 1
            return evaluate(self.row[start : self.at - 1], self.scope)
        if is_mark(self.row, self.at, "{"):
            return self._list()
        if token.kind == "string":
            return self._string()
        self.at += 1
        if token.kind == "number":
            return number(token.text)
        if token.kind == "name":
            return self._name(token.text)
        raise UnknownValueError(token.text)

    def _list(self) -> list[Any]:
        end = closing(self.row, self.at)
        parts = split(self.row[self.at + 1 : end])
        self.at = end + 1
        return [evaluate(part, self.scope) for part in parts]

    def _string(self) -> str:
        """Neighbouring strings are one, and format macros may stand between them."""
        text = ""
        while self.at < len(self.row):
            token = self.row[self.at]
            if token.kind != "string" and token.text not in _FORMATS:
                break
            text += token.text if token.kind == "string" else _FORMATS[token.text]
            self.at += 1
        return text

    def _name(self, name: str) -> Any:
        while self._take("::"):
            name = self.row[self.at].text  # the last part says it: std::string, enum::VALUE
            self.at += 1
        if name == "vector" and is_mark(self.row, self.at, "<"):
            return self._filled()
        if name == "params":
            return self._field()
        if is_mark(self.row, self.at, "("):
            return self._call(name)
        if name in _WORDS:
            return _WORDS[name]
        if name in self.scope.values:
            return self.scope.values[name]
        if not name.isupper():
            raise UnknownValueError(name)
        return Constant(name)

    def _field(self) -> Any:
        path: list[str] = []
        while is_mark(self.row, self.at, ".") and not is_mark(self.row, self.at + 2, "("):
            path.append(self.row[self.at + 1].text)
            self.at += 2
        return self.scope.root(tuple(path))

    def _filled(self) -> Any:
        """`std::vector<T>(count, value)`: its elements are alike, so a list of one tells them."""
        while self.at < len(self.row) and not is_mark(self.row, self.at, "("):
            self.at += 1
        if self.at == len(self.row):
            raise UnknownValueError("vector")
        end = closing(self.row, self.at)
        _, value = split(self.row[self.at + 1 : end])
        self.at = end + 1
        return [evaluate(value, self.scope)]

    def _call(self, name: str) -> Any:
        end = closing(self.row, self.at)
        parts = split(self.row[self.at + 1 : end])
        self.at = end + 1
        if name == "string":
            return evaluate(parts[0], self.scope) if parts else ""
        if name in _FORMATTERS:
            return formatted([self._or_missing(part) for part in parts])
        function = self.scope.functions.get(name)
        if function is None:
            raise UnknownValueError(name)
        return function([evaluate(part, self.scope) for part in parts])

    def _or_missing(self, part: Tokens) -> Any:
        try:
            return evaluate(part, self.scope)
        except UnknownValueError:
            return MISSING

    def _postfix(self, value: Any) -> Any:
        while True:
            if is_mark(self.row, self.at, "["):
                end = closing(self.row, self.at)
                value = _element(value, evaluate(self.row[self.at + 1 : end], self.scope))
                self.at = end + 1
            elif is_mark(self.row, self.at, ".") and is_mark(self.row, self.at + 2, "("):
                value = _method(value, self.row[self.at + 1].text)
                self.at = closing(self.row, self.at + 2) + 1
            else:
                return value


def _as_number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UnknownValueError(repr(value))
    return value


def _element(value: Any, index: Any) -> Any:
    if isinstance(value, list) and isinstance(index, int) and index < len(value):
        return value[index]
    raise UnknownValueError(repr(value))


def _method(value: Any, name: str) -> Any:
    if name == "c_str":
        return value
    if name == "empty" and isinstance(value, str | list):
        return not value
    raise UnknownValueError(name)


def _applied(mark: str, left: Any, right: Any) -> Any:
    if mark in ("==", "!="):
        return (left == right) == (mark == "==")
    if mark in ("||", "&&"):
        return bool(left or right) if mark == "||" else bool(left and right)
    if mark == "+" and isinstance(left, str) and isinstance(right, str):
        return left + right
    a, b = _as_number(left), _as_number(right)
    if mark == "/":
        return a // b if isinstance(a, int) and isinstance(b, int) else a / b
    compared = {"<": a < b, ">": a > b, "<=": a <= b, ">=": a >= b}
    return compared[mark] if mark in compared else {"+": a + b, "-": a - b, "*": a * b}[mark]
