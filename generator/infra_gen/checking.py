"""Comparing deployments with what they should be: one, or a thousand."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from infra_gen import packing
from infra_gen.building import judge
from infra_gen.errors import ExitCode, InfraGenError, exit_code_of
from infra_gen.knowledge import store
from infra_gen.lifecycle import drift, spec_file
from infra_gen.lifecycle.untouched import GENERATOR, untouched
from infra_gen.model.filetree import File
from infra_gen.model.finding import Finding
from infra_gen.model.spec import SPEC_FILE
from infra_gen.rebuilding import build_at
from infra_gen.updating import load

# Starting a process and loading what planning needs costs as much as rendering this many.
_WORTH_A_PROCESS = 12


@dataclass(frozen=True, slots=True)
class Checked:
    """What `check` found in a folder.

    `edited` and `ejected` are yours by the lock, and no drift. `moved`: infra-gen or its knowledge is
    another than when the files were written. `error` is set where the folder could not be checked.
    """

    root: Path
    drift: tuple[drift.Drift, ...] = ()
    findings: tuple[Finding, ...] = ()
    edited: tuple[str, ...] = ()
    ejected: tuple[str, ...] = ()
    rendered: bool = True
    error: Problem | None = None

    def exit_code(self, *, strict: bool = False) -> ExitCode:
        """What this folder alone would return."""
        if self.error:
            return self.error.exit_code
        if any(finding.counts for finding in self.findings):
            return ExitCode.FINDINGS
        failing = [one for one in self.drift if strict or one.kind != "stale"]
        return ExitCode.DRIFT if failing else ExitCode.CLEAN


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a folder could not be checked; errors themselves do not travel between processes."""

    exit_code: ExitCode
    message: str
    where: str | None
    hint: str | None
    lines: tuple[str, ...] = field(default=())


def _disk_files(root: Path, tree: Mapping[str, File]) -> dict[str, str]:
    found = {}
    for path in tree:
        place = root / path
        if place.is_file():
            found[path] = place.read_bytes().decode("utf-8", errors="replace")
    return found


def check(root: Path, *, full: bool = False) -> Checked:
    """Compare `root` with what spec and lock render, and judge the files as they are.

    Rendering is skipped where every hash is as the lock says, unless `full`.
    """
    known = None if full else untouched(root, store.knowledge_sha256())
    if known:
        return Checked(root, (), known.findings, known.edited, known.ejected, rendered=False)
    spec, lock = load(root)
    kept = tuple(sorted(p for p, f in lock.files.items() if drift.is_kept(root / p, f)))
    ejected = tuple(sorted(p for p, f in lock.files.items() if f.file_class == "ejected"))
    if spec_file.spec_sha256(spec) != lock.spec_sha256:
        changed = (drift.Drift(SPEC_FILE, "spec"), *drift.find_edits(root, lock))
        return Checked(root, changed, (), kept, ejected)
    built = packing.with_packs(
        build_at(root, spec, lock.resolved, lock.images), root, lock, reading=True
    )
    moved = lock.generator != GENERATOR or lock.knowledge_sha256 != store.knowledge_sha256()
    found = tuple(drift.find_drift(root, built.tree, lock, moved=moved))
    if any(one.kind == "conflict" for one in found):  # what lies between marks is no file yet
        return Checked(root, found, (), kept, ejected)
    findings = judge(built, _disk_files(root, built.tree))
    return Checked(root, found, findings, kept, ejected)


def validate(root: Path) -> Checked:
    """All rules on the files as they are, without comparing."""
    spec, lock = load(root)
    built = packing.with_packs(
        build_at(root, spec, lock.resolved, lock.images), root, lock, reading=True
    )
    return Checked(root, (), judge(built, _disk_files(root, built.tree)))


def checked_or_error(root: Path, *, full: bool) -> Checked:
    """`check`, with an error of the user's as a value."""
    try:
        return check(root, full=full)
    except InfraGenError as error:
        problem = Problem(
            ExitCode(error.exit_code), error.message, error.where, error.hint, tuple(error.lines())
        )
        return Checked(root, error=problem)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        message = f"{place}{error.strerror or error}"
        code = exit_code_of(error)
        return Checked(root, error=Problem(code, message, str(root), None, (f"error: {message}",)))


def check_many(
    roots: Iterable[Path], *, full: bool = False, found: bool = False
) -> Iterator[Checked]:
    """Every folder in the order given, several at a time where that pays.

    Folders that nobody named, but were `found`, cannot be mistyped: one that is gone has vanished,
    which is exit 4.
    """
    for checked in _all(list(roots), full=full):
        if found and checked.error and not checked.root.is_dir():
            gone = replace(checked.error, exit_code=ExitCode.BAD_SPEC)
            yield replace(checked, error=gone)
        else:
            yield checked


def _all(waiting: list[Path], *, full: bool) -> Iterator[Checked]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    workers = min(cores or 1, len(waiting) // _WORTH_A_PROCESS)
    if workers < 2:
        yield from (checked_or_error(root, full=full) for root in waiting)
        return
    with ProcessPoolExecutor(workers) as pool:
        chunk = max(1, min(32, len(waiting) // (4 * workers)))
        yield from pool.map(_full if full else _quick, waiting, chunksize=chunk)


def _full(root: Path) -> Checked:
    return checked_or_error(root, full=True)


def _quick(root: Path) -> Checked:
    return checked_or_error(root, full=False)
