"""Bring a table up to date: read releases that it lacks, judge them, merge them, write it.

A table is written whole or not at all, and only when every release passed its guard.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from infra_gen.knowledge.store import read_yaml
from infra_gen.model.versions import version_key
from infra_gen.resources import data_dir
from tools.tables import guards
from tools.tables.merging import Table, dump, snapshots_of, source_of, sources_of, table_from
from tools.tables.records import Extractor, Record, Snapshot, TableError
from tools.tables.registry import extractor

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Updated:
    """What an update did: the versions it added or read anew, and where the table is."""

    engine: str
    versions: tuple[str, ...]
    path: Path
    table: Table


def table_path(engine: str) -> Path:
    """Where the table of an engine is."""
    return data_dir("presets") / "engines" / engine / "table.json"


def hints_of(engine: str) -> list[Record]:
    """What stands in the place of removed names: presets/engines/<engine>/hints.yaml.

    Written by people, for no release says it in a form that a program can read.
    """
    path = data_dir("presets") / "engines" / engine / "hints.yaml"
    if not path.is_file():
        return []
    return [
        {"section": section, "name": name, **hint}
        for section, hints in read_yaml(path).items()
        for name, hint in hints.items()
    ]


def current(engine: str) -> tuple[dict[str, Snapshot], dict[str, Record]]:
    """The snapshots and sources of the table as it is; both empty where there is none."""
    path = table_path(engine)
    if not path.is_file():
        return {}, {}
    table = json.loads(path.read_text("utf-8"))
    return snapshots_of(table), sources_of(table)


def missing(found: Iterable[str], known: Iterable[str]) -> list[str]:
    """The releases that a table lacks, from its first version on."""
    have = sorted(map(version_key, known))
    return [
        v for v in found if version_key(v) not in have and (not have or version_key(v) > have[0])
    ]


def update(
    engine: str, version: str | None, given: Path | None, say: Say, *, write: bool = True
) -> Updated:
    """Read `version`, or every release that the table lacks, from the index or from `given`.

    A version named or given is read anew even when the table has it. Raises TableError, and writes
    nothing, when a release cannot be had or is not to be believed.
    """
    reader = extractor(engine)
    snapshots, sources = current(engine)
    wanted = _wanted(reader, version, given, snapshots)
    for one in wanted:
        say(f"{engine} {one}: reading")
        with tempfile.TemporaryDirectory(prefix="infra-gen-") as scratch:
            artefact = reader.fetch(one, given, Path(scratch))
            snapshots[one] = reader.read(artefact)
            sources[one] = source_of(artefact)
    judge(reader, snapshots, wanted)
    table = table_from(engine, snapshots, sources, hints_of(engine))
    path = table_path(engine)
    if write:
        replace_file(path, dump(table))
    return Updated(engine, tuple(wanted), path, table)


def _wanted(
    reader: Extractor, version: str | None, given: Path | None, known: Mapping[str, Snapshot]
) -> list[str]:
    if version is not None:
        return [version]
    found = reader.releases(given)
    return found if given is not None else missing(found, known)


def judge(reader: Extractor, snapshots: Mapping[str, Snapshot], wanted: Iterable[str]) -> None:
    """Hold new snapshots, and what follows each, against the guard of their engine."""
    versions = sorted(snapshots, key=version_key)
    new = set(wanted)
    for number, version in enumerate(versions):
        before = versions[number - 1] if number else None
        if version in new or before in new:
            guards.check(
                version, snapshots[version], reader.guard, snapshots[before] if before else None
            )


def replace_file(path: Path, text: str) -> None:
    """Write a file whole: readers see the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_text(text, "utf-8")
    os.replace(part, path)  # noqa: PTH105 - says what it does: one step


def write_hints(engine: str) -> Path:
    """Put the hints of `hints.yaml` into the table without reading a release."""
    snapshots, sources = current(engine)
    if not snapshots:
        raise TableError(f"{engine}: no table to put hints into")
    path = table_path(engine)
    replace_file(path, dump(table_from(engine, snapshots, sources, hints_of(engine))))
    return path
