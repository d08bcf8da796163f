"""Edits of rendered documents as patches in the spec: then they are what infra-gen renders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra_gen.lifecycle.comments import comments
from infra_gen.lifecycle.drift import disk_sha256
from infra_gen.model.filetree import File
from infra_gen.model.lock import Lock
from infra_gen.render.patching import PatchError, difference, patched, says_the_same


@dataclass(frozen=True, slots=True)
class Adopted:
    """Patches to write into the spec, the files whose edits they say, and why not for others."""

    patches: tuple[Mapping[str, Any], ...] = ()
    files: tuple[str, ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict)


def adoptable(root: Path, rendered: Mapping[str, File], lock: Lock) -> Adopted:
    """What the edits in `root` are as patches on `rendered`, file by file."""
    patches: list[Mapping[str, Any]] = []
    files: list[str] = []
    refused: dict[str, str] = {}
    for path in _edited(root, rendered, lock):
        if rendered[path].sha256 != lock.files[path].sha256:  # a patch would take that back
            refused[path] = "what infra-gen renders changed too: infra-gen update first"
            continue
        try:
            text = (root / path).read_bytes().decode("utf-8")
            patches += _patches(path, rendered[path].text, text)
            files.append(path)
        except UnicodeDecodeError:
            refused[path] = "it is no text"
        except PatchError as error:
            refused[path] = str(error)
    return Adopted(tuple(patches), tuple(files), refused)


def _edited(root: Path, rendered: Mapping[str, File], lock: Lock) -> Iterator[str]:
    for path, file in sorted(rendered.items()):
        locked, have = lock.files.get(path), disk_sha256(root / path)
        if locked is None or locked.file_class != "managed" or have is None:
            continue
        if have not in (locked.sha256, file.sha256):
            yield path


def _patches(path: str, rendered: str, mine: str) -> list[Mapping[str, Any]]:
    """The edit as operations. PatchError where they would not say all of it."""
    operations = difference(path, rendered, mine)
    text = rendered
    for operation in operations:
        text = patched(path, text, operation)
    if not path.endswith(".json"):
        _refuse_other_comments(comments(rendered), comments(text), comments(mine))
    if not operations:
        raise PatchError("the edit changes nothing that the document says")
    if not says_the_same(path, text, mine):
        raise PatchError("a patch cannot say the edit")
    return [{"file": path, **operation} for operation in operations]


def _refuse_other_comments(
    rendered: Sequence[str], patched_ones: Sequence[str], mine: Sequence[str]
) -> None:
    """PatchError where the patched document lacks an added comment, or keeps a deleted one.

    A patch that removes an entry takes along the rendered comment below it: no word of the user's.
    """
    lost, back = Counter(mine) - Counter(patched_ones), Counter(patched_ones) - Counter(mine)
    for one in lost & (Counter(mine) - Counter(rendered)):
        raise PatchError(f"a patch cannot say the comment {one!r}")
    for one in back:
        raise PatchError(f"a patch cannot say that the comment {one!r} is gone")
    if [one for one in patched_ones if one not in lost] != [one for one in mine if one not in lost]:
        raise PatchError("a patch cannot say that comments stand elsewhere")
