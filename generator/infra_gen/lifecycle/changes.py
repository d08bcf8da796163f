"""What an update has to write and delete, and which files it must leave alone."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from infra_gen.lifecycle.drift import is_executable
from infra_gen.lifecycle.journal import fingerprint
from infra_gen.lifecycle.writing import STATE_DIR
from infra_gen.model.filetree import File
from infra_gen.model.lock import Lock

BASE_DIR = f"{STATE_DIR}/base"


@dataclass(frozen=True, slots=True)
class Changes:
    """What to write and delete, and who else is concerned.

    `edited` are files changed by hand that stand in the way, `foreign` files that infra-gen never
    wrote; `kept` are yours by design, `left` were edited and are no longer part of the deployment.
    `seen` is what each place of `write` and `delete` held.
    """

    write: Mapping[str, File]
    delete: tuple[str, ...]
    kept: tuple[str, ...]
    edited: tuple[str, ...]
    foreign: tuple[str, ...]
    left: tuple[str, ...]
    seen: Mapping[str, str | None]


def find_changes(
    root: Path, tree: Mapping[str, File], deployment: Mapping[str, File], lock: Lock
) -> Changes:
    """Compare `tree` (the `deployment` with lock, schema and pristine copies) with `root`."""
    write: dict[str, File] = {}
    kept, edited, foreign = [], [], []
    seen: dict[str, str | None] = {}
    for path, file in tree.items():
        place = root / path
        if file.file_class == "seeded" and os.path.lexists(place):
            kept.append(path)
            continue
        have, locked = fingerprint(place), lock.files.get(path)
        seen[path] = have
        if path in deployment and have not in (None, file.sha256):
            if locked is None:
                foreign.append(path)
            elif have != locked.sha256:
                edited.append(path)
        if have != file.sha256 or is_executable(place) != file.executable:
            write[path] = file
    gone = {path: fingerprint(root / path) for path in lock.files if path not in tree}
    pristine = [path for path, have in gone.items() if have == lock.files[path].sha256]
    copies = [f"{BASE_DIR}/{path}" for path in gone if (root / BASE_DIR / path).is_file()]
    seen |= gone | {path: fingerprint(root / path) for path in copies}
    return Changes(
        write=write,
        delete=(*sorted(pristine), *copies),
        kept=tuple(sorted(kept)),
        edited=tuple(sorted(edited)),
        foreign=tuple(sorted(foreign)),
        left=tuple(sorted(p for p, have in gone.items() if have and p not in pristine)),
        seen=seen,
    )
