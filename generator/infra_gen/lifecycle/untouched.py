"""Whether a deployment is byte for byte as it was written, from the same knowledge.

Same spec, lock, knowledge and infra-gen render the same bytes, so then nothing has to be rendered to
know that nothing drifted, and what the rules said still holds. Anything that is not as the sealed lock
says, down to one executable bit, is left to the full comparison.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra_gen import __version__
from infra_gen.lifecycle.journal import BASE_DIR, unfinished
from infra_gen.lifecycle.merging import conflict_lines
from infra_gen.lifecycle.regular import hash_of
from infra_gen.lifecycle.seal import read_sealed
from infra_gen.model.finding import Finding
from infra_gen.model.names import LOCK_FILE
from infra_gen.model.versions import version_key

GENERATOR = f"infra-gen {__version__}"


@dataclass(frozen=True, slots=True)
class Untouched:
    """What the lock of an untouched deployment says of it."""

    findings: tuple[Finding, ...]
    edited: tuple[str, ...]
    ejected: tuple[str, ...]


def newer_than_this(generator: str) -> bool:
    """Whether a lock's `generator` is an infra-gen that came out after this one."""
    name, _, version = generator.partition(" ")
    try:
        return name == "infra-gen" and version_key(version) > version_key(__version__)
    except ValueError:
        return False


def untouched(root: Path, knowledge: str) -> Untouched | None:
    """The lock's word on `root`; None where a full comparison is needed.

    `knowledge` is the hash of what infra-gen knows now.
    """
    if unfinished(root):
        return None
    document = read_sealed(root / LOCK_FILE)
    try:
        return _judged(root, document, knowledge) if document else None
    except (KeyError, TypeError, AttributeError, ValueError):  # a forged lock can have any seal
        return None


def _judged(root: Path, document: Mapping[str, Any], knowledge: str) -> Untouched | None:
    if document.get("generator") != GENERATOR:
        return None
    if document.get("knowledge_sha256") != knowledge or not document.get("inputs"):
        return None
    inputs: Mapping[str, str] = document["inputs"]
    if any(hash_of(_below(root, path)) != digest for path, digest in inputs.items()):
        return None
    if document.get("packs"):  # their copies are inputs too, and trust is asked for: look closer
        return None
    files: Mapping[str, Mapping[str, Any]] = document["files"]
    if not all(_as_locked(_below(root, path), locked) for path, locked in files.items()):
        return None
    copies = _below(root, BASE_DIR)
    if any(
        locked["class"] == "managed" and hash_of(f"{copies}/{path}") != locked["sha256"]
        for path, locked in files.items()
    ):
        return None
    return Untouched(
        findings=tuple(Finding(**row) for row in document["findings"]),
        edited=tuple(sorted(path for path, locked in files.items() if locked.get("edited"))),
        ejected=tuple(sorted(p for p, locked in files.items() if locked["class"] == "ejected")),
    )


def _below(root: Path, path: str) -> str:
    return os.path.join(root, path)  # noqa: PTH118 - a Path costs more than looking at the file


def _as_locked(place: str, locked: Mapping[str, Any]) -> bool:
    if locked["class"] == "seeded":
        return True
    if locked["class"] == "ejected":  # the rules judge it too: no other bytes than those they saw
        return hash_of(place) == str(locked["sha256"])
    try:
        mode = os.lstat(place).st_mode
    except OSError:
        return False
    if not stat.S_ISREG(mode):
        return False
    if os.name == "posix" and bool(mode & stat.S_IXUSR) != locked["executable"]:
        return False
    have = hash_of(place)
    if have == locked["sha256"]:
        return True
    if have is None or have != locked.get("edited"):
        return False
    return not conflict_lines(Path(place).read_bytes().decode("utf-8", errors="replace"))
