"""Making a file yours: infra-gen neither writes nor compares it any more; and giving it back."""

from __future__ import annotations

from pathlib import Path

from infra_gen.errors import ConflictError, UsageError, did_you_mean
from infra_gen.lifecycle.edits import open_conflicts
from infra_gen.lifecycle.journal import BASE_DIR, fingerprint
from infra_gen.lifecycle.lock_file import lock_text
from infra_gen.lifecycle.undo import leftovers
from infra_gen.lifecycle.writing import apply_changes
from infra_gen.model.filetree import File
from infra_gen.model.lock import Lock
from infra_gen.model.names import LOCK_FILE


def _managed(root: Path, path: str, lock: Lock) -> None:
    locked = lock.files.get(path)
    if locked is None:
        managed = [p for p, f in lock.files.items() if f.file_class == "managed"]
        raise UsageError(
            f"{path} is not infra-gen's", where=str(root), hint=did_you_mean(path, managed)
        )
    if locked.file_class != "managed":
        raise UsageError(
            f"{path} is yours already ({locked.file_class})", where=str(root), hint="edit it freely"
        )
    if fingerprint(root / path) is None:
        raise UsageError(
            f"{path} is missing", where=str(root), hint="infra-gen update brings it back"
        )


def _settled(root: Path, lock: Lock) -> None:
    """Refuse while an update with conflicts is under way: afterwards it could not be taken back."""
    still, left = open_conflicts(root, lock), leftovers(root)
    if still:
        raise ConflictError(str(root), still, undoable=bool(left))
    if left:
        raise UsageError(
            "an update with conflicts is not finished", where=str(root),
            hint="finish it with infra-gen update, or take it back with infra-gen update --abort",
        )  # fmt: skip


def eject(root: Path, path: str, lock: Lock) -> None:
    """Mark `path` as ejected in the lock and drop its pristine copy; the file itself stays."""
    _managed(root, path, lock)
    _settled(root, lock)
    locked = lock.files[path]
    judged = locked.edited or locked.sha256
    locked = locked.model_copy(update={"file_class": "ejected", "sha256": judged, "edited": None})
    _write(root, lock.model_copy(update={"files": {**lock.files, path: locked}}), drop=path)


def take_back(root: Path, path: str, lock: Lock) -> None:
    """Forget that `path` was ejected: the next update writes it again."""
    locked = lock.files.get(path)
    if locked is None or locked.file_class != "ejected":
        ejected = [p for p, f in lock.files.items() if f.file_class == "ejected"]
        hint = f"ejected: {', '.join(sorted(ejected))}" if ejected else "no file of it is"
        raise UsageError(f"{path} was not ejected", where=str(root), hint=hint)
    if fingerprint(root / path) is not None:
        raise UsageError(
            f"{path} is in its place",
            where=str(root),
            hint="move or delete your file first: infra-gen would write its own there",
        )
    _settled(root, lock)
    files = {name: one for name, one in lock.files.items() if name != path}
    _write(root, lock.model_copy(update={"files": files}))


def _write(root: Path, lock: Lock, drop: str | None = None) -> None:
    copy = f"{BASE_DIR}/{drop}"
    delete = (copy,) if drop and (root / copy).is_file() else ()
    seen = {place: fingerprint(root / place) for place in (LOCK_FILE, *delete)}
    apply_changes(root, {LOCK_FILE: File(lock_text(lock))}, delete, seen)
