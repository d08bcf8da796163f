"""A table document read as of one version: records of intervals to a `Table`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from infra_gen.model.engine_table import FlagSpec, Removed, Standing, Table, names_of
from infra_gen.model.intervals import base_of, holding, positions, span
from infra_gen.model.versions import version_key


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
        config=row.get("config"),
        deprecated=bool(row.get("deprecated")),
    )


class _Reader:
    """One table document as of one position."""

    def __init__(self, document: Mapping[str, Any], at: int) -> None:
        self.document = document
        self.at = at
        self.order = positions(document["versions"])
        self.versions: Sequence[str] = document["versions"]

    def records(self, section: str) -> list[dict[str, Any]]:
        """The records of a section that hold."""
        return list(holding(self.document.get(section, ()), self.at, self.order))

    def names(self, section: str) -> tuple[str, ...]:
        """Their names."""
        return tuple(record["name"] for record in self.records(section))

    def removed(self, section: str) -> dict[str, Removed]:
        """What older versions had. Hints know of names that went before the first version."""
        last = self._last_positions(section)
        instead = {
            row["name"]: row for row in self.document.get("hints", ()) if row["section"] == section
        }
        found = {
            name: Removed(name, row.get("last_seen"), row.get("gone_by"), row.get("instead"))
            for name, row in instead.items()
            if name not in last
        }
        for name, (seen, canonical) in last.items():
            if seen < self.at:
                hint = instead.get(name) or instead.get(canonical) or {}
                went = self.versions[seen + 1]
                found[name] = Removed(name, self.versions[seen], went, hint.get("instead"))
        return found

    def _last_positions(self, section: str) -> dict[str, tuple[int, str]]:
        """Name -> the last position up to this one where it held, and the record's own name."""
        found: dict[str, tuple[int, str]] = {}
        for record in self.document.get(section, ()):
            holds = span(record, self.order)
            if holds.start > self.at:
                continue
            seen = min(holds.stop - 1, self.at)
            for name in names_of(section, record):
                if name not in found or found[name][0] < seen:
                    found[name] = (seen, record["name"])
        return found

    def upcoming(self) -> frozenset[str]:
        """Names that the next version of the table has and this one lacks."""
        if self.at + 1 == len(self.versions):
            return frozenset()
        following = _Reader(self.document, self.at + 1)
        return frozenset(
            name
            for section in ("flags", "env", "metrics")
            for name in following._all(section) - self._all(section)
        )

    def _all(self, section: str) -> set[str]:
        return {n for record in self.records(section) for n in names_of(section, record)}

    def flags(self) -> dict[str, FlagSpec]:
        """Every spelling with its flag."""
        found: dict[str, FlagSpec] = {}
        for row in self.records("flags"):
            spec = _flag(row)
            found.update(dict.fromkeys((*spec.spellings, *spec.negatives), spec))
        return found

    def fields(self) -> dict[str, dict[str, FlagSpec]]:
        """Class -> field -> what it takes."""
        found: dict[str, dict[str, FlagSpec]] = {}
        for row in self.records("fields"):
            owner, _, name = row["name"].rpartition(".")
            found.setdefault(owner, {})[name] = _flag({"kind": "value", **row, "name": name})
        return found


def table_of(document: Mapping[str, Any], version: str) -> Table:
    """The table document (presets/engines/<engine>/table.json) as of `version`.

    Raises KeyError for a version before the document's first, InvalidVersion for what is none.
    """
    versions = document["versions"]
    at = base_of(version, versions)
    if at is None:
        raise KeyError(version)
    read = _Reader(document, at)
    standing = _standing(version, versions, at)
    facts = {row["name"]: row.get("value") for row in read.records("facts")}
    env = read.records("env")
    return Table(
        engine=document["engine"],
        version=version,
        base=versions[at],
        standing=standing,
        flags=read.flags(),
        removed_flags=read.removed("flags"),
        fields=read.fields(),
        env={row["name"]: row.get("type") or "str" for row in env},
        env_defaults={row["name"]: row.get("default") for row in env},
        env_on_bad_value={row["name"]: row["on_bad_value"] for row in env if "on_bad_value" in row},
        env_prefixes=tuple(facts.get("env_prefixes") or ()),
        env_negation=facts.get("env_negation"),
        removed_env=read.removed("env"),
        metrics={row["name"]: row["type"] for row in read.records("metrics")},
        removed_metrics=read.removed("metrics"),
        upcoming=read.upcoming() if standing == "between" else frozenset(),
        quantization={
            row["name"]: row.get("min_compute_capability") for row in read.records("quantization")
        },
        kv_cache_dtypes=read.names("kv_cache_dtypes"),
        tool_call_parsers=read.names("tool_call_parsers"),
        reasoning_parsers=read.names("reasoning_parsers"),
        default_port=facts.get("default_port"),
        underscores=bool(facts.get("underscores")),
        equals=bool(facts.get("equals")),
        abbreviations=bool(facts.get("abbreviations")),
        dotted=bool(facts.get("dotted_json")),
        bool_values=bool(facts.get("bool_values")),
        positionals=sum(row["kind"] == "positional" for row in read.records("flags")),
        subcommands=tuple(facts.get("subcommands") or ()),
    )


def removed_names(document: Mapping[str, Any], at: int, section: str) -> dict[str, Removed]:
    """What a section had before that position of the table and has no more, by name."""
    return _Reader(document, at).removed(section)


def _standing(version: str, versions: Sequence[str], at: int) -> Standing:
    if version == versions[at] or version_key(versions[at]) == version_key(version):
        return "exact"
    return "newer" if at + 1 == len(versions) else "between"
