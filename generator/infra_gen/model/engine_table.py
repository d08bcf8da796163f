"""What one engine version accepts and exports, as extracted from that release."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

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
    """One flag: every spelling, what it takes, its bounds. Unknown default: `default_known`."""

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
        if self.known_values and not self.choices and value not in self.known_values:
            return f"{used}: {value!r} is not known to this version"
        return None

    def _number_problem(self, value: str, used: str) -> str | None:
        number = parse_number(value)
        if number is None:
            return f"{used}: {value!r} is no number"
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


@dataclass(frozen=True, slots=True)
class Table:
    """All of one engine version. Metric names are as exposed; histograms by base name.

    How it reads a command line: `underscores` stand for dashes, `equals` is `--flag=value`,
    `abbreviations` of flags are taken, `dotted` is `--flag.key value`, `positionals` may stand
    alone, `subcommands` come first. `env` has the type of each variable, `env_defaults` its value
    when unset, and `env_on_bad_value` what is made of a value that is none, where that is known; a
    variable that begins with `env_negation` switches off what the rest names.
    """

    engine: str
    version: str
    flags: Mapping[str, FlagSpec]
    removed_flags: Mapping[str, Removed]
    env: Mapping[str, str]
    env_defaults: Mapping[str, Any]
    env_on_bad_value: Mapping[str, str]
    env_prefixes: tuple[str, ...]
    env_negation: str | None
    removed_env: Mapping[str, Removed]
    metrics: Mapping[str, str]
    removed_metrics: Mapping[str, Removed]
    quantization: Mapping[str, float | None]
    kv_cache_dtypes: tuple[str, ...]
    tool_call_parsers: tuple[str, ...]
    reasoning_parsers: tuple[str, ...]
    underscores: bool
    equals: bool
    abbreviations: bool
    dotted: bool
    positionals: int
    subcommands: tuple[str, ...]

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


def _texts(values: Iterable[Any] | None) -> tuple[str, ...] | None:
    return None if values is None else tuple(str(v) for v in values)


def _flag(row: Mapping[str, Any]) -> FlagSpec:
    negatives = tuple(row.get("negatives") or ())
    return FlagSpec(
        name=row["name"],
        spellings=(row["name"], *(row.get("aliases") or ())),
        negatives=negatives,
        kind=row["kind"],
        type=row.get("type") or "str",
        choices=_texts(row.get("choices")),
        known_values=_texts(row.get("known_values")),
        special_values=_texts(row.get("special_values")) or (),
        minimum=row.get("minimum"),
        maximum=row.get("maximum"),
        exclusive_minimum=row.get("exclusive_minimum"),
        exclusive_maximum=row.get("exclusive_maximum"),
        default=row.get("default"),
        default_known=bool(row.get("default_known", "default" in row)),
        env=row.get("env"),
        deprecated=bool(row.get("deprecated")),
    )


def _removed(rows: Iterable[Mapping[str, Any]]) -> dict[str, Removed]:
    return {
        row["name"]: Removed(
            row["name"], row.get("last_seen"), row.get("gone_by"), row.get("instead")
        )
        for row in rows
    }


def table_of(document: Mapping[str, Any], version: str) -> Table:
    """The table document (presets/engines/<engine>/table.json) as of `version`.

    Raises KeyError when the document does not hold that version.
    """
    if version not in document["versions"]:
        raise KeyError(version)
    flags: dict[str, FlagSpec] = {}
    for row in document["flags"]:
        spec = _flag(row)
        flags.update(dict.fromkeys((*spec.spellings, *spec.negatives), spec))
    dialect = document.get("dialect", {})
    return Table(
        engine=document["engine"],
        version=version,
        flags=flags,
        removed_flags=_removed(document.get("removed_flags", ())),
        env={row["name"]: row.get("type") or "str" for row in document.get("env", ())},
        env_defaults={row["name"]: row.get("default") for row in document.get("env", ())},
        env_on_bad_value={
            row["name"]: row["on_bad_value"]
            for row in document.get("env", ())
            if "on_bad_value" in row
        },
        env_prefixes=tuple(document.get("env_prefixes", ())),
        env_negation=document.get("env_negation"),
        removed_env=_removed(document.get("removed_env", ())),
        metrics={row["name"]: row["type"] for row in document["metrics"]},
        removed_metrics=_removed(document.get("removed_metrics", ())),
        quantization={
            row["name"]: row.get("min_compute_capability")
            for row in document.get("quantization", ())
        },
        kv_cache_dtypes=tuple(document.get("kv_cache_dtypes", ())),
        tool_call_parsers=tuple(document.get("tool_call_parsers", ())),
        reasoning_parsers=tuple(document.get("reasoning_parsers", ())),
        underscores=bool(dialect.get("underscores")),
        equals=bool(dialect.get("equals")),
        abbreviations=bool(dialect.get("abbreviations")),
        dotted=bool(dialect.get("dotted_json")),
        positionals=sum(row["kind"] == "positional" for row in document["flags"]),
        subcommands=tuple(dialect.get("subcommands", ())),
    )
