"""`infra-gen schema update`: from the command line to tables and a report of what changed."""

from __future__ import annotations

import tarfile
import urllib.error
import zipfile
from collections.abc import Callable
from pathlib import Path

from infra_gen.catalogue.table_changes import changes, markdown
from infra_gen.errors import UsageError
from infra_gen.knowledge import tables
from infra_gen.model.versions import version_key
from tools.tables.records import TableError
from tools.tables.update import Updated, update

# Engines whose releases a package index holds; the others need a checkout.
INDEXED = ("llama.cpp", "mlx-lm", "sglang", "vllm")


def run(
    engine: str | None,
    version: str | None,
    given: Path | None,
    say: Callable[[str], None],
    *,
    write: bool,
) -> bool:
    """Update one engine or all that an index has, and say what changed; whether anything did.

    Raises UsageError, with the reason, when a release cannot be had or is not to be believed.
    """
    if given is not None and not given.exists():
        raise UsageError(f"{given}: no such file or folder", where="--from")
    done = []
    for name in (engine,) if engine else INDEXED:
        try:
            done.append(update(name, version, given, lambda _: None, write=write))
        except (TableError, ValueError, zipfile.BadZipFile, tarfile.TarError) as error:
            raise UsageError(f"{name}: {error}", hint="no table was written") from error
        except (urllib.error.URLError, TimeoutError) as error:
            raise UsageError(
                f"{name}: the package index cannot be reached: {error}",
                hint="--from PATH reads a wheel, an sdist or a folder of sources",
            ) from error
    for one in done:
        say(_report(one, write=write))
    return any(one.versions for one in done)


def _report(one: Updated, *, write: bool) -> str:
    if not one.versions:
        return f"# {one.engine}: nothing new\n"
    if not write:
        return f"# {one.engine}: {', '.join(one.versions)} understood, nothing written\n"
    tables.table_document.cache_clear()
    known: list[str] = one.table["versions"]
    steps = []
    for version in sorted(one.versions, key=version_key):
        at = known.index(version)
        steps.append(
            markdown(changes(one.engine, known[at - 1], version))
            if at
            else f"# {one.engine} {version}: the first of the table\n"
        )
    return "\n".join(steps)
