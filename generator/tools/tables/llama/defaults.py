"""What an option is when it is not given: by the field that it sets, else by its printed help."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tools.tables.llama.arg_cpp import Option, Parser
from tools.tables.llama.cpp_formats import MISSING
from tools.tables.llama.cpp_tokens import Tokens, is_mark, text_of
from tools.tables.llama.cpp_values import Constant, Scope, UnknownValueError, evaluate
from tools.tables.llama.handlers import Effect
from tools.tables.llama.names import Files, Names, constants
from tools.tables.llama.statements import Setting
from tools.tables.llama.structs import Structs
from tools.tables.records import Record, TableError

UNKNOWN: Record = {"default_known": False}
_WORDS = {"enabled": True, "disabled": False, "true": True, "false": False}
_NOTHING = ("none", "unset", "unused", "disabled", "no tools", "empty")
_ROOTS = {"common_params_parser_init": "common_params", "gpt_params_parser_init": "gpt_params"}
_HEADERS = ("common/common.h", "common/sampling.h", "common/speculative.h")
_GREATEST = (1 << 32) - 1  # how a seed says "random": written as -1
_CASTS = re.compile(r"\( (?:enum )?\w+ \) ")
_READ = re.compile(r"(?:std :: )?sto[a-z]+ \( (\w+) \)")


@dataclass(frozen=True, slots=True)
class Defaults:
    """Answers for the options of one release."""

    structs: Structs
    names: Names
    scope: Scope

    def of(self, option: Option, effect: Effect, kind: str, type_: str) -> Record:
        """`{"default": value}`, or `{"default_known": False}`."""
        printed = printed_default(self.help_of(option))
        if kind == "switch":
            return {"default": self._switched_on(effect)}
        if kind == "bool_pair":
            return self._pair(option, effect, printed)
        return self._value(effect, printed, type_)

    def help_of(self, option: Option) -> str:
        """The help as the server prints it, MISSING for what only running it would tell."""
        try:
            return str(evaluate(option.help, self.scope))
        except UnknownValueError:
            return MISSING

    def _switched_on(self, effect: Effect) -> bool:
        """Whether all that a switch sets is so from the start."""
        states = [self._field(setting) == _constant(setting.value) for setting in effect.settings]
        return bool(states) and all(states) and not effect.added

    def _pair(self, option: Option, effect: Effect, printed: str | None) -> Record:
        if printed is not None and " if " in printed:
            return UNKNOWN
        value = option.handler.value
        for setting in effect.settings:
            field, written = self._field(setting), text_of(setting.value)
            if isinstance(field, bool) and written in (value, f"! {value}"):
                return {"default": field == (written == value)}
        word = (printed or "").split(" ")[-1]
        return {"default": _WORDS[word]} if word in _WORDS else UNKNOWN

    def _value(self, effect: Effect, printed: str | None, type_: str) -> Record:
        found = self._by_field(effect, type_)
        if found.get("default") is not None and found["default"] in effect.refused:
            found = {"default": None}
        if printed is None or MISSING in printed:
            return found
        if printed in _NOTHING and printed not in self._known_words(effect):
            return {"default": None}
        told = re.split(r"[ ;]", printed)[0]
        if told.startswith("--") or (" " in printed and told not in (_text(found), "")):
            return UNKNOWN  # a rule, such as "same as --threads"
        return found if "default" in found else _typed(printed, type_)

    def _by_field(self, effect: Effect, type_: str) -> Record:
        for setting in effect.settings:
            try:
                known = self._inverse(setting, effect, self.structs.value(setting.path))
            except UnknownValueError:
                continue
            if known is not None:
                return _of_type(known[0], type_)
        return {"default": None} if self._begins_empty(effect) else UNKNOWN

    def _known_words(self, effect: Effect) -> set[str]:
        named = (self.names.words(function) or {} for function in effect.calls)
        return {*effect.words, *(word for words in named for word in words)}

    def _begins_empty(self, effect: Effect) -> bool:
        return bool(effect.added) and all(self._path(path) in ([], "") for path in effect.added)

    def _inverse(self, setting: Setting, effect: Effect, field: Any) -> tuple[Any] | None:
        """What would have to be given for the field to be as it is; None where that is unclear."""
        for word, value in effect.words.items():
            if value is not None and _same(field, _constant(value)):
                return (word,)
        row = _plain(setting.value)
        read = _READ.fullmatch(row)
        if (read.group(1) if read else row) in effect.names:
            return (field,)
        if not any(token.text in effect.names for token in setting.value):
            return None
        if field in ("", []):
            return ("",)
        return self._worded(setting.value, field)

    def _worded(self, row: Tokens, field: Any) -> tuple[Any] | None:
        words = self.names.words(row[0].text) if is_mark(row, 1, "(") else None
        for word, constant in (words or {}).items():
            if field == Constant(constant):
                return (word,)
        return None

    def _field(self, setting: Setting) -> Any:
        return self._path(setting.path)

    def _path(self, path: tuple[str, ...]) -> Any:
        try:
            return self.structs.value(path)
        except UnknownValueError:
            return MISSING


def defaults_of(files: Files, names: Names, parser: Parser) -> Defaults:
    """Read the structs, and what the server sets in them before it reads its arguments."""
    headers = {name: text for name in _HEADERS if (text := files.maybe(name)) is not None}
    structs = Structs(headers, _ROOTS[parser.name], constants(files))
    for path, row in parser.overrides.items():
        try:
            structs.set(path, evaluate(row, Scope(structs.value)))
        except UnknownValueError:
            structs.set(path, MISSING)
    values: dict[str, Any] = {"ex": Constant("LLAMA_EXAMPLE_SERVER"), **constants(files)}
    for path in (("sampling", "samplers"), ("sparams", "samplers")):
        try:
            values |= names.sampler_names(structs.value(path))
        except UnknownValueError:
            continue
    if "sampler_type_names" not in values:
        raise TableError("no list of samplers among the parameters")
    return Defaults(structs, names, Scope(structs.value, values, names.functions))


def printed_default(help_: str) -> str | None:
    """The default as the help prints it."""
    flat = " ".join(help_.split())
    match = re.search(r"\(default: (\"\"|'[^']*'|[^(),]*?)\s?[,()]", flat)
    match = match or re.search(r"default: ('[^']*'|[^(),]+?)(?:[,)]|$| \()", flat)
    return match.group(1).strip().strip("'\"") if match else None


def _plain(row: Tokens) -> str:
    return _CASTS.sub("", text_of(row))


def _constant(row: Tokens) -> Any:
    try:
        return evaluate(row, Scope(_no_field))
    except UnknownValueError:
        return None


def _no_field(path: tuple[str, ...]) -> Any:
    raise UnknownValueError(".".join(path))


def _same(field: Any, value: Any) -> bool:
    return value is not None and type(field) is type(value) and bool(field == value)


def _of_type(value: Any, type_: str) -> Record:
    if value == "" or value is None or value == []:
        return {"default": None}
    if isinstance(value, bool):
        # Only a number's option writes a switch's field: 0 or 1.
        return {"default": int(value)} if type_ == "int" else UNKNOWN
    if isinstance(value, int | float) and type_ in ("int", "float"):
        number = -1 if value == _GREATEST else value
        return {"default": float(number) if type_ == "float" else number}
    return {"default": value} if isinstance(value, str) else UNKNOWN


def _text(found: Mapping[str, Any]) -> str:
    return str(found.get("default", ""))


def _typed(printed: str, type_: str) -> Record:
    if type_ in ("int", "float"):
        number = re.fullmatch(r"-?\d+(\.\d+)?", printed)
        return {"default": {"int": int, "float": float}[type_](printed)} if number else UNKNOWN
    if not printed or " " in printed or printed.startswith(("-", "<")):
        return UNKNOWN
    return {"default": printed}
