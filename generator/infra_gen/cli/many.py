"""A command over many folders: each is told, an error in one stops no other, the gravest counts."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import typer

_T = TypeVar("_T")

_WORTH_A_BAR = 20  # folders; fewer are done before a bar could be read


def folders_of(words: Sequence[Path] | None) -> list[Path]:
    """The deployments that folders stand for, each once; without words, those here and below."""
    from infra_gen.lifecycle.discovery import deployments_in

    return list(dict.fromkeys(one for word in words or [Path()] for one in deployments_in(word)))


def gravest(outcomes: Iterable[int]) -> int:
    """The exit code of several outcomes."""
    from infra_gen.errors import ExitCode

    order = [
        ExitCode.BUG, ExitCode.BAD_SPEC, ExitCode.DOES_NOT_FIT, ExitCode.FINDINGS, ExitCode.DRIFT,
        ExitCode.USAGE,
    ]  # fmt: skip
    seen = set(outcomes)
    return next((code for code in order if code in seen), ExitCode.CLEAN)


def watched(items: Iterable[_T], total: int) -> Iterator[_T]:
    """The items as they come, with a bar on a terminal's error stream while they are many."""
    if total < _WORTH_A_BAR or not sys.stderr.isatty() or sys.stdout.isatty():
        yield from items
        return
    with typer.progressbar(items, length=total, file=sys.stderr) as bar:
        yield from bar


def each(folders: Sequence[Path], one: Callable[[Path], int], summary: Callable[[int], str]) -> int:
    """Run `one` on every folder, or spec. Alone, its errors are the command's own.

    `summary` says how many ended with 0.
    """
    from infra_gen.errors import ExitCode, InfraGenError, exit_code_of

    if len(folders) == 1:
        return one(folders[0])
    outcomes = []
    for folder in watched(folders, len(folders)):
        typer.secho(f"{folder}:", bold=True)
        try:
            outcomes.append(int(one(folder)))
        except InfraGenError as error:
            for line in error.lines():
                typer.echo(line, err=True)
            outcomes.append(int(error.exit_code))
        except OSError as error:
            typer.echo(f"error: {error.filename or folder}: {error.strerror or error}", err=True)
            outcomes.append(int(exit_code_of(error)))
    typer.echo(f"{len(folders)} deployments, {summary(outcomes.count(ExitCode.CLEAN))}")
    return gravest(outcomes)
