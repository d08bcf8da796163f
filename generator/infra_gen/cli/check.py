"""`infra-gen check`: what a pull request runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

HELP = """Compare deployments with what their spec and lock render, and judge them by every rule.

\b
  infra-gen check
  infra-gen check deploy/chat deploy/search

Writes nothing but what a killed command left unfinished. Exit codes: 0 clean, 2 drift (with a
unified diff and the command that mends it), 3 findings, 4 the spec or lock is wrong, 5 the locked
plan no longer fits.
"""


def check(
    directories: Annotated[
        list[Path] | None, typer.Argument(metavar="DIR", help="Deployments; default here.")
    ] = None,
    show_diff: Annotated[bool, typer.Option("--diff/--no-diff", help="Print diffs.")] = True,
) -> int:
    """Check every folder; the gravest outcome is the exit code."""
    from infra_gen.errors import ExitCode, InfraGenError

    gravest = [ExitCode.BAD_SPEC, ExitCode.DOES_NOT_FIT, ExitCode.FINDINGS, ExitCode.DRIFT]
    outcomes: list[int] = []
    for root in directories or [Path()]:
        try:
            outcomes.append(_check_one(root, show_diff=show_diff))
        except InfraGenError as error:
            for line in error.lines():
                typer.echo(line, err=True)
            outcomes.append(error.exit_code)
    for code in [*gravest, ExitCode.USAGE]:
        if code in outcomes:
            return code
    return ExitCode.CLEAN


def _check_one(root: Path, *, show_diff: bool) -> int:
    from infra_gen import api
    from infra_gen.cli import printing
    from infra_gen.errors import ExitCode

    checked = api.check(root)
    printing.drift(checked, show_diff=show_diff)
    printing.findings(checked.findings)
    if any(f.counts for f in checked.findings):
        return ExitCode.FINDINGS
    if checked.drift:
        return ExitCode.DRIFT
    typer.echo(f"{root}: clean")
    return ExitCode.CLEAN
