"""What the operands of constraints are in a deployment: written, left to a default, or unknown."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infra_gen.model.engine_table import FlagSpec, parse_number
from infra_gen.rules.command_line import CommandLine, Used, is_variable
from infra_gen.rules.facts import fact
from infra_gen.rules.reading.values import resolve
from infra_gen.rules.subject import Subject

_TRUE = frozenset({"1", "true", "t", "on", "yes", "y", "enabled"})
_FALSE = frozenset({"0", "false", "f", "off", "no", "n", "disabled"})
# A file of the engine's own that may hold whatever is not on the command line.
_SETTINGS_FILE = "--config"
_OWN_ENV_FILES = "/infra-gen/"  # those that infra-gen's scripts write hold nothing but keys


@dataclass(frozen=True, slots=True)
class Reading:
    """What is known of an operand.

    `text` None: nothing, or what the engine finds out by itself. `written` None: that is in a file
    that nobody reads here. Not `known`: written as a variable, or a default that the table lacks.
    """

    text: str | None = None
    written: bool | None = False
    known: bool = True

    @property
    def number(self) -> float | None:
        """The text as a number, None when it is none."""
        return parse_number(self.text) if self.text else None

    @property
    def on(self) -> bool | None:
        """The text as a switch, None when it is none."""
        word = (self.text or "").lower()
        return True if word in _TRUE else False if word in _FALSE else None


_UNKNOWN = Reading(known=False)
_VARIABLE = Reading(written=True, known=False)
_ELSEWHERE = Reading(written=None, known=False)


def _plain(value: object) -> str:
    """A value as it would be written."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


@dataclass(frozen=True, slots=True)
class Settings:
    """The operands of one deployment. `defaults`: facts or words that unset flags stand for."""

    subject: Subject
    command: CommandLine
    defaults: Mapping[str, str]

    def read(self, operand: str) -> Reading:
        """What the deployment says of that operand."""
        if operand.startswith("-") and parse_number(operand) is None:
            name, _, part = operand.partition(".")
            spec = self.command.table.flag(name)
            if spec is None:
                return Reading()  # this version has no such flag
            return self._part(spec, part) if part else self._flag(spec)
        if operand[0].isdigit() or operand.startswith("-"):
            return Reading(operand)
        if operand.isupper():
            return self._variable(operand)
        return self._fact(operand)

    def _fact(self, name: str) -> Reading:
        value = fact(self.subject, name)
        return _UNKNOWN if value is None else Reading(_plain(value))

    def _variable(self, name: str) -> Reading:
        env, table = self.command.env, self.command.table
        if name in env:
            text = resolve(env[name]).strip("'\" ")
            return _VARIABLE if is_variable(text) else Reading(text, written=True)
        service = self.subject.service
        if service and any(_OWN_ENV_FILES not in file for file in service.env_files):
            return _ELSEWHERE
        default = table.env_defaults.get(name)
        return Reading(None if default is None else _plain(default))

    def _flag(self, spec: FlagSpec) -> Reading:
        used = self.command.of(spec.name)
        found = _used(used) if used else self._twin(spec)
        if found:
            return found
        if self.command.of(_SETTINGS_FILE):
            return _ELSEWHERE
        if spec.default is not None:
            return Reading(_plain(spec.default))
        stands_for = self.defaults.get(spec.name)
        if stands_for:
            return self._fact(stands_for) if "." in stands_for else Reading(stands_for)
        return Reading() if spec.default_known or not spec.takes_value else _UNKNOWN

    def _twin(self, spec: FlagSpec) -> Reading | None:
        """The variable that stands for the flag, or the one that stands for its opposite."""
        table = self.command.table
        if spec.env is None:
            return None
        if self.command.env.get(spec.env):
            return self._variable(spec.env)
        for prefix in table.env_prefixes if table.env_negation else ():
            opposite = f"{table.env_negation}{spec.env.removeprefix(prefix)}"
            if self.command.env.get(opposite):
                return Reading("false", written=True)
        return None

    def _part(self, spec: FlagSpec, part: str) -> Reading:
        """A key inside a JSON value: in the value, or after a dot."""
        wanted = part.replace("-", "_")
        for used in self.command.used:
            if used.spec is spec and used.part.replace("-", "_") == wanted:
                return _used(used)
        whole = self._flag(spec)
        if not whole.written or not whole.known:
            return Reading() if whole.written is False else _ELSEWHERE
        try:
            node: Any = json.loads(whole.text or "")
        except ValueError:
            return _ELSEWHERE
        for key in wanted.split("."):
            names = {k.replace("-", "_"): v for k, v in node.items()} if _is_map(node) else {}
            if key not in names:
                return Reading()
            node = names[key]
        return Reading() if node is None else Reading(_plain(node), written=True)


def _is_map(node: Any) -> bool:
    return isinstance(node, dict)


def _used(used: Used) -> Reading:
    """A flag as it is written."""
    if used.values:
        text = used.value or ""
        return _VARIABLE if is_variable(text) else Reading(text, written=True)
    if used.spec is not None and used.spec.takes_value:
        return Reading("", written=True)
    return Reading("false" if used.negated else "true", written=True)
