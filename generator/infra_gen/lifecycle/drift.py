"""What differs between the tree as rendered and the folder as it is."""

from __future__ import annotations

import difflib
import hashlib
import os
import stat
from collections.abc import Container, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from infra_gen.lifecycle.journal import BASE_DIR
from infra_gen.lifecycle.merging import conflict_lines
from infra_gen.lifecycle.regular import bytes_of, hash_of
from infra_gen.model.filetree import File

if TYPE_CHECKING:  # comparing hashes needs no record
    from infra_gen.model.lock import Lock, LockedFile

Kind = Literal[
    "edited", "missing", "stale", "mode", "spec", "orphan", "conflict", "lock", "gone", "base",
    "newer", "line-ends",
]  # fmt: skip

EXPLANATIONS: dict[Kind, str] = {
    "edited": "edited by hand",
    "missing": "missing",
    "stale": "this infra-gen (or its presets) would write it differently",
    "mode": "its executable bit changed",
    "spec": "changed, but the deployment was not regenerated from it",
    "orphan": "no longer part of the deployment",
    "lock": "the lock says other than the file: it was edited and nothing regenerated",
    "conflict": "a merge conflict is not resolved",
    "gone": "ejected, and missing",
    "base": "missing, or not the copy of what infra-gen wrote last",
    "newer": "a newer infra-gen wrote it",
    "line-ends": "only its line ends changed, to CRLF",
}
LINE_ENDS = (
    "git's core.autocrlf changes line ends: with `* text=auto eol=lf` in .gitattributes it does not; "
    "check the files out again"
)


@dataclass(frozen=True, slots=True)
class Drift:
    """One path that is not as it should be: a unified diff where text can show it, or the line."""

    path: str
    kind: Kind
    diff: str = ""
    line: int | None = None

    @property
    def warns(self) -> bool:
        """Whether it fails a strict check only: nobody changed a file."""
        return self.kind in ("stale", "newer")

    def mend(self, root: str) -> str:
        """What puts it right, in one line; `root` as the user calls the folder."""
        if self.kind == "gone":
            return f"put it back, or infra-gen eject --undo {self.path} {root}"
        if self.kind == "newer":
            return "upgrade infra-gen"
        return LINE_ENDS if self.kind == "line-ends" else f"infra-gen update {root}"


def _text(place: Path) -> str:
    return place.read_bytes().decode("utf-8", errors="replace")


def _diff(path: str, on_disk: str, rendered: str, origin: str = "from infra-gen.yaml") -> str:
    lines = difflib.unified_diff(
        on_disk.splitlines(keepends=True),
        rendered.splitlines(keepends=True),
        fromfile=f"{path} (on disk)",
        tofile=f"{path} ({origin})",
    )
    return "".join(line if line.endswith("\n") else line + "\n" for line in lines)


def difference(root: Path, path: str, file: File) -> str:
    """Unified diff from what is on disk to `file`."""
    place = root / path
    text = ""
    if place.is_file():
        text = _text(place)
    return _diff(path, text, file.text, "after an update")


def disk_sha256(path: Path) -> str | None:
    """Hash of a regular file, None when there is none (or something else in its place)."""
    if path.is_symlink() or not path.is_file():
        return None
    return hashlib.sha256(path.read_bytes()).hexdigest()


def pristine(root: Path, path: str, locked: LockedFile) -> str | None:
    """The file as infra-gen wrote it last; None where the copy of that is gone or another."""
    data = bytes_of(root / BASE_DIR / path)
    if data is None or hashlib.sha256(data).hexdigest() != locked.sha256:
        return None
    return data.decode("utf-8")


def is_executable(path: Path) -> bool:
    """Whether its owner may run it; asked of the mode, for some mounts run nothing."""
    return path.is_file() and bool(path.stat().st_mode & stat.S_IXUSR)


def is_kept(place: Path, locked: LockedFile) -> bool:
    """Whether the file is as an update left it with an edit of yours."""
    return locked.edited is not None and disk_sha256(place) == locked.edited


def find_drift(root: Path, rendered: Mapping[str, File], lock: Lock, *, moved: bool) -> list[Drift]:
    """Compare every managed file; seeded, ejected and your own files are never drift.

    `moved`: infra-gen or its knowledge changed since they were written, and so may the render.
    """
    found = []
    for path, file in sorted(rendered.items()):
        locked = lock.files.get(path)
        if locked and locked.file_class == "ejected":
            found.extend(_gone(root, path))
            continue
        if file.file_class == "seeded":
            continue
        found.extend(_compare(root, path, file, locked, moved=moved))
    for path, locked in sorted(lock.files.items()):
        if path not in rendered and locked.file_class == "managed" and (root / path).exists():
            found.append(Drift(path, "orphan"))
    return [*found, *_lost_copies(root, lock, rendered)]


def _gone(root: Path, path: str) -> list[Drift]:
    return [] if os.path.lexists(root / path) else [Drift(path, "gone")]


def _lost_copies(root: Path, lock: Lock, paths: Container[str]) -> list[Drift]:
    """Pristine copies that cannot tell the next edit from what was written."""
    copies = {f"{BASE_DIR}/{p}": f for p, f in sorted(lock.files.items()) if p in paths}
    return [
        Drift(copy, "base")
        for copy, locked in copies.items()
        if locked.file_class == "managed" and hash_of(root / copy) != locked.sha256
    ]


def only_line_ends(data: bytes, *hashes: str) -> bool:
    """Whether these are the bytes that one of `hashes` was taken of, but for CRLF as line ends."""
    plain = data.replace(b"\r\n", b"\n")
    return plain != data and hashlib.sha256(plain).hexdigest() in hashes


def find_edits(root: Path, lock: Lock) -> list[Drift]:
    """What was changed by hand since the last update, as far as hashes tell: nothing is rendered."""
    found = []
    for path, locked in sorted(lock.files.items()):
        place = root / path
        if locked.file_class == "ejected":
            found.extend(_gone(root, path))
        if locked.file_class != "managed" or not os.path.lexists(place):
            continue
        have = disk_sha256(place)
        if have == locked.sha256:
            continue
        lines = conflict_lines(_text(place), pristine(root, path, locked) or "") if have else ()
        if lines:
            found.append(Drift(path, "conflict", line=lines[0]))
        elif have != locked.edited:
            crlf = have and only_line_ends(place.read_bytes(), locked.sha256)
            found.append(Drift(path, "line-ends" if crlf else "edited"))
    return [*found, *_lost_copies(root, lock, lock.files)]


def _compare(
    root: Path, path: str, file: File, locked: LockedFile | None, *, moved: bool
) -> list[Drift]:
    place = root / path
    have = disk_sha256(place)
    if have is None and os.path.lexists(place):
        return [Drift(path, "edited")]
    if have is None:
        return [Drift(path, "missing", _diff(path, "", file.text))]
    if have != file.sha256:
        return _differing(place, path, file, locked, moved=moved)
    if is_executable(place) != file.executable and os.name == "posix":
        return [Drift(path, "mode")]
    return []


def _differing(
    place: Path, path: str, file: File, locked: LockedFile | None, *, moved: bool
) -> list[Drift]:
    text = _text(place)
    kept = locked is not None and is_kept(place, locked)
    lines = conflict_lines(text, file.text)
    if lines:
        return [Drift(path, "conflict", line=lines[0])]
    if kept and locked and locked.sha256 == file.sha256:
        return []
    if not kept and only_line_ends(
        place.read_bytes(), file.sha256, *([locked.sha256] if locked else [])
    ):
        return [Drift(path, "line-ends")]
    known = locked is not None and (kept or locked.sha256 == disk_sha256(place))
    kind: Kind = ("stale" if moved else "lock") if known else "edited"
    return [Drift(path, kind, _diff(path, text, file.text))]
