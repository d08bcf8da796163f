"""What one engine version accepts and exports, as extracted from that release."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

# How a version stands to the versions that a table was extracted from: one of them, one between
# two of them, or one that came after all of them.
Standing = Literal["exact", "between", "newer"]

# The parts of a table document, each a list of records with unique names.
SECTIONS = (
    "flags",
    "fields",
    "env",
    "metrics",
    "quantization",
    "kv_cache_dtypes",
    "tool_call_parsers",
    "reasoning_parsers",
    "endpoints",
    "facts",
    "modelfile_commands",
    "modelfile_parameters",
)
_SUFFIXES = {
    "k": 10**3,
    "K": 2**10,
    "m": 10**6,
    "M": 2**20,
    "g": 10**9,
    "G": 2**30,
    "t": 10**12,
    "T": 2**40,
}


@dataclass(frozen=True, slots=True)
class FlagSpec:
    """One flag: every spelling, what it takes, its bounds. Unknown default: `default_known`.

    `config` is the class whose fields a JSON value has.
    """

    name: str
    spellings: tuple[str, ...]
    negatives: tuple[str, ...]
    kind: str
    type: str
    choices: tuple[str, ...] | None
    known_values: tuple[str, ...] | None
    special_values: tuple[str, ...]
    minimum: float | None
    maximum: float | None
    exclusive_minimum: float | None
    exclusive_maximum: float | None
    default: Any
    default_known: bool
    env: str | None
    config: str | None
    deprecated: bool

    @property
    def takes_value(self) -> bool:
        """Whether a value must follow."""
        return self.kind in ("value", "list")

    def problem_with(self, value: str | None, used: str) -> str | None:
        """Why the engine would not take `value` after the spelling `used`, or None."""
        if value is None:
            return f"{used} needs a value" if self.takes_value else None
        if self.kind in ("switch", "bool_pair"):
            return f"{used} is a switch and takes no value, got {value!r}"
        if value in self.special_values:
            return None
        if self.choices and value not in self.choices:
            return f"{used}: {value!r} is not one of {', '.join(self.choices)}"
        if self.type in ("int", "float", "size"):
            return self._number_problem(value, used)
        if self.known_values and not self.choices and not self._knows(value):
            return f"{used}: {value!r} is not known to this version"
        return None

    def _knows(self, value: str) -> bool:
        """Whether it is one of `known_values`: engines read those in any case, `auto` among them."""
        known = {one.casefold() for one in self.known_values or ()}
        return value.casefold() in {*known, "auto"}

    def _number_problem(self, value: str, used: str) -> str | None:
        number = parse_number(value)
        if number is None:
            more = f", nor {' or '.join(self.special_values)}" if self.special_values else ""
            return f"{used}: {value!r} is no number{more}"
        if self.type != "float" and not number.is_integer():
            return f"{used}: {value} is no whole number"
        broken = (
            ("at least", self.minimum, self.minimum is not None and number < self.minimum),
            ("at most", self.maximum, self.maximum is not None and number > self.maximum),
            ("above", self.exclusive_minimum, _not_above(number, self.exclusive_minimum)),
            ("below", self.exclusive_maximum, _not_above(self.exclusive_maximum, number)),
        )
        for word, bound, is_broken in broken:
            if is_broken:
                return f"{used}: {value} must be {word} {bound:g}"
        return None


def _not_above(number: float | None, bound: float | None) -> bool:
    return number is not None and bound is not None and number <= bound


def parse_number(text: str) -> float | None:
    """A number as engines read it, with suffixes such as 32k and 32K."""
    factor = _SUFFIXES.get(text[-1:], 1)
    digits = text[:-1] if factor != 1 else text
    try:
        return float(digits) * factor
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Removed:
    """A name that older versions had: when it went, and what stands in its place."""

    name: str
    last_seen: str | None
    gone_by: str | None
    instead: str | None

    @property
    def said(self) -> str:
        """Both as the end of a sentence."""
        when = f" (gone by {self.gone_by})" if self.gone_by else " any more"
        return when + (f"; instead: {self.instead}" if self.instead else "")


@dataclass(frozen=True, slots=True)
class Table:
    """All of one engine version. Metric names are as exposed; histograms by base name.

    How it reads a command line: `underscores` stand for dashes, `equals` is `--flag=value`,
    `abbreviations` of flags are taken, `dotted` is `--flag.key value`, `positionals` may stand
    alone, `subcommands` come first. `env` has the type of each variable, `env_defaults` its value
    when unset, and `env_on_bad_value` what is made of a value that is none, where that is known; a
    variable that begins with `env_negation` switches off what the rest names.

    Where `version` is not one of those that were extracted, everything is as of the newest one
    before it, `base`. `upcoming` are names that the next extracted version has and `base` has not.
    """

    engine: str
    version: str
    base: str
    standing: Standing
    flags: Mapping[str, FlagSpec]
    removed_flags: Mapping[str, Removed]
    fields: Mapping[str, Mapping[str, FlagSpec]]
    env: Mapping[str, str]
    env_defaults: Mapping[str, Any]
    env_on_bad_value: Mapping[str, str]
    env_prefixes: tuple[str, ...]
    env_negation: str | None
    removed_env: Mapping[str, Removed]
    metrics: Mapping[str, str]
    removed_metrics: Mapping[str, Removed]
    upcoming: frozenset[str]
    quantization: Mapping[str, float | None]
    kv_cache_dtypes: tuple[str, ...]
    tool_call_parsers: tuple[str, ...]
    reasoning_parsers: tuple[str, ...]
    default_port: int | None
    underscores: bool
    equals: bool
    abbreviations: bool
    dotted: bool
    bool_values: bool
    positionals: int
    subcommands: tuple[str, ...]

    def absence(self, name: str) -> Literal["error", "warning"]:
        """How sure it is that this version lacks a flag, variable or metric that `base` lacks.

        A warning where a later version than the table's may have brought it.
        """
        removed = (self.removed_flags, self.removed_env, self.removed_metrics)
        if self.standing == "newer" and not any(name in gone for gone in removed):
            return "warning"
        return "warning" if name in self.upcoming else "error"

    @property
    def doubt(self) -> str:
        """What to add to a message where the table does not hold this very version."""
        if self.standing == "exact":
            return ""
        return f" (as of {self.base}, the newest in infra-gen's table before {self.version})"

    def flag(self, spelling: str) -> FlagSpec | None:
        """The flag of that exact spelling; `_` and `-` are one where the engine says so."""
        found = self.flags.get(spelling)
        if found is None and self.underscores and spelling.startswith("--"):
            found = self.flags.get("--" + spelling[2:].replace("_", "-"))
        return found

    def metric(self, series: str) -> bool:
        """Whether the engine exports that series, histogram suffixes included."""
        if series in self.metrics:
            return True
        for suffix in ("_bucket", "_sum", "_count"):
            base = series.removesuffix(suffix)
            if base != series and self.metrics.get(base) in ("histogram", "summary"):
                return True
        return False


def names_of(section: str, record: Mapping[str, Any]) -> Iterator[str]:
    """Every name by which a record of that section is known: the spellings of a flag."""
    yield record["name"]
    if section == "flags":
        yield from record.get("aliases") or ()
        yield from record.get("negatives") or ()
