"""`infra-gen update`: regenerate from the spec."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

HELP = """Regenerate a deployment after its infra-gen.yaml changed.

\b
  infra-gen update chat
  infra-gen update chat --engine-version 0.33.0
  infra-gen update chat --abort

When the spec changed, engine and model stay as long as they hold the new load; --replan chooses all
anew. --engine-version writes that version into the spec and says which flags, defaults and metrics
that this deployment depends on mean something else. Prints old -> new.
Edits of yours in its files are kept: merged with what changed, and recorded in the lock. Where both
changed the same lines, both stay in the file between marks; resolve them, or take the whole update
back with --abort. --adopt writes edits that JSON patches can say into infra-gen.yaml: from then on
they are part of what is rendered. Exit codes: 0 done, 2 conflicts (the files say where), 3 findings,
4 the spec or lock is wrong, 5 does not fit.
"""


def update(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The deployment.")] = Path(),
    replan: Annotated[bool, typer.Option("--replan", help="Choose everything auto anew.")] = False,
    discard_edits: Annotated[
        bool, typer.Option("--discard-edits", help="Overwrite files edited by hand.")
    ] = False,
    engine_version: Annotated[
        str | None, typer.Option(metavar="VERSION", help="Move to this version of the engine.")
    ] = None,
    adopt: Annotated[
        bool,
        typer.Option(
            "--adopt", help="Write edits of YAML and JSON files into the spec as patches."
        ),
    ] = False,
    abort: Annotated[
        bool, typer.Option("--abort", help="Take back an update that left conflicts.")
    ] = False,
) -> int:
    """Regenerate, print what changed."""
    from infra_gen import api
    from infra_gen.cli import change_printing, printing
    from infra_gen.errors import ExitCode, FindingsError, UsageError

    if abort:
        if replan or discard_edits or engine_version or adopt:
            raise UsageError("--abort takes an update back; it goes with no other option")
        change_printing.restored(directory, api.abort(directory))
        return ExitCode.CLEAN
    if adopt and (discard_edits or engine_version):
        raise UsageError("--adopt writes edits into the spec: alone, or with --replan")
    try:
        prepared = api.prepare(
            directory,
            replan=replan,
            discard_edits=discard_edits,
            engine_version=engine_version,
            adopt=adopt,
        )
    except FindingsError as error:
        printing.findings(error.findings)
        raise
    change_printing.engine_move(api.engine_move(prepared))
    updated = api.carry_out(prepared)
    change_printing.updated(updated)
    return ExitCode.DRIFT if updated.conflicts else ExitCode.CLEAN
