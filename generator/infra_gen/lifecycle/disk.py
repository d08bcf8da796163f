"""The steps that writing is made of: files and folders whose modes the umask does not touch, locks.

Only `writing` calls them, and in an order of its own.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from infra_gen.errors import UsageError
from infra_gen.model.filetree import File

_UNCHANGED = "nothing was changed; free space or fix permissions, then run it again"


def make_folders(folder: Path) -> None:
    """`folder` and its parents; containers read them, so the umask does not count.

    FileExistsError, naming the place, where something else than a folder is in the way.
    """
    missing = [p for p in (folder, *folder.parents) if not p.is_dir()]
    for one in reversed(missing):
        one.mkdir(exist_ok=True)
        one.chmod(0o755)


def write_file(path: Path, file: File) -> None:
    """The file, its folders and its mode; on the disk when this returns."""
    make_folders(path.parent)
    with path.open("wb") as stream:
        stream.write(file.data)
        stream.flush()
        os.fsync(stream.fileno())
    path.chmod(0o755 if file.executable else 0o644)


def sync_dir(path: Path) -> None:
    """What was renamed into the folder is on the disk when this returns."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def as_user_error(root: Path, hint: str = _UNCHANGED) -> Iterator[None]:
    """Disk trouble as a message: full, read-only, no permission."""
    try:
        yield
    except OSError as error:
        raise UsageError(
            f"cannot write: {error.strerror or error}",
            where=str(error.filename or root),
            hint=hint,
        ) from error


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Wait until no other process writes here; a killed one holds nothing."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # file systems without locks: as safe as one process at a time
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
