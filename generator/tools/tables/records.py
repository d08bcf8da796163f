"""What is found in one release of an engine, and what makes such a find unfit for a table.

A `Snapshot` maps a section to the records of one version (`SECTIONS` in
infra_gen.model.engine_table). Every record has a `name`, unique in its section. Records hold facts
(names, types, defaults, limits), never an engine's prose, and nothing that changes with every
release, such as a line number. The sections:

- `flags`: name (the long spelling), aliases, negatives (spellings that switch it off), kind
  (positional, value, list, optional_value, switch, bool_pair), type (int, float, str, bool, json,
  path, size), choices (closed) or known_values (open), special_values (beside a number), minimum,
  maximum, exclusive_minimum, exclusive_maximum, nullable, repeatable, nargs (where it is a number
  above 1), env (its twin), config (the class whose fields a JSON value has), deprecated, default.
- `fields`: those of nested configurations, named `Class.field`, told like flags.
- `env`: name, type, choices, nullable, flag (its twin), on_bad_value, default.
- `metrics`: name as exposed, type, labels, conditional (not always there), needs.
- `quantization`: name, min_compute_capability, deprecated, platforms.
- `kv_cache_dtypes`, `tool_call_parsers`, `reasoning_parsers`: name alone.
- `endpoints`: name, path. `facts`: name, value (see `FACTS`).
- `modelfile_commands`, `modelfile_parameters`: Ollama's.

`default` is the value, None included; where it is code that nobody ran, `default_known` is False.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

Record = dict[str, Any]
Snapshot = dict[str, list[Record]]

# How an engine reads its command line and environment.
FACTS = (
    "default_port",  # int
    "underscores",  # `_` and `-` are one in long flags
    "abbreviations",  # the beginning of a flag stands for it
    "equals",  # --flag=value is read
    "dotted_json",  # --flag.key value is read
    "bool_values",  # a switch may be followed by true or false
    "subcommands",  # what stands first
    "env_unknown",  # what the engine does with an unknown variable: warn, ignore, fatal
    "env_prefixes",  # variables that begin so are the engine's own
    "env_negation",  # a variable that begins so switches off what the rest names
    "llama_cpp_build",  # the llama.cpp inside
)


class TableError(Exception):
    """The inputs do not give a table that can be trusted."""


@dataclass(frozen=True, slots=True)
class Artefact:
    """What was read: a wheel, an sdist or a checkout, with its digest or its commit.

    `path` is the folder of its unpacked sources, `name` the file's name or `owner/repo@commit`.
    """

    version: str
    name: str
    sha256: str | None
    path: Path
    method: str


@dataclass(frozen=True, slots=True)
class Guard:
    """What a snapshot must hold to be believed.

    `sentinels` and `at_least` are by section; `may_change` is the share of a section's names that
    one release may add or take away (sections of fewer than 20 names are not held to it).
    """

    sentinels: Mapping[str, Sequence[str]]
    at_least: Mapping[str, int]
    may_change: float = 0.25
    # Version -> section: a jump somebody has looked at.
    known_jumps: Mapping[str, Sequence[str]] = field(default_factory=dict)


class Extractor(Protocol):
    """One engine's way from a release to a snapshot. Its module is named in `registry.py`."""

    engine: str
    guard: Guard

    def releases(self, given: Path | None) -> list[str]:
        """The versions that can be had, oldest first: from the package index, or those in `given`."""
        ...

    def fetch(self, version: str, given: Path | None, scratch: Path) -> Artefact:
        """Bring the sources of that version to `scratch`, or find them in `given`."""
        ...

    def read(self, artefact: Artefact) -> Snapshot:
        """Find everything; TableError where the sources are not understood."""
        ...


def compact(record: Record) -> Record:
    """Drop what a reader fills in by itself: None, False and empty lists (never `default`)."""
    return {
        key: value
        for key, value in record.items()
        if key in ("default", "default_known", "value", "path")
        or not (value is None or value is False or value in ([], ()))
    }


def by_name(records: Iterable[Record]) -> list[Record]:
    """Sort records by name."""
    return sorted(records, key=lambda record: str(record["name"]))


def named(names: Iterable[str]) -> list[Record]:
    """Records that are nothing but their names."""
    return [{"name": name} for name in sorted(set(names))]


def spellings(flag: Record) -> list[str]:
    """Return every way to write a flag."""
    return [flag["name"], *flag.get("aliases", []), *flag.get("negatives", [])]


def sha256(path: Path) -> str:
    """Return the hex digest of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def as_text(value: Any) -> str:
    """One record as JSON on one line, without blanks: the tables travel in the package."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
