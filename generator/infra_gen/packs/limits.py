"""How much a pack may take: it is somebody else's text, and a check runs it on every pull request."""

from __future__ import annotations

from dataclasses import dataclass

_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one rendering, and of what is read of a pack."""

    seconds: float = 20
    memory: int = 512 * _MIB
    files: int = 500
    file_bytes: int = _MIB
    total_bytes: int = 5 * _MIB


WITHOUT_TRUST = Limits()
TRUSTED = Limits(seconds=120, memory=4096 * _MIB)  # a hook may start other programs
CLONE = Limits(seconds=120, files=20_000, file_bytes=100 * _MIB, total_bytes=200 * _MIB)
