"""The only writes. A reader of the folder sees all of a change or none of it, at any kill.

A new folder is staged beside its place and renamed. Into an existing folder a journal is written
first: files are staged under `.infra-gen/pending/`, `.infra-gen/journal.json` appears by rename (the
moment that counts), then each file is moved to its place. The next command finishes a journal that
it finds, and throws away what was staged without one.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from infra_gen.errors import UsageError
from infra_gen.model.filetree import File, safe_path

STATE_DIR = ".infra-gen"
_PENDING = "pending"
_JOURNAL = "journal.json"
_STAGE_MARK = ".infra-gen-new-"


def _mode(file: File) -> int:
    return 0o755 if file.executable else 0o644


def _write_file(path: Path, file: File) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as stream:
        stream.write(file.data)
        stream.flush()
        os.fsync(stream.fileno())
    path.chmod(_mode(file))


def _sync_dir(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _as_user_error(root: Path):  # type: ignore[no-untyped-def]  # a context manager of one line
    """Disk trouble as a message: full, read-only, no permission."""
    try:
        yield
    except OSError as error:
        raise UsageError(
            f"cannot write: {error.strerror or error}",
            where=str(error.filename or root),
            hint="nothing was changed; free space or fix permissions, then run it again",
        ) from error


def write_new_folder(root: Path, files: Mapping[str, File]) -> None:
    """Write `files` as the folder `root`, which must not exist (or be an empty folder)."""
    with _as_user_error(root):
        parent = root.parent
        parent.mkdir(parents=True, exist_ok=True)
        stage = Path(tempfile.mkdtemp(prefix=f"{_STAGE_MARK}{root.name}-", dir=parent))
        try:
            for path, file in files.items():
                _write_file(stage / safe_path(path), file)
            stage.chmod(0o755)
            stage.replace(root)
        except BaseException:
            shutil.rmtree(stage, ignore_errors=True)
            raise
        _sync_dir(parent)


def clean_stages(parent: Path, name: str) -> None:
    """Remove what a killed `write_new_folder` left beside `parent/name`."""
    if not parent.is_dir():
        return
    for stage in parent.glob(f"{_STAGE_MARK}{name}-*"):
        shutil.rmtree(stage, ignore_errors=True)


def in_the_way(root: Path, paths: Iterable[str]) -> list[str]:
    """Which of `paths` exist below `root` already, or cannot be made there."""
    found = []
    for path in paths:
        target = root / path
        parents = [p for p in target.parents if root in p.parents]
        blocked = any(p.is_symlink() or (p.exists() and not p.is_dir()) for p in parents)
        if blocked or os.path.lexists(target):
            found.append(path)
    return sorted(found)


def apply_changes(root: Path, write: Mapping[str, File], delete: Iterable[str] = ()) -> None:
    """Write and delete below the existing folder `root`, all or nothing."""
    recover(root)
    state = root / STATE_DIR
    pending = state / _PENDING
    removed = sorted(safe_path(path) for path in delete)
    entries = [
        {"path": safe_path(path), "staged": f"{number:05d}"}
        for number, path in enumerate(sorted(write))
    ]
    with _as_user_error(root):
        made_state = not state.exists()
        try:
            pending.mkdir(parents=True)
            for entry in entries:
                _write_file(pending / entry["staged"], write[entry["path"]])
            _check_parents(root, write)
            text = json.dumps({"write": entries, "delete": removed}, indent=1) + "\n"
            _write_file(pending / _JOURNAL, File(text))
            _sync_dir(pending)
        except BaseException:
            shutil.rmtree(pending, ignore_errors=True)
            if made_state:
                with suppress(OSError):
                    state.rmdir()
            raise
        (pending / _JOURNAL).replace(state / _JOURNAL)
        _sync_dir(state)
    recover(root)


def _check_parents(root: Path, write: Mapping[str, File]) -> None:
    """Make the folders before the point of no return, so that only renames follow it."""
    for path in write:
        parent = (root / path).parent
        parent.mkdir(parents=True, exist_ok=True)
        if root.resolve() not in (parent.resolve(), *parent.resolve().parents):
            raise UsageError(f"{path} leads out of the folder through a link", where=str(root))
        if not os.access(parent, os.W_OK):
            raise PermissionError(13, "permission denied", str(parent))


def recover(root: Path) -> bool:
    """Finish or undo what a killed command left; True when there was something."""
    state = root / STATE_DIR
    journal, pending = state / _JOURNAL, state / _PENDING
    if not journal.is_file():
        if not pending.is_dir():
            return False
        with _as_user_error(root):
            shutil.rmtree(pending)
        return True
    with _as_user_error(root):
        plan = json.loads(journal.read_text("utf-8"))
        for entry in plan["write"]:
            staged = pending / entry["staged"]
            if staged.is_file():  # else it is in its place already
                staged.replace(root / safe_path(entry["path"]))
        for path in plan["delete"]:
            (root / safe_path(path)).unlink(missing_ok=True)
        for folder in sorted({(root / e["path"]).parent for e in plan["write"]}):
            _sync_dir(folder)
        journal.unlink()
        shutil.rmtree(pending, ignore_errors=True)
    return True
