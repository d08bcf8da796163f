"""The engine tables: what each version of an engine accepts and exports, by engine and version."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from infra_gen.errors import UsageError, did_you_mean
from infra_gen.model.engine_table import Table
from infra_gen.model.intervals import base_of
from infra_gen.model.table_reading import table_of
from infra_gen.model.versions import version_key
from infra_gen.resources import data_dir


def table_names() -> list[str]:
    """Every engine that has a table, also those that infra-gen cannot deploy yet."""
    folder = data_dir("presets") / "engines"
    return sorted(path.parent.name for path in folder.glob("*/table.json"))


@lru_cache(maxsize=8)
def table_document(name: str) -> dict[str, Any]:
    """The table of an engine as its file has it: all versions (see docs/reference/tables.md)."""
    path = data_dir("presets") / "engines" / name / "table.json"
    if "/" in name or not path.is_file():
        raise UsageError(f"no table of an engine {name!r}", hint=did_you_mean(name, table_names()))
    document: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return document


def engine_table(name: str, version: str) -> Table:
    """The table of an engine as of `version`, which may be newer than the table.

    Raises UsageError for one that is older than the table's first, and for what is no release.
    """
    _refuse_short(name, version)
    position(name, version)
    return table_of(table_document(name), version)


def position(name: str, version: str) -> int:
    """Where the newest version of the table stands that is not newer than `version`.

    Raises UsageError as `engine_table` does.
    """
    versions = table_document(name)["versions"]
    try:
        plain = str(version_key(version)) == version
        at = base_of(version, versions) if plain else -1
    except ValueError as error:  # packaging's InvalidVersion is one
        raise UsageError(
            f"{version!r} is no version of {name}",
            where="engine.version",
            hint=f"write it as in {versions[-1]}",
        ) from error
    if at == -1:
        raise UsageError(
            f"{version!r} is not how a version of {name} is written",
            where="engine.version",
            hint=f"write {version_key(version)}",
        )
    if at is None:
        raise UsageError(
            f"{name} {version} is older than the flag tables, which begin at {versions[0]}",
            where="engine.version",
            hint=f"any version from {versions[0]} to {versions[-1]}, or a newer one",
        )
    return at


def _refuse_short(name: str, version: str) -> None:
    """UsageError for `0.20`, which names a line of releases and would become an image's tag."""
    versions = table_document(name)["versions"]
    begun = [known for known in versions if known.startswith(f"{version}.")]
    if begun and version not in versions:
        raise UsageError(
            f"{version} is a line of releases of {name}, not one of them",
            where="engine.version",
            hint=f"the newest of it is {begun[-1]}",
        )


def resolve(name: str, asked: str) -> str:
    """The version of the table meant by `asked`: `0.20` is the newest 0.20.x, else as written."""
    versions: list[str] = table_document(name)["versions"]
    if asked in versions:
        return asked
    begun = [version for version in versions if version.startswith(f"{asked}.")]
    return begun[-1] if begun else asked
