"""What another version of its engine means for one deployment: what it uses and what it leaves open."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from infra_gen.catalogue.table_changes import Change, Changes, SectionChanges, changes

_DEFAULT = "default"
# Keys of a record whose change means nothing for a value that is already set; a value out of its
# bounds is a finding of the rules.
_QUIET = frozenset(
    {
        "negatives", "deprecated", "known_values", "default_known", "aliases", "env", "nullable",
        "minimum", "maximum", "exclusive_minimum", "exclusive_maximum", "special_values",
    }
)  # fmt: skip
_FACTS = {
    "abbreviations": "whether flags may be shortened",
    "bool_values": "whether switches take a value",
    "default_port": "the port it listens on",
    "dotted_json": "whether --flag.key sets a key of a JSON flag",
    "env_negation": "variables that switch something off",
    "env_prefixes": "what its variables begin with",
    "env_unknown": "what it does about variables it does not know",
    "equals": "whether --flag=value is understood",
    "llama_cpp_build": "the llama.cpp build inside",
    "subcommands": "its subcommands",
    "underscores": "whether --a_b is --a-b",
}


@dataclass(frozen=True, slots=True)
class Uses:
    """What a deployment uses of its engine.

    `flags` and `variables` are set by its command and environment, `own_flags` of these by the user;
    `texts` are its files, searched for metrics.
    """

    flags: frozenset[str]
    own_flags: frozenset[str]
    variables: frozenset[str]
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Consequence:
    """One thing that means something else. `decide`: a person has to, infra-gen cannot.

    `left_open`: a default of what the deployment does not set.
    """

    name: str
    what: str
    decide: bool = False
    left_open: bool = False


def flags_of(argv: Iterable[str]) -> frozenset[str]:
    """The flags of a command line, without their values."""
    return frozenset(word.partition("=")[0] for word in argv if re.match(r"--?[A-Za-z]", word))


def consequences(engine: str, old: str, new: str, uses: Uses) -> tuple[Consequence, ...]:
    """Everything in the engine's tables that concerns this deployment, what breaks first.

    Raises UsageError for versions that the tables cannot speak of.
    """
    found = changes(engine, old, new)
    rows = [row for section in found.sections for row in _of_section(section, found, uses)]
    if found.new != found.new_base:
        what = (
            "no table holds it, and whether it was released is not known; what follows is true of "
            f"{found.new_base}"
        )
        rows.append(Consequence(f"{engine} {found.new}", what, decide=True))
    return tuple(sorted(rows, key=lambda row: (not row.decide, row.left_open, row.name)))


def _of_section(section: SectionChanges, found: Changes, uses: Uses) -> Iterator[Consequence]:
    if section.section == "flags":
        yield from _flags(section, found, uses)
    elif section.section == "env":
        yield from _variables(section, found, uses)
    elif section.section == "metrics":
        yield from _metrics(section, found, uses)
    elif section.section == "facts":
        for change in section.changed:
            told = _FACTS.get(change.name, change.name)
            yield Consequence(told, f"was {_word(change.old)}, is {_word(change.new)}")


def _gone(gone_by: str | None, instead: str | None) -> str:
    by = f"gone by {gone_by}" if gone_by else "gone"
    return f"{by}; in its place: {instead}" if instead else by


def _flags(section: SectionChanges, found: Changes, uses: Uses) -> Iterator[Consequence]:
    for gone in section.removed:
        if gone.name in uses.flags:
            mine = gone.name in uses.own_flags
            whose = "set in engine_args, " if mine else "no longer written, "
            yield Consequence(gone.name, whose + _gone(gone.gone_by, gone.instead), decide=mine)
    # Where only one of two versions tells its default, nothing is known to have changed.
    untold = {change.name for change in section.changed if change.key == "default_known"}
    for change in section.changed:
        used = change.name in uses.flags
        if change.key == _DEFAULT and not used and change.name not in untold:
            yield Consequence(change.name, _both(change, found), left_open=True)
        elif used and change.key != _DEFAULT and change.key not in _QUIET:
            yield Consequence(change.name, f"set here; its {change.key} {_both(change, found)}")


def _variables(section: SectionChanges, found: Changes, uses: Uses) -> Iterator[Consequence]:
    for gone in section.removed:
        if gone.name in uses.variables:
            yield Consequence(gone.name, "no longer read, " + _gone(gone.gone_by, gone.instead))
    for change in section.changed:
        if change.name in uses.variables and change.key not in {_DEFAULT, *_QUIET}:
            yield Consequence(change.name, f"set here; its {change.key} {_both(change, found)}")


def _metrics(section: SectionChanges, found: Changes, uses: Uses) -> Iterator[Consequence]:
    for gone in section.removed:
        if any(re.search(rf"\b{re.escape(gone.name)}", text) for text in uses.texts):
            yield Consequence(
                gone.name,
                f"used by an alert or a panel, {_gone(gone.gone_by, gone.instead)}",
            )
    for change in section.changed:
        if any(re.search(rf"\b{re.escape(change.name)}", text) for text in uses.texts):
            yield Consequence(
                change.name, f"used by an alert or a panel; its {change.key} {_both(change, found)}"
            )


def _both(change: Change, found: Changes) -> str:
    parts = []
    if change.removed:
        parts.append("loses " + ", ".join(_word(value) for value in change.removed))
    if change.added:
        parts.append("gains " + ", ".join(_word(value) for value in change.added))
    said = " and ".join(parts)
    return (
        said
        or f"was {_word(change.old)} in {found.old_base}, is {_word(change.new)} in {found.new_base}"
    )


def _word(value: Any) -> str:
    if value is None:
        return "unset"
    return str(value).lower() if isinstance(value, bool) else str(value)
