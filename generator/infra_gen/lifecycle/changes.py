"""What an update has to write and delete, and which files it must leave alone."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from infra_gen.lifecycle.drift import disk_sha256, is_executable
from infra_gen.lifecycle.writing import STATE_DIR
from infra_gen.model.filetree import File
from infra_gen.model.lock import Lock

BASE_DIR = f"{STATE_DIR}/base"


@dataclass(frozen=True, slots=True)
class Changes:
    """`edited` are files changed by hand that stand in the way; `kept` are yours by design."""

    write: Mapping[str, File]
    delete: tuple[str, ...]
    kept: tuple[str, ...]
    edited: tuple[str, ...]


def find_changes(
    root: Path, tree: Mapping[str, File], deployment: Mapping[str, File], lock: Lock
) -> Changes:
    """Compare `tree` (the `deployment` with lock, schema and pristine copies) with `root`."""
    write, kept, edited = {}, [], []
    for path, file in tree.items():
        place = root / path
        if file.file_class == "seeded" and os.path.lexists(place):
            kept.append(path)
            continue
        have, locked = disk_sha256(place), lock.files.get(path)
        known = (None, file.sha256, locked.sha256 if locked else None)
        if path in deployment and have not in known:
            edited.append(path)
        if have != file.sha256 or is_executable(place) != file.executable:
            write[path] = file
    gone = [path for path in lock.files if path not in tree]
    pristine = [p for p in gone if disk_sha256(root / p) == lock.files[p].sha256]
    copies = [f"{BASE_DIR}/{p}" for p in gone if (root / BASE_DIR / p).is_file()]
    return Changes(
        write=write,
        delete=(*sorted(pristine), *copies),
        kept=tuple(sorted(kept)),
        edited=tuple(sorted(edited)),
    )
