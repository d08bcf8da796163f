"""Writes one profile, in one step: nobody sees half of it, and no file is lost unasked."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from infra_gen.errors import UsageError


def check(file: Path, *, force: bool) -> None:
    """UsageError when the profile could not be kept there: worth knowing before the long look."""
    if file.name in ("", "..") or file.is_dir():
        raise UsageError("is a folder, not a file", where=str(file))
    if not file.parent.is_dir():
        raise UsageError("there is no such folder", where=str(file.parent))
    if not force and os.path.lexists(file):
        raise _exists(file)


def save(file: Path, text: str, *, force: bool) -> None:
    """Write `text` as `file`. UsageError when it exists and `force` is not set."""
    check(file, force=force)
    staged = file.with_name(f".{file.name}.{os.getpid()}.new")
    try:
        with staged.open("xb") as stream:
            stream.write(text.encode())
            stream.flush()
            os.fsync(stream.fileno())
        if force:
            staged.replace(file)
        else:
            _take_free_place(staged, file)
    except OSError as error:
        raise UsageError(f"cannot write: {error.strerror or error}", where=str(file)) from error
    finally:
        with suppress(OSError):
            staged.unlink()


def _take_free_place(staged: Path, file: Path) -> None:
    """Only a link fails when another process was faster; some file systems have none."""
    try:
        file.hardlink_to(staged)
    except FileExistsError as error:
        raise _exists(file) from error
    except OSError:
        check(file, force=False)
        staged.replace(file)


def _exists(file: Path) -> UsageError:
    return UsageError("exists already", where=str(file), hint="--force replaces it")
