"""`infra-gen check`: what a pull request runs."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from infra_gen.cli.many import folders_of, gravest, watched

if TYPE_CHECKING:
    from infra_gen.checking import Checked

HELP = """Compare deployments with what their spec and lock render, and judge them by every rule.

\b
  infra-gen check
  infra-gen check deploy/chat deploy/search
  infra-gen check --format github

A folder that is no deployment stands for every infra-gen.yaml below it, but what .gitignore
excludes; without folders, this one. github, sarif and markdown name files from the top of the git
repository, as GitHub reads them. Writes nothing but what a killed command left unfinished. Files that
a newer infra-gen would write otherwise are a warning, with --strict an error. Exit codes: 0 clean, 2
drift (with a unified diff and the command that mends it), 3 findings, 4 a spec or lock is wrong, 5 a
locked plan no longer fits.
"""


class Format(StrEnum):
    """How the outcome is printed."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"
    SARIF = "sarif"
    MARKDOWN = "markdown"


def check(
    directories: Annotated[
        list[Path] | None,
        typer.Argument(metavar="DIR", help="Deployments, or folders of them; default: here."),
    ] = None,
    show_diff: Annotated[bool, typer.Option("--diff/--no-diff", help="Print diffs.")] = True,
    form: Annotated[
        Format,
        typer.Option("--format", help="For people, scripts, GitHub, code scanning, a job summary."),
    ] = Format.TEXT,
    strict: Annotated[
        bool, typer.Option("--strict", help="A newer infra-gen's other output is an error.")
    ] = False,
    full: Annotated[
        bool, typer.Option("--full", help="Render all, also what no byte changed of.")
    ] = False,
) -> int:
    """Check every folder; the gravest outcome is the exit code."""
    from infra_gen.checking import check_many  # not the api: it brings planning and rendering

    folders = _folders(directories)
    checking = check_many(folders, full=full, found=not directories)
    found = watched(checking, len(folders))
    if form is Format.TEXT:
        return _as_text(found, many=len(folders) > 1, show_diff=show_diff, strict=strict)
    return _as_document(list(found), form, strict=strict)


def _folders(directories: list[Path] | None) -> list[Path]:
    from infra_gen.errors import UsageError
    from infra_gen.lifecycle import writing
    from infra_gen.lifecycle.discovery import find_deployments
    from infra_gen.model.names import SPEC_FILE

    if directories:
        return folders_of(directories)
    writing.recover(Path())  # a killed `new --repo` may not have put its deployment there yet
    found = list(find_deployments(Path()))
    if not found:
        raise UsageError(f"no {SPEC_FILE} here or below", hint="infra-gen new makes a deployment")
    return found


def _as_text(found: Iterator[Checked], *, many: bool, show_diff: bool, strict: bool) -> int:
    from infra_gen.cli import change_printing, printing
    from infra_gen.errors import ExitCode

    outcomes: list[int] = []
    told: dict[tuple[str, ...], Path] = {}  # errors of a base that several specs extend: once
    for checked in found:
        lines = checked.error.lines if checked.error else ()
        first = told.setdefault(lines, checked.root)
        if lines and first != checked.root:
            lines = (f"error: {checked.root}: the same as in {first}",)
        for line in lines:
            typer.echo(line, err=True)
        change_printing.drift(checked, show_diff=show_diff, strict=strict)
        printing.findings(checked.findings, checked.root)
        outcomes.append(checked.exit_code(strict=strict))
        if outcomes[-1] == ExitCode.CLEAN:
            typer.echo(f"{checked.root}: clean")
    if many:
        clean = outcomes.count(ExitCode.CLEAN)
        typer.echo(f"{len(outcomes)} deployments, {clean} clean")
    return gravest(outcomes)


def _as_document(found: list[Checked], form: Format, *, strict: bool) -> int:
    from infra_gen.cli import reports, reports_github, reports_sarif
    from infra_gen.lifecycle.discovery import repository_top

    code = gravest(int(checked.exit_code(strict=strict)) for checked in found)
    if form is Format.JSON:
        typer.echo(reports.as_json(found, code, strict=strict))
        return code
    top = repository_top(Path())
    if form is Format.MARKDOWN:
        typer.echo(reports_github.summary(found, code, strict=strict, base=top), nl=False)
        return code
    all_entries = reports.once(
        [one for checked in found for one in reports.entries(checked, strict=strict, base=top)]
    )
    if form is Format.SARIF:
        typer.echo(reports_sarif.sarif(all_entries))
    else:
        for line in reports_github.commands(all_entries):
            typer.echo(line)
    return code
