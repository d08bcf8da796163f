"""An engine's command line read as that engine reads it: its table says what takes a value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from infra_gen.model.engine_table import FlagSpec, Table, parse_number
from infra_gen.rules.reading.values import resolve
from infra_gen.rules.service import Service

_BOOLEANS = frozenset({"true", "false", "0", "1", "yes", "no", "on", "off"})
_TRUE = frozenset({"1", "true", "on", "enabled", "yes"})
_LEVEL = re.compile(r"^-O\d$")  # vLLM takes -O3 for -O 3


@dataclass(frozen=True, slots=True)
class Used:
    """One flag as written. `values` is empty for a switch; `part` is what follows a dot."""

    spelling: str
    spec: FlagSpec | None
    values: tuple[str, ...] = ()
    joined: bool = False
    part: str = ""

    @property
    def value(self) -> str | None:
        """The value, several joined by a space, None when there is none."""
        return " ".join(self.values) if self.values else None

    @property
    def negated(self) -> bool:
        """Whether the spelling switches the flag off."""
        return self.spec is not None and self.spelling_known in self.spec.negatives

    @property
    def spelling_known(self) -> str:
        """The spelling as the table writes it: with dashes."""
        return self.spelling.replace("_", "-") if self.spelling[:2] == "--" else self.spelling


@dataclass(frozen=True, slots=True)
class CommandLine:
    """All flags in order, what stands alone, and the environment that fills in for flags."""

    used: tuple[Used, ...]
    positionals: tuple[str, ...]
    env: Mapping[str, str]
    table: Table

    def of(self, name: str) -> Used | None:
        """The last use of the flag that `name` is a spelling of."""
        spec = self.table.flag(name)
        found = None
        for one in self.used:
            if one.spec is not None and one.spec is spec and not one.part:
                found = one
        return found

    def text(self, *names: str) -> str | None:
        """The value of the first of these flags that has one, on the command line or its twin."""
        for name in names:
            used, spec = self.of(name), self.table.flag(name)
            if used and used.value is not None:
                return used.value
            twin = self.env.get(spec.env) if spec and spec.env else None
            if twin:
                return resolve(twin)
        return None

    def number(self, *names: str) -> float | None:
        """That value as a number, None when there is none or it is no number."""
        text = self.text(*names)
        return parse_number(text) if text else None

    def setting(self, name: str | None) -> str | None:
        """What a knob says: the value of a flag, or of a variable where `name` is one."""
        if name is None:
            return None
        return self.text(name) if name.startswith("-") else resolve(self.env.get(name, "")) or None

    def setting_number(self, name: str | None) -> float | None:
        """That value as a number, None when there is none or it is no number."""
        text = self.setting(name)
        return parse_number(text) if text else None

    def on(self, name: str) -> bool | None:
        """Whether the switch is on, None when nothing says so."""
        used, spec = self.of(name), self.table.flag(name)
        if used:
            return not used.negated
        twin = self.env.get(spec.env) if spec and spec.env else None
        return twin.lower() in _TRUE if twin else None


def is_variable(text: str) -> bool:
    """Whether the value is known only when the deployment starts."""
    return "$" in text


def command_line(service: Service, table: Table, env: Mapping[str, str]) -> CommandLine:
    """The flags of `service`, as the engine of `table` would split them."""
    used: list[Used] = []
    alone: list[str] = []
    words = list(service.words)
    while words:
        word = words.pop(0)
        if not _is_flag(word):
            alone.append(word)
            continue
        one = _flag(word, table)
        if not one.joined:
            taken = _values(one.spec, words, table)
            del words[: len(taken)]
            one = Used(one.spelling, one.spec, one.values + taken, False, one.part)
        used.append(one)
    return CommandLine(tuple(used), tuple(alone), env, table)


def _is_flag(word: str) -> bool:
    return word.startswith("-") and len(word) > 1 and not re.match(r"-[\d.]", word)


def _flag(word: str, table: Table) -> Used:
    if _LEVEL.match(word) and "-O" in table.flags:
        return Used("-O", table.flags["-O"], (word[2:],), joined=True)
    name, equals, value = word.partition("=")
    spec, part = lookup(table, name), ""
    if spec is None and "." in name and table.dotted:
        base, _, rest = name.partition(".")
        spec = lookup(table, base)
        part = rest if spec else ""
    return Used(name, spec, (value,) if equals else (), bool(equals), part)


def lookup(table: Table, spelling: str) -> FlagSpec | None:
    """The flag of exactly that spelling."""
    return table.flag(spelling) if spelling.startswith("--") else table.flags.get(spelling)


def _values(spec: FlagSpec | None, words: list[str], table: Table) -> tuple[str, ...]:
    """The words that belong to the flag."""
    if not words:
        return ()
    if spec is None:
        return () if _is_flag(words[0]) else (words[0],)
    if spec.kind == "list":
        end = next((i for i, word in enumerate(words) if _is_flag(word)), len(words))
        return tuple(words[:end])
    if spec.takes_value:
        # llama-server takes whatever follows; what knows `=` takes nothing that looks like a flag.
        greedy = not table.equals
        return (words[0],) if greedy or not _is_flag(words[0]) else ()
    if spec.kind == "optional_value":
        return () if _is_flag(words[0]) else (words[0],)
    return (words[0],) if words[0].lower() in _BOOLEANS else ()
