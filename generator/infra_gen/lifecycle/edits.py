"""Files edited by hand, and what an update makes of them.

Each managed file exists three times: as it was written last (`.infra-gen/base/`, whose hash the lock
knows), as it is on disk, and as it is rendered now. The edit is the way from the first to the second;
it is applied to the third.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from infra_gen.errors import SpecError
from infra_gen.lifecycle.drift import only_line_ends, pristine
from infra_gen.lifecycle.journal import BASE_DIR, after_merge, fingerprint
from infra_gen.lifecycle.merging import conflict_lines, merge
from infra_gen.lifecycle.regular import bytes_of, hash_of
from infra_gen.model.filetree import File
from infra_gen.model.lock import Lock, LockedFile

_BOM = "\ufeff"


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What is to lie on disk, and how it came about.

    `files` are the deployment's files, edits applied. `edited` are hashes of those that keep an edit;
    `conflicts` the lines at which edits and render contradict each other. `blocked` were edited into
    something that lines cannot be merged with (a link, a folder, no text); `foreign` lie where
    infra-gen never wrote. `ejected` are the files that are yours, as they are: rules judge them too.
    `line_ends` are those of `edited` whose only edit is CRLF.
    """

    files: Mapping[str, File]
    edited: Mapping[str, str] = field(default_factory=dict)
    conflicts: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    blocked: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()
    ejected: Mapping[str, File] = field(default_factory=dict)
    line_ends: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Text:
    """A file as lines with plain ends, and what an editor of another system wrote around them."""

    text: str
    bom: bool
    crlf: bool

    def rewrapped(self, text: str) -> str:
        """`text` with the same beginning and line ends."""
        return (_BOM if self.bom else "") + (text.replace("\n", "\r\n") if self.crlf else text)


def _read(place: Path) -> _Text | None:
    """The file's text; None where it is not UTF-8, or mixes line ends beyond repair."""
    try:
        text = place.read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        return None
    if "\x00" in text:
        return None
    bom = text.startswith(_BOM)
    text = text.removeprefix(_BOM)
    crlf = "\r\n" in text and "\n" not in text.replace("\r\n", "")
    return _Text(text.replace("\r\n", "\n") if crlf else text, bom, crlf)


def base_text(root: Path, path: str, locked: LockedFile) -> str:
    """The file as infra-gen wrote it. SpecError where the copy is gone or is not that."""
    text = pristine(root, path, locked)
    if text is not None:
        return text
    copy = root / BASE_DIR / path
    raise SpecError(
        "the copy of what infra-gen wrote is missing"
        if fingerprint(copy) is None
        else "the copy of what infra-gen wrote is not what the lock says",
        where=str(copy),
        hint=f"an edit of {path} cannot be told from the render without it; {after_merge(root)}; "
        "without git, keep the file as yours with infra-gen eject, or drop the edit with "
        "infra-gen update --discard-edits",
    )


def open_conflicts(root: Path, lock: Lock) -> dict[str, tuple[int, ...]]:
    """Managed files with conflicts that nobody has resolved, an update's or git's, and their lines."""
    found = {}
    for path, locked in sorted(lock.files.items()):
        place = root / path
        if locked.file_class != "managed" or hash_of(place) in (None, locked.sha256):
            continue
        opened = None if place.is_symlink() else _read(place)
        lines = conflict_lines(opened.text, pristine(root, path, locked) or "") if opened else ()
        if lines:
            found[path] = lines
    return found


def reconcile(
    root: Path, deployment: Mapping[str, File], lock: Lock, discard: Container[str]
) -> Reconciled:
    """The deployment with the edits found in `root`, but for the files in `discard`."""
    files: dict[str, File] = {}
    edited: dict[str, str] = {}
    conflicts: dict[str, tuple[int, ...]] = {}
    ejected: dict[str, File] = {}
    blocked, foreign = [], []
    for path, file in deployment.items():
        have, locked = fingerprint(root / path), lock.files.get(path)
        files[path] = file
        if locked and locked.file_class == "ejected":
            data = bytes_of(root / path)
            ejected |= {} if data is None else {path: File.of_bytes(data)}
            continue
        if file.file_class == "seeded" or have in (None, file.sha256):
            continue
        if locked is None:
            foreign.append(path)
            continue
        if path in discard or have == locked.sha256:
            continue
        merged = _applied(root, path, file, locked)
        if merged is None:
            blocked.append(path)
            continue
        files[path], lines = merged
        if files[path].sha256 != file.sha256:
            edited[path] = files[path].sha256
        if lines:
            conflicts[path] = lines
    crlf = (p for p in edited if only_line_ends(files[p].data, deployment[p].sha256))
    return Reconciled(
        files, edited, conflicts, tuple(blocked), tuple(foreign), ejected, tuple(sorted(crlf))
    )


def _applied(
    root: Path, path: str, file: File, locked: LockedFile
) -> tuple[File, tuple[int, ...]] | None:
    """`file` with the edit on disk, and its conflicts; None where lines cannot say the edit."""
    place = root / path
    if place.is_symlink() or not place.is_file():
        return None
    mine = _read(place)
    if mine is None:
        return None
    if file.sha256 == locked.sha256:  # nothing new: the edit stays as it is
        kept = place.read_bytes().decode("utf-8")
        return File(kept, file.executable, file.file_class), ()
    merged = merge(base_text(root, path, locked), mine.text, file.text)
    text = mine.rewrapped(merged.text)
    return File(text, file.executable, file.file_class), merged.conflicts
