"""Reads a folder that somebody else filled: no links, no devices, text only, and not too much."""

from __future__ import annotations

import itertools
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from infra_gen.errors import UsageError
from infra_gen.model.filetree import File
from infra_gen.packs.limits import WITHOUT_TRUST, Limits

_DEEPEST = 30
_WIDEST = 5_000  # names of one folder, before any is looked at
_BOM = "\ufeff"


def read_folder(
    folder: Path,
    where: str,
    wanted: Callable[[str], bool] = lambda _: True,
    limits: Limits = WITHOUT_TRUST,
) -> dict[str, File]:
    """Every wanted file below `folder`, by relative path. UsageError for what a pack may not hold."""
    found: dict[str, File] = {}
    left = limits.total_bytes
    for path, entry in _files(folder, "", where, wanted):
        if len(found) == limits.files:
            raise UsageError(f"more than {limits.files} files", where=where)
        size = entry.stat(follow_symlinks=False).st_size
        left -= size
        if size > limits.file_bytes or left < 0:
            raise UsageError(
                f"{path}: too large: {limits.file_bytes} bytes a file, {limits.total_bytes} together",
                where=where,
            )
        found[path] = _read(Path(entry.path), path, where, limits.file_bytes)
    return found


def _files(
    folder: Path, above: str, where: str, wanted: Callable[[str], bool]
) -> Iterator[tuple[str, os.DirEntry[str]]]:
    if above.count("/") > _DEEPEST:
        raise UsageError(f"{above!a}: folders nested too deeply", where=where)
    with os.scandir(folder) as entries:
        listed = list(itertools.islice(entries, _WIDEST + 1))
    if len(listed) > _WIDEST:
        raise UsageError(f"{above or '.'!a}: more than {_WIDEST} files", where=where)
    ordered = sorted(listed, key=lambda entry: entry.name)
    for entry in ordered:
        path = above + entry.name
        if not wanted(path):
            continue
        mode = entry.stat(follow_symlinks=False).st_mode
        if stat.S_ISLNK(mode):
            raise UsageError(f"{path!a} is a link: a pack holds plain files", where=where)
        if stat.S_ISDIR(mode):
            yield from _files(Path(entry.path), f"{path}/", where, wanted)
        elif stat.S_ISREG(mode):
            yield path, entry
        else:
            raise UsageError(f"{path!a} is no plain file", where=where)


def _read(place: Path, path: str, where: str, limit: int) -> File:
    # O_NOFOLLOW: what was a file a moment ago may be a link by now.
    descriptor = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as stream:
        mode = os.fstat(descriptor).st_mode
        data = stream.read(limit + 1) if stat.S_ISREG(mode) else b""
    problem = None
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text, problem = "", "is not UTF-8 text"
    if "\x00" in text:
        problem = "is binary"
    elif text.startswith(_BOM):
        problem = "begins with a byte order mark"
    elif "\r" in text:
        problem = "has line ends other than LF"
    if problem:
        raise UsageError(
            f"{path!a} {problem}", where=where,
            hint="a pack holds UTF-8 text with LF ends, so that edits can be merged",
        )  # fmt: skip
    return File(text, bool(mode & stat.S_IXUSR))
