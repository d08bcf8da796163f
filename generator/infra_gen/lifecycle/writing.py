"""The only writes. The next infra-gen command sees all of a change or none of it, at any kill.

A new folder is staged beside its place and renamed. Into an existing folder a journal is written
first: files are staged under `.infra-gen/pending/`, `.infra-gen/journal.json` appears by rename (the
moment that counts), then each file is moved to its place. The next command finishes a journal that
it finds, and throws away what was staged without one. One process at a time writes into a folder.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from infra_gen.errors import EditedError, UsageError
from infra_gen.lifecycle.disk import as_user_error, locked, make_folders, sync_dir, write_file
from infra_gen.lifecycle.journal import (
    JOURNAL,
    PENDING,
    STATE_DIR,
    Step,
    damaged,
    fingerprint,
    half_done,
    homes,
    journal_text,
    read_journal,
    steps_of,
)
from infra_gen.model.filetree import File, safe_path

_FOLDERS = "folders.json"
_STAGE_MARK = ".infra-gen-new-"
_UNFINISHED = "the change is under way: free space or fix permissions, and the next command ends it"


def write_new(root: Path, files: Mapping[str, File]) -> None:
    """Write `files` as the folder `root`, or into it when it exists: all of them, or nothing.

    Raises UsageError listing every path that is in the way.
    """
    if os.path.lexists(root):
        _sweep(root.parent)
    elif _write_folder(root, files):
        return
    if not root.is_dir():
        raise UsageError("exists and is not a folder", where=str(root), hint="choose another name")
    with as_user_error(root), locked(root):
        _finish(root)
        blocked = in_the_way(root, files)
        if blocked:
            raise UsageError(
                f"{len(blocked)} of the files to write exist already: {', '.join(blocked)}",
                where=str(root),
                hint="move them or choose another folder; for a deployment made before, use "
                "infra-gen update",
            )
        _apply(root, files, steps_of(files, (), {}))


def _write_folder(root: Path, files: Mapping[str, File]) -> bool:
    """The new folder; False where another process made one while this waited for its turn."""
    parent = root.parent
    missing = [p for p in (parent, *parent.parents) if not p.exists()]
    try:
        with as_user_error(root):
            parent.mkdir(parents=True, exist_ok=True)
            with locked(parent):
                _drop_stages(parent)
                if os.path.lexists(root):
                    return False
                _stage_and_rename(root, files)
    except BaseException:
        for folder in missing:
            with suppress(OSError):  # another process may use it by now
                folder.rmdir()
        raise
    return True


def _sweep(folder: Path) -> None:
    """Remove what killed processes staged, as far as this one may."""
    with suppress(OSError):
        if any(folder.glob(f"{_STAGE_MARK}*")):
            with locked(folder):
                _drop_stages(folder)


def _drop_stages(folder: Path) -> None:
    """The lock of `folder` is ours, so nobody stages in it: what lies there was left by a kill."""
    for left in folder.glob(f"{_STAGE_MARK}*"):
        shutil.rmtree(left, ignore_errors=True)


def _stage_and_rename(root: Path, files: Mapping[str, File]) -> None:
    stage = Path(tempfile.mkdtemp(prefix=_STAGE_MARK, dir=root.parent))
    try:
        for path, file in files.items():
            write_file(stage / safe_path(path), file)
        stage.chmod(0o755)
        stage.replace(root)
    except BaseException:
        shutil.rmtree(stage, ignore_errors=True)
        raise
    sync_dir(root.parent)


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


def apply_changes(
    root: Path,
    write: Mapping[str, File],
    delete: Iterable[str],
    seen: Mapping[str, str | None],
) -> None:
    """Write and delete below the existing folder `root`, all or nothing.

    `seen` is what each place held when the change was worked out (`journal.fingerprint`). Raises
    EditedError, with nothing written, when one holds something else by now.
    """
    with as_user_error(root), locked(root):
        _finish(root)
        steps = steps_of(write, tuple(delete), seen)
        changed = [step.path for step in steps if fingerprint(root / step.path) != step.was]
        if changed:
            raise EditedError(str(root), changed)
        _apply(root, write, steps)


def _apply(root: Path, write: Mapping[str, File], steps: tuple[Step, ...]) -> None:
    state = _state(root)
    pending = state / PENDING
    try:
        make_folders(pending)
        write_file(pending / _FOLDERS, File(json.dumps(_missing_folders(root, write))))
        for step in steps:
            if step.staged:
                write_file(pending / step.staged, write[step.path])
        _check_places(root, steps)
        write_file(pending / JOURNAL, File(journal_text(steps)))
        sync_dir(pending)
    except BaseException:
        _undo(root)
        raise
    (pending / JOURNAL).replace(state / JOURNAL)
    sync_dir(state)
    _finish(root)


def _state(root: Path) -> Path:
    state = root / STATE_DIR
    if state.is_symlink():
        raise UsageError("is a link; infra-gen keeps its state in a folder", where=str(state))
    return state


def _missing_folders(root: Path, write: Mapping[str, File]) -> list[str]:
    """Folders that the change makes, so that undoing it can remove them."""
    folders = {p for path in write for p in (root / path).parents if root in p.parents}
    return sorted(p.relative_to(root).as_posix() for p in folders if not p.exists())


def _check_places(root: Path, steps: tuple[Step, ...]) -> None:
    """All that can be refused is refused before the point of no return: only renames follow it."""
    for step in steps:
        target = root / step.path
        if step.staged:
            _refuse_no_folder(root, target.parent)
            make_folders(target.parent)
        if not _inside(root, target.parent):
            raise UsageError(
                f"{step.path} leads out of the folder through a link", where=str(root),
                hint="put a folder in the place of the link; nothing was changed",
            )  # fmt: skip
        if target.parent.is_dir() and not os.access(target.parent, os.W_OK):
            raise PermissionError(13, "permission denied", str(target.parent))
        if step.staged and target.is_dir() and not target.is_symlink():
            raise UsageError("a folder is in the place of a file", where=str(target))


def _refuse_no_folder(root: Path, folder: Path) -> None:
    """UsageError where something else is in the place of `folder`, or of one that it lies in."""
    for place in (folder, *folder.parents):
        if place == root:
            return
        if os.path.lexists(place) and not place.is_dir():
            raise UsageError(
                "is no folder, and files of the deployment go into it", where=str(place),
                hint="move or rename it; nothing was changed",
            )  # fmt: skip


def _inside(root: Path, folder: Path) -> bool:
    real = folder.resolve()
    return root.resolve() in (real, *real.parents)


def recover(root: Path) -> bool:
    """Finish or undo what a killed command left; True when there was something."""
    found = [_recovered(home) for home in homes(root)]  # all of them, not up to the first
    return True in found


def _recovered(root: Path) -> bool:
    state = root / STATE_DIR
    if not state.is_dir() or state.is_symlink():
        return False
    if not half_done(root) and any(state.iterdir()):
        return False
    with as_user_error(root, _UNFINISHED), locked(root):
        return _finish(root)


def _finish(root: Path) -> bool:
    state = _state(root)
    journal, pending = state / JOURNAL, state / PENDING
    if not journal.is_file():
        found = pending.is_dir()
        _undo(root)
        return found
    steps = read_journal(journal)
    if not all(_inside(root, (root / step.path).parent) for step in steps):
        raise damaged(journal)
    with as_user_error(root, _UNFINISHED):
        for step in steps:
            _take(root, step, pending)
        for folder in sorted({(root / s.path).parent for s in steps if s.staged}):
            sync_dir(folder)
        for step in steps:
            if not step.staged:
                _drop_empty(root, (root / step.path).parent)
        journal.unlink()
        shutil.rmtree(pending, ignore_errors=True)
        with suppress(OSError):  # holds the state of a deployment, where this is one
            state.rmdir()
    return True


def _take(root: Path, step: Step, pending: Path) -> None:
    """Move or delete, unless the place was changed since: then its bytes are somebody's."""
    target = root / step.path
    if step.staged and not (pending / step.staged).is_file():
        return  # it is in its place already
    if fingerprint(target) != step.was:
        return
    if step.staged:
        make_folders(target.parent)
        (pending / step.staged).replace(target)
    else:
        target.unlink(missing_ok=True)


def _drop_empty(root: Path, folder: Path) -> None:
    while root in folder.parents:
        try:
            folder.rmdir()
        except OSError:
            return
        folder = folder.parent


def _undo(root: Path) -> None:
    """Throw away what was staged, and the empty folders made for it."""
    state = root / STATE_DIR
    pending = state / PENDING
    with suppress(OSError, ValueError, TypeError):
        for folder in reversed(json.loads((pending / _FOLDERS).read_text("utf-8"))):
            with suppress(OSError):  # not empty, or never made
                (root / safe_path(folder)).rmdir()
    if pending.is_symlink():
        pending.unlink()
    shutil.rmtree(pending, ignore_errors=True)
    with suppress(OSError):
        state.rmdir()
