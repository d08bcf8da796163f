"""What differs between the tree as rendered and the folder as it is."""

from __future__ import annotations

import difflib
import hashlib
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from infra_gen.model.filetree import File
from infra_gen.model.lock import Lock

Kind = Literal["edited", "missing", "stale", "mode", "spec", "orphan"]

EXPLANATIONS: dict[Kind, str] = {
    "edited": "edited by hand",
    "missing": "missing",
    "stale": "this infra-gen (or its presets) would write it differently",
    "mode": "its executable bit changed",
    "spec": "changed, but the deployment was not regenerated from it",
    "orphan": "no longer part of the deployment",
}


@dataclass(frozen=True, slots=True)
class Drift:
    """One path that is not as it should be, with a unified diff where text can show it."""

    path: str
    kind: Kind
    diff: str = ""


def _diff(path: str, on_disk: str, rendered: str) -> str:
    lines = difflib.unified_diff(
        on_disk.splitlines(keepends=True),
        rendered.splitlines(keepends=True),
        fromfile=f"{path} (on disk)",
        tofile=f"{path} (from infra-gen.yaml)",
    )
    return "".join(line if line.endswith("\n") else line + "\n" for line in lines)


def disk_sha256(path: Path) -> str | None:
    """Hash of a regular file, None when there is none (or something else in its place)."""
    if path.is_symlink() or not path.is_file():
        return None
    return hashlib.sha256(path.read_bytes()).hexdigest()


def is_executable(path: Path) -> bool:
    """Whether its owner may run it; asked of the mode, for some mounts run nothing."""
    return path.is_file() and bool(path.stat().st_mode & stat.S_IXUSR)


def find_drift(root: Path, rendered: Mapping[str, File], lock: Lock) -> list[Drift]:
    """Compare every managed file; seeded files and files of your own are never drift."""
    found = []
    for path, file in sorted(rendered.items()):
        if file.file_class == "seeded":
            continue
        found.extend(_compare(root, path, file, lock))
    for path, locked in sorted(lock.files.items()):
        if path not in rendered and locked.file_class == "managed" and (root / path).exists():
            found.append(Drift(path, "orphan"))
    return found


def _compare(root: Path, path: str, file: File, lock: Lock) -> list[Drift]:
    place = root / path
    have = disk_sha256(place)
    if have is None and os.path.lexists(place):
        return [Drift(path, "edited")]
    if have is None:
        return [Drift(path, "missing", _diff(path, "", file.text))]
    if have != file.sha256:
        locked = lock.files.get(path)
        kind: Kind = "stale" if locked and locked.sha256 == have else "edited"
        text = place.read_bytes().decode("utf-8", errors="replace")
        return [Drift(path, kind, _diff(path, text, file.text))]
    if is_executable(place) != file.executable and os.name == "posix":
        return [Drift(path, "mode")]
    return []
