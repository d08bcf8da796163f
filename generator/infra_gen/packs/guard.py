"""Which paths a pack may write. Pure: names in, complaints out."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from pathlib import PurePosixPath

from infra_gen.model.filetree import safe_path
from infra_gen.model.names import LOCK_FILE, SPEC_FILE

_LONGEST = 200
_ANYWHERE = {".git", ".infra-gen", SPEC_FILE, LOCK_FILE, ".gitmodules"}
_AT_THE_TOP = {".env": "holds your keys", "secrets": "holds your keys"}


def folded(path: str) -> str:
    """The path as file systems see it that know no letter case and no forms of accents."""
    return unicodedata.normalize("NFC", path).casefold()


def complaint(path: str) -> str | None:
    """Why a pack may not write `path`, or None."""
    try:
        path.encode()
        safe_path(path)
    except UnicodeEncodeError:
        return "its name is not UTF-8"
    except ValueError:
        return "it leads out of the folder, or is no plain relative path"
    if any(unicodedata.category(letter) in ("Cc", "Cf", "Zl", "Zp") for letter in path):
        return "its name holds a control character"
    if len(path.encode()) > _LONGEST:
        return f"its name is longer than {_LONGEST} bytes"
    parts = PurePosixPath(folded(path)).parts
    own = _ANYWHERE.intersection(parts)
    if own:
        return f"{min(own)} is infra-gen's or git's"
    if parts[0] in _AT_THE_TOP:
        return f"{parts[0]} {_AT_THE_TOP[parts[0]]}"
    return None


def clashes(paths: Iterable[str], taken: Iterable[str]) -> list[str]:
    """Those of `paths` that are the file, the folder or a folder's file of one in `taken`."""
    by_name = {folded(path) for path in taken}
    folders = {str(parent) for path in by_name for parent in PurePosixPath(path).parents}
    found = []
    for path in paths:
        name = folded(path)
        above = {str(parent) for parent in PurePosixPath(name).parents}
        if name in by_name or name in folders or above & by_name:
            found.append(path)
    return sorted(found)


def twice(paths: Iterable[str]) -> list[str]:
    """Paths that differ only in letter case or in the form of accents."""
    seen: dict[str, str] = {}
    found = []
    for path in sorted(paths):
        first = seen.setdefault(folded(path), path)
        if first != path:
            found.append(path)
    return found
