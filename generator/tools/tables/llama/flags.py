"""The options of llama-server as records, and those that it still names but refuses."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tools.tables.llama.arg_cpp import Option, Parser, parser_of
from tools.tables.llama.defaults import Defaults, defaults_of
from tools.tables.llama.handlers import Effect, effect_of
from tools.tables.llama.names import Files, Names, constants
from tools.tables.records import Record, TableError, by_name, compact

_PATHS = {"FNAME", "FILE", "PATH", "DIR", "JINJA_TEMPLATE_FILE"}
_JSONS = {"JSON", "SCHEMA"}
_PREFIX = "LLAMA_ARG_"
_KINDS = {"void": "switch", "bool": "bool_pair"}
# Text that a later function checks against the list of cache types.
_CACHE_FIELDS = ("cache_type_k", "cache_type_v")


@dataclass(frozen=True, slots=True)
class Options:
    """The options of one release with all that is needed to tell about them."""

    parser: Parser
    names: Names
    defaults: Defaults
    constants: Mapping[str, int]

    def flags(self) -> list[Record]:
        """The records of every option that is not refused."""
        return by_name(self._record(option, effect) for option, effect in self.alive())

    def alive(self) -> Iterator[tuple[Option, Effect]]:
        """Every option that is not refused, with what its handler does."""
        for option in self.parser.options:
            effect = effect_of(option.handler, self.names.helpers)
            if effect.removed is None:
                if "has been removed" in self.defaults.help_of(option):
                    raise TableError(f"{option.name}: removed, but it throws nothing that is known")
                yield option, effect

    def removed(self) -> dict[str, str]:
        """Spelling -> what to use, of the options that are there only to say that they went."""
        found: dict[str, str] = {}
        for option in self.parser.options:
            text = effect_of(option.handler, self.names.helpers).removed
            if text is not None:
                names = re.findall(r"--[a-z][\w*-]*", text)
                if not names:
                    raise TableError(f"{option.name}: removed, but for what? {text}")
                found.update(dict.fromkeys((*option.names, *option.negatives), " or ".join(names)))
        return found

    def removed_env(self) -> dict[str, str]:
        """Variable -> the flags to use, of the same options."""
        hints = self.removed()
        return {o.env: hints[o.name] for o in self.parser.options if o.env and o.name in hints}

    def _record(self, option: Option, effect: Effect) -> Record:
        kind = _KINDS.get(option.handler.kind, "value")
        if kind == "switch" and option.negatives:
            raise TableError(f"{option.name}: a switch with negatives")
        type_ = _type(option, effect)
        record: Record = {
            "name": option.name,
            "aliases": sorted(name for name in option.names if name != option.name),
            "negatives": sorted(option.negatives),
            "kind": kind,
            "type": type_,
            "nargs": 2 if option.handler.kind == "pair" else None,
            "repeatable": kind == "value" and effect.adds,
            "env": option.env,
            "deprecated": self._deprecated(option),
            **self._words(option, effect, type_),
            **{key: self._number(limit) for key, limit in effect.limits.items()},
        }
        return compact(record) | self.defaults.of(option, effect, kind, type_)

    def _number(self, limit: int | float | str) -> int | float:
        if not isinstance(limit, str):
            return limit
        if limit not in self.constants:
            raise TableError(f"a limit of unknown size: {limit}")
        return self.constants[limit]

    def _deprecated(self, option: Option) -> bool:
        said = [token.text for token in option.handler.body if token.kind == "string"]
        return "DEPRECATED" in self.defaults.help_of(option) or any("DEPRECATED" in t for t in said)

    def _words(self, option: Option, effect: Effect, type_: str) -> Record:
        """The words that an option takes: all of them, or those that are known."""
        named = self._named(effect)
        if named is not None:
            # Several of them may be joined by commas, so the list does not close.
            several = "string_split" in {token.text for token in option.handler.body}
            return {"known_values" if several else "choices": named}
        if "list_builtin_chat_templates" in {token.text for token in option.help}:
            return {"known_values": self.names.chat_templates} if type_ == "str" else {}
        words = list(effect.words)
        if type_ in ("int", "float"):
            return {"special_values": [*words, *effect.also]} if words else {}
        if effect.closed:
            return {"choices": words, "special_values": effect.also}
        return {"known_values": words} if words and effect.ignores else {}

    def _named(self, effect: Effect) -> list[str] | None:
        for setting in effect.settings:
            if setting.path[-1] in _CACHE_FIELDS:
                return list(self.names.cache_types)
        for function in effect.calls:
            words = self.names.words(function)
            if words is not None:
                return list(words)
        return None


def options_of(files: Files) -> Options:
    """Read the options of a source tree."""
    names = Names(files)
    parser = parser_of(files.text("common/arg.cpp"))
    return Options(parser, names, defaults_of(files, names, parser), constants(files))


def environment(flags: list[Record], negation: str | None) -> list[Record]:
    """The variables that stand for flags, and those that switch a pair off.

    `LLAMA_ARG_X` takes what its flag takes. Where the server knows the `negation`, a pair may be
    switched off by `LLAMA_ARG_NO_X`, whatever its value.
    """
    kept = ("type", "choices", "default", "default_known")
    rows: list[Record] = []
    for flag in flags:
        if "env" not in flag:
            continue
        told: dict[str, Any] = {key: flag[key] for key in kept if key in flag}
        rows.append({"name": flag["env"], "flag": flag["name"], **told})
        if negation and "negatives" in flag and flag["env"].startswith(_PREFIX):
            name = negation + flag["env"].removeprefix(_PREFIX)
            rows.append(
                {"name": name, "flag": flag["negatives"][0], "type": "bool", "default": None}
            )
    twice = {row["name"] for row in rows if [r["name"] for r in rows].count(row["name"]) > 1}
    if twice:
        raise TableError(f"variables that stand for two flags: {', '.join(sorted(twice))}")
    return by_name(rows)


def _type(option: Option, effect: Effect) -> str:
    if option.handler.kind in _KINDS:
        return "bool"
    if option.handler.kind in ("int", "pair"):
        return "int" if option.handler.kind == "int" else "str"
    if effect.reads in ("int", "float"):
        return effect.reads
    if option.hint in _JSONS or effect.reads == "json":
        return "json"
    return "path" if option.hint in _PATHS or effect.reads == "path" else "str"
