"""Reading what may lie at a place of a deployment: regular files of a bounded size, nothing else.

A pipe or a device there would never end, and a thousand deployments have twenty thousand such places.
"""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

_MAX_BYTES = 50_000_000  # no input, and no file of a deployment, comes near


def _opened(place: str, flags: int) -> int:
    return os.open(
        place, flags | getattr(os, "O_NONBLOCK", 0)
    )  # opening a pipe waits for its writer


def bytes_of(place: str | Path) -> bytes | None:
    """The bytes of a regular file, None where there is none, or something without an end or too large."""
    try:
        with open(place, "rb", buffering=0, opener=_opened) as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode) or found.st_size > _MAX_BYTES:
                return None
            return file.read()
    except (OSError, ValueError):
        return None


def hash_of(place: str | Path) -> str | None:
    """Hash of a regular file's bytes; None where `bytes_of` has none."""
    data = bytes_of(place)
    return None if data is None else hashlib.sha256(data).hexdigest()
