"""`infra-gen diff`: what an update would do."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from infra_gen.cli import packs as packs_
from infra_gen.cli.many import each, folders_of

HELP = """Show what infra-gen update would change, without writing.

\b
  infra-gen diff
  infra-gen diff chat --replan
  infra-gen diff chat --engine-version 0.33.0
  infra-gen diff chat --adopt
  infra-gen diff deploy

Unified diffs from the files as they are to what they would become, edits merged. With an option of
update it shows what update does with it; with --engine-version also what that version means. Exit
codes: 0 nothing would change, 2 something would (or conflicts are open), 3 findings, 4 the spec or
lock is wrong, 5 does not fit.
"""


def diff(
    directories: Annotated[
        list[Path] | None,
        typer.Argument(metavar="DIR", help="Deployments, or folders of them; default: here."),
    ] = None,
    replan: Annotated[
        bool, typer.Option("--replan", help="As if all auto were chosen anew.")
    ] = False,
    engine_version: Annotated[
        str | None, typer.Option(metavar="VERSION", help="As if moved to this engine version.")
    ] = None,
    adopt: Annotated[
        bool, typer.Option("--adopt", help="As if edits were written into the spec as patches.")
    ] = False,
    packs: Annotated[bool, typer.Option("--packs", help="As if packs were fetched again.")] = False,
    trust: packs_.Trust = False,
) -> int:
    """Prepare, print."""
    from infra_gen.errors import UsageError

    if adopt and engine_version is not None:
        raise UsageError("--adopt writes edits into the spec: alone, or with --replan")
    wishes: dict[str, Any] = {
        "replan": replan,
        "engine_version": engine_version,
        "adopt": adopt,
        "trust": trust,
        "packs": packs,
    }
    return each(folders_of(directories), partial(_diff, wishes), "{} unchanged".format)


def _diff(wishes: Mapping[str, Any], root: Path) -> int:
    from infra_gen import api
    from infra_gen.cli import change_printing, printing
    from infra_gen.errors import ExitCode, FindingsError

    change_printing.engine_move(api.engine_move(root, wishes["engine_version"]))
    try:
        prepared = api.prepare(root, **wishes)
    except FindingsError as error:
        printing.findings(error.findings, root)
        raise
    change_printing.preview(prepared)
    return ExitCode.DRIFT if prepared.changes.write or prepared.changes.delete else ExitCode.CLEAN
