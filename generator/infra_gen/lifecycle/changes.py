"""What an update has to write and delete, and what each of these places holds now."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from infra_gen.lifecycle.drift import is_executable
from infra_gen.lifecycle.journal import BASE_DIR, STATE_DIR, fingerprint
from infra_gen.model.filetree import File
from infra_gen.model.lock import Lock

_PACKS_DIR = f"{STATE_DIR}/packs"


@dataclass(frozen=True, slots=True)
class Changes:
    """What to write and delete.

    `kept` are yours by design, `left` were edited and are no longer part of the deployment. `seen`
    is what each place of `write` and `delete` held.
    """

    write: Mapping[str, File]
    delete: tuple[str, ...]
    kept: tuple[str, ...]
    left: tuple[str, ...]
    seen: Mapping[str, str | None]


def find_changes(root: Path, tree: Mapping[str, File], lock: Lock) -> Changes:
    """Compare `tree` (deployment, lock, schema, pristine copies; edits applied) with `root`."""
    write: dict[str, File] = {}
    kept = []
    seen: dict[str, str | None] = {}
    for path, file in tree.items():
        place = root / path
        if file.file_class == "seeded" and os.path.lexists(place):
            kept.append(path)
            continue
        have = seen[path] = fingerprint(place)
        if have != file.sha256 or is_executable(place) != file.executable:
            write[path] = file
    gone = {
        path: fingerprint(root / path)
        for path, locked in lock.files.items()
        if path not in tree and locked.file_class != "ejected"
    }
    pristine = [path for path, have in gone.items() if have == lock.files[path].sha256]
    copies = [f"{BASE_DIR}/{path}" for path in lock.files if f"{BASE_DIR}/{path}" not in tree]
    copies = [path for path in copies if (root / path).is_file()]
    folder = root / _PACKS_DIR
    packs = folder.glob("*.json") if not folder.is_symlink() else ()
    copies += sorted(p for p in (f"{_PACKS_DIR}/{one.name}" for one in packs) if p not in tree)
    seen |= gone | {path: fingerprint(root / path) for path in copies}
    return Changes(
        write=write,
        delete=(*sorted(pristine), *copies),
        kept=tuple(sorted(kept)),
        left=tuple(sorted(p for p, have in gone.items() if have and p not in pristine)),
        seen=seen,
    )
