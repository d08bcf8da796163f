"""Taking an update with conflicts back: what every place held before it, kept until it is resolved.

The copies lie under `.infra-gen/undo/`, are written and dropped together with the update itself, and
stay out of version control.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra_gen.errors import EditedError, SpecError, UsageError
from infra_gen.lifecycle.drift import is_executable
from infra_gen.lifecycle.journal import STATE_DIR, fingerprint
from infra_gen.model.filetree import File, safe_path

UNDO_DIR = f"{STATE_DIR}/undo"
_LIST = f"{UNDO_DIR}/places.json"


@dataclass(frozen=True, slots=True)
class _Place:
    """One place: what the update left there, and the copy of what it held (None: nothing)."""

    path: str
    after: str | None
    copy: str | None
    executable: bool
    conflict: bool


@dataclass(frozen=True, slots=True)
class Undoing:
    """The change that takes an update back."""

    write: Mapping[str, File]
    delete: tuple[str, ...]
    seen: Mapping[str, str | None]


def copies(
    root: Path,
    write: Mapping[str, File],
    delete: tuple[str, ...],
    conflicts: Mapping[str, object],
) -> dict[str, File]:
    """Files to write beside the update, from which `undoing` works."""
    found: dict[str, File] = {}
    rows = []
    for number, path in enumerate(sorted({*write, *delete})):
        place = root / path
        copy = f"{UNDO_DIR}/{number:05d}" if place.is_file() else None
        if copy:
            found[copy] = File.of_bytes(place.read_bytes())
        rows.append(
            {
                "path": path,
                "after": write[path].sha256 if path in write else None,
                "copy": copy,
                "executable": is_executable(place),
                "conflict": path in conflicts,
            }
        )
    found[_LIST] = File(json.dumps({"places": rows}, indent=1) + "\n")
    return found


def leftovers(root: Path) -> tuple[str, ...]:
    """What lies in the folder of copies, to be dropped once the conflicts are resolved."""
    folder = root / UNDO_DIR
    if not folder.is_dir() or folder.is_symlink():
        return ()
    return tuple(sorted(p.relative_to(root).as_posix() for p in folder.rglob("*") if p.is_file()))


def undoing(root: Path) -> Undoing:
    """The change back. UsageError when there is nothing to take back.

    Resolutions of conflicts are dropped; another file that was changed since stops it (EditedError).
    """
    places = _places(root / _LIST)
    touched = [p.path for p in places if not p.conflict and fingerprint(root / p.path) != p.after]
    if touched:
        raise EditedError(
            str(root),
            touched,
            why="changed since the update",
            hint="move these changes away first: they would be lost",
        )
    write = {
        p.path: File.of_bytes((root / p.copy).read_bytes(), executable=p.executable)
        for p in places
        if p.copy
    }
    made = [p.path for p in places if p.copy is None and p.after]
    delete = (*made, *leftovers(root))
    seen = {path: fingerprint(root / path) for path in (*write, *delete)}
    return Undoing(write, delete, seen)


def _places(path: Path) -> tuple[_Place, ...]:
    if not path.is_file():
        raise UsageError(
            "no update with conflicts is under way here", where=str(path.parents[2]),
            hint="--abort takes back an update whose conflicts are not resolved yet",
        )  # fmt: skip
    try:
        rows: Any = json.loads(path.read_text("utf-8"))["places"]
        places = tuple(_Place(**row) for row in rows)
        for place in places:
            safe_path(place.path)
            if place.copy is not None and not safe_path(place.copy).startswith(UNDO_DIR):
                raise ValueError("copies lie in the folder of copies")
        if any(place.copy and not (path.parents[2] / place.copy).is_file() for place in places):
            raise ValueError("a copy is missing")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise SpecError(
            "the list of what an update replaced is damaged", where=str(path),
            hint="delete .infra-gen/undo and restore the files from version control",
        ) from error  # fmt: skip
    return places
