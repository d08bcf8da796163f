"""Comparing deployments with what they should be: one, or a thousand."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from infra_gen.errors import ExitCode, InfraGenError, exit_code_of
from infra_gen.knowledge.digest import knowledge_sha256
from infra_gen.lifecycle.untouched import untouched
from infra_gen.model.finding import Finding

if TYPE_CHECKING:
    from infra_gen.lifecycle.drift import Drift

# Starting a process and loading what planning needs costs as much as rendering this many.
_WORTH_A_PROCESS = 12
# Folders handed over at once: hashes take less time than the way there, a render more.
_CHUNK, _CHUNK_FULL = 32, 4
# Chunks under way for each process: results wait to be told in order, and only so many of them.
_AHEAD = 4


@dataclass(frozen=True, slots=True)
class Checked:
    """What `check` found in a folder.

    `edited` and `ejected` are yours by the lock, and no drift. `moved`: infra-gen or its knowledge is
    another than when the files were written. `error` is set where the folder could not be checked.
    """

    root: Path
    drift: tuple[Drift, ...] = ()
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
        failing = [one for one in self.drift if strict or not one.warns]
        return ExitCode.DRIFT if failing else ExitCode.CLEAN


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a folder could not be checked; errors themselves do not travel between processes."""

    exit_code: ExitCode
    message: str
    where: str | None
    hint: str | None
    lines: tuple[str, ...] = field(default=())


def check(root: Path, *, full: bool = False) -> Checked:
    """Compare `root` with what spec and lock render, and judge the files as they are.

    Rendering is skipped where every hash is as the lock says, unless `full`.
    """
    known = None if full else untouched(root, knowledge_sha256())
    if known:
        return Checked(root, (), known.findings, known.edited, known.ejected, rendered=False)
    from infra_gen.comparing import compare  # noqa: PLC0415 - planning and rendering: half a second

    return compare(root)


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


def cores() -> int:
    """How many processes can run at once."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def check_many(
    roots: Iterable[Path], *, full: bool = False, found: bool = False
) -> Iterator[Checked]:
    """Every folder in the order given, several at a time where that pays.

    Folders that nobody named, but were `found`, cannot be mistyped: one that is gone has vanished,
    which is exit 4.
    """
    for checked in _each(list(roots), full=full):
        if found and checked.error and not checked.root.is_dir():
            gone = replace(checked.error, exit_code=ExitCode.BAD_SPEC)
            yield replace(checked, error=gone)
        else:
            yield checked


def _each(folders: list[Path], *, full: bool) -> Iterator[Checked]:
    workers = min(cores(), len(folders) // _WORTH_A_PROCESS)
    if workers < 2:
        yield from (checked_or_error(root, full=full) for root in folders)
        return
    with ProcessPoolExecutor(workers) as pool:
        rest, size = iter(folders), _CHUNK_FULL if full else _CHUNK
        under_way: deque[Future[list[Checked]]] = deque()
        while chunk := list(islice(rest, size)):
            under_way.append(pool.submit(partial(_all_of, full=full), chunk))
            if len(under_way) >= _AHEAD * workers:
                yield from under_way.popleft().result()
        while under_way:
            yield from under_way.popleft().result()


def _all_of(roots: list[Path], *, full: bool) -> list[Checked]:
    return [checked_or_error(root, full=full) for root in roots]
