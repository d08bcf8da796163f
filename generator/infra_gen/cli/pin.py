"""`infra-gen pin`: digests and commits from where they are published."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from datetime import date

    from infra_gen.api import Outcome, Pinning

HELP = """Write images down by digest and the model by commit.

\b
  infra-gen pin chat
  infra-gen pin chat --dry-run
  infra-gen pin chat --models

Asks the images' registries for the digest of each tag, and the Hugging Face Hub for the commit of a
model that has none, keeps both in infra-gen.lock and regenerates the files as infra-gen update does,
with your edits. What cannot be asked stays as it is, and is said. Logins are those of docker login.
A digest holds as long as the tag is the same; a later update asks nobody.
Exit codes: 0 at least one answered, or nothing was to be asked; 1 nobody did, nothing is written;
2 conflicts; 3 findings; 4 the spec or lock is wrong; 5 does not fit.
"""


def pin(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The deployment.")] = Path(),
    images: Annotated[bool, typer.Option("--images", help="Images only.")] = False,
    models: Annotated[
        bool, typer.Option("--models", help="The model only, also one that has a commit.")
    ] = False,
    platform: Annotated[
        str | None,
        typer.Option(
            metavar="OS/ARCH",
            help="What each tag must have an image for; else what the deployment's machine runs. "
            "The digest is that of all platforms together.",
        ),
    ] = None,
    day: Annotated[
        str | None,
        typer.Option("--date", metavar="YYYY-MM-DD", help="The day to write down; else today."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Ask and show, write nothing.")
    ] = False,
) -> int:
    """Ask, say what came of it, write."""
    from infra_gen import api
    from infra_gen.cli import printing
    from infra_gen.errors import FindingsError

    wanted = api.Wanted(
        images=images or not models, models=models or not images, again=models,
        platform=_platform(platform),
    )  # fmt: skip
    try:
        done = api.pin(directory, wanted, _day(day))
    except FindingsError as error:
        printing.findings(error.findings, directory)
        raise
    return _written(done, dry_run=dry_run)


def _written(done: Pinning, *, dry_run: bool) -> int:
    """Say what came of every item, write or show what is new; the exit code."""
    from infra_gen import api
    from infra_gen.cli import change_printing
    from infra_gen.errors import ExitCode

    for one in done.outcomes:
        typer.echo(_line(one))
    if done.in_vain:
        typer.echo("error: nothing could be learned; nothing was written", err=True)
        return ExitCode.USAGE
    if done.prepared is None:
        typer.echo("nothing to write")
        return ExitCode.CLEAN
    if dry_run:
        change_printing.preview(done.prepared)
        return ExitCode.DRIFT if done.prepared.found.conflicts else ExitCode.CLEAN
    updated = api.carry_out(done.prepared)
    change_printing.updated(updated)
    return ExitCode.DRIFT if updated.conflicts else ExitCode.CLEAN


def _line(one: Outcome) -> str:
    note = f" ({one.note})" if one.note else ""
    if one.state == "pinned":
        return f"{one.name}: pinned to {one.value}{note}"
    if one.state == "moved":
        return f"{one.name}: moved, was {one.before}, is {one.value}{note}"
    if one.state == "same":
        return f"{one.name}: still {one.value}{note}"
    if one.state == "skipped":
        return f"{one.name}: not asked: {one.note}"
    left = f"stays {one.value}" if one.value else "stays unpinned"
    return f"{one.name}: {left}: {one.note}"


def _platform(text: str | None) -> str | None:
    import re

    from infra_gen.errors import UsageError

    if text is None or re.fullmatch(r"[a-z0-9]+/[a-z0-9]+", text):
        return text
    raise UsageError(
        f"--platform takes an operating system and a processor, not {text!r}",
        hint="for example --platform linux/arm64",
    )


def _day(text: str | None) -> date:
    import datetime

    from infra_gen.errors import UsageError

    if text is None:
        return datetime.datetime.now(datetime.UTC).date()
    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"--date takes a day, not {text!r}", hint="for example --date 2026-11-23"
        ) from None
