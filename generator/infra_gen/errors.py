"""The errors a user can cause, each with its exit code; anything else is a bug (exit 70)."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # errors is imported at start, the records only when needed
    from infra_gen.model.finding import Finding
    from infra_gen.model.plan import Plan


class ExitCode(IntEnum):
    """What the process returns; see docs/reference/exit-codes.md."""

    CLEAN = 0
    USAGE = 1
    DRIFT = 2
    FINDINGS = 3
    BAD_SPEC = 4
    DOES_NOT_FIT = 5
    BUG = 70
    INTERRUPTED = 130


class InfraGenError(Exception):
    """A message for the user: what happened, where (file, key, line), what to do."""

    exit_code = ExitCode.USAGE

    def __init__(self, message: str, *, where: str | None = None, hint: str | None = None) -> None:
        """`where` names file, key or line; `hint` says what to do next."""
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint

    def lines(self) -> list[str]:
        """The error as printed, one part a line."""
        place = f"{self.where}: " if self.where else ""
        head = f"error: {place}{self.message}"
        return [head] if not self.hint else [head, f"  hint: {self.hint}"]


class UsageError(InfraGenError):
    """A bad flag value, an unknown name, a folder that is in the way."""


class SpecError(InfraGenError):
    """The spec or lock file is wrong."""

    exit_code = ExitCode.BAD_SPEC


class PresetError(InfraGenError):
    """A preset's file is wrong: whoever edited it is told, for that is no bug in infra-gen."""


class DoesNotFitError(InfraGenError):
    """No plan holds the model in memory, or no legal parallelism exists."""

    exit_code = ExitCode.DOES_NOT_FIT

    def __init__(
        self,
        message: str,
        *,
        where: str | None = None,
        hint: str | None = None,
        refused: Plan | None = None,
    ) -> None:
        """`refused` is the nearest miss with its numbers, for `plan --json`."""
        super().__init__(message, where=where, hint=hint)
        self.refused = refused


class FindingsError(InfraGenError):
    """Rules found errors in what would be written: nothing was."""

    exit_code = ExitCode.FINDINGS

    def __init__(self, findings: tuple[Finding, ...], root: str) -> None:
        """Keep the findings for printing; `root` is the deployment that was to be written."""
        super().__init__("the deployment breaks rules; nothing was written", where=root)
        self.findings = findings


class EditedError(InfraGenError):
    """Files edited by hand are in the way of an update."""

    exit_code = ExitCode.DRIFT

    def __init__(
        self,
        root: str,
        paths: Iterable[str],
        *,
        why: str = "changed while infra-gen worked",
        hint: str = "run it again",
    ) -> None:
        """Name every such file, why it is in the way, and what to do."""
        super().__init__(f"{why}: {', '.join(paths)}; nothing was written", where=root, hint=hint)


class ConflictError(InfraGenError):
    """Conflicts of an earlier update, or of a merge in git, are still in the files."""

    exit_code = ExitCode.DRIFT

    def __init__(
        self, root: str, conflicts: Mapping[str, tuple[int, ...]], *, undoable: bool
    ) -> None:
        """Name every file with the first line; `undoable` where an update can be taken back."""
        places = ", ".join(f"{path}:{lines[0]}" for path, lines in conflicts.items())
        super().__init__(
            f"conflicts are not resolved: {places}; nothing was written",
            where=root,
            hint="keep what is right between the marks and remove them, then run it again"
            + ("; infra-gen update --abort takes the update back" if undoable else ""),
        )


def exit_code_of(error: OSError) -> ExitCode:
    """4 for part of a deployment that vanished while it was looked at, 1 for trouble with the disk."""
    gone = isinstance(error, FileNotFoundError | NotADirectoryError)
    return ExitCode.BAD_SPEC if gone else ExitCode.USAGE


_FEW = 24  # names that are still read in a line; every key of a spec is among so many


def did_you_mean(name: str, known: Iterable[str], limit: int = 4) -> str:
    """A hint with the closest known names, or all of them when there are few."""
    names = sorted(set(known))
    by_lower = {one.lower(): one for one in names}
    close = difflib.get_close_matches(name.lower(), by_lower, n=limit, cutoff=0.5)
    if close:
        return "did you mean " + " or ".join(by_lower[one] for one in close) + "?"
    return "known: " + ", ".join(names) if len(names) <= _FEW else f"{len(names)} names are known"
