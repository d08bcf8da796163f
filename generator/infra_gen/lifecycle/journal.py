"""The journal of one change: what is moved and deleted, and what each place held before.

A place that holds something else when the change is finished later was changed by its owner in
between: it is left as it is.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra_gen.errors import SpecError
from infra_gen.model.filetree import safe_path
from infra_gen.model.names import LOCK_FILE
from infra_gen.model.spec import DEPLOYMENTS

STATE_DIR = ".infra-gen"
BASE_DIR = f"{STATE_DIR}/base"
PENDING = "pending"
JOURNAL = "journal.json"
_STAGED = re.compile(r"\d{5}")


def after_merge(root: Path) -> str:
    """What to do in `root` when two branches that both ran an update were merged."""
    return (
        "during a merge, first remove the marks in all files but the lock, then: "
        f"git checkout HEAD -- {root / LOCK_FILE} {root / STATE_DIR} && infra-gen update {root}"
    )


def fingerprint(place: Path) -> str | None:
    """What is there: the hash of a file, another word for anything else, None for nothing."""
    if not os.path.lexists(place):
        return None
    if place.is_symlink():
        return f"link to {place.readlink()}"
    if not place.is_file():
        return "not a file"
    return hashlib.sha256(place.read_bytes()).hexdigest()


def half_done(root: Path) -> bool:
    """Whether a killed command left something in the very folder `root`."""
    state = root / STATE_DIR
    return (state / JOURNAL).exists() or (state / PENDING).exists()


def homes(root: Path) -> tuple[Path, ...]:
    """Where a change of `root` may have its journal.

    In itself; or, made by `new --repo`, at the top of the repository that it lies in.
    """
    above = root.absolute().parents
    return (root, above[1]) if len(above) > 1 and above[0].name == DEPLOYMENTS else (root,)


def unfinished(root: Path) -> bool:
    """Whether a killed command left something for `root` to finish or undo."""
    return any(half_done(home) for home in homes(root))


@dataclass(frozen=True, slots=True)
class Step:
    """One place, what it held, and the staged file that goes there (None: it is deleted)."""

    path: str
    was: str | None
    staged: str | None


def journal_text(steps: tuple[Step, ...]) -> str:
    """The steps as JSON."""
    rows = [{"path": s.path, "was": s.was, "staged": s.staged} for s in steps]
    return json.dumps({"steps": rows}, indent=1) + "\n"


def steps_of(
    write: Mapping[str, object], delete: tuple[str, ...], seen: Mapping[str, str | None]
) -> tuple[Step, ...]:
    """The steps of a change whose places held `seen`."""
    moves = [
        Step(safe_path(path), seen.get(path), f"{number:05d}")
        for number, path in enumerate(sorted(write))
    ]
    return (*moves, *(Step(safe_path(path), seen.get(path), None) for path in sorted(delete)))


def read_journal(journal: Path) -> tuple[Step, ...]:
    """The steps in `journal`. SpecError when it is not one of ours."""
    try:
        document: Any = json.loads(journal.read_text("utf-8"))
        steps = tuple(_step(row) for row in document["steps"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise damaged(journal) from error
    return steps


def _step(row: Any) -> Step:
    was, staged = row["was"], row["staged"]
    if not isinstance(was, str | None):
        raise TypeError("was is a text or null")
    if staged is not None and not _STAGED.fullmatch(str(staged)):
        raise ValueError("staged files have five digits")
    return Step(safe_path(row["path"]), was, staged)


def damaged(journal: Path) -> SpecError:
    """The error for a journal that cannot be followed."""
    return SpecError(
        "this journal of a half-done change is damaged",
        where=str(journal),
        hint="delete it, then compare the folder with version control",
    )
