"""`infra-gen update`: regenerate from the spec."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from infra_gen.cli import packs as packs_

HELP = """Regenerate a deployment after its infra-gen.yaml changed.

\b
  infra-gen update chat
  infra-gen update chat --abort

When the spec changed, engine and model stay as long as they hold the new load; --replan chooses all
anew. Prints old -> new.
Edits of yours in its files are kept: merged with what changed, and recorded in the lock. Where both
changed the same lines, both stay in the file between marks; resolve them, or take the whole update
back with --abort. Exit codes: 0 done, 2 conflicts (the files say where), 3 findings, 4 the spec or
lock is wrong, 5 does not fit.
"""


def update(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The deployment.")] = Path(),
    replan: Annotated[bool, typer.Option("--replan", help="Choose everything auto anew.")] = False,
    discard_edits: Annotated[
        bool, typer.Option("--discard-edits", help="Overwrite files edited by hand.")
    ] = False,
    packs: Annotated[bool, typer.Option("--packs", help="Fetch packs again.")] = False,
    trust: packs_.Trust = False,
    abort: Annotated[
        bool, typer.Option("--abort", help="Take back an update that left conflicts.")
    ] = False,
) -> int:
    """Regenerate, print what changed."""
    from infra_gen import api
    from infra_gen.cli import printing
    from infra_gen.errors import ExitCode, FindingsError, UsageError

    if abort:
        if replan or discard_edits or packs or trust:
            raise UsageError("--abort takes an update back; it goes with no other option")
        printing.restored(directory, api.abort(directory))
        return ExitCode.CLEAN
    try:
        updated = api.update(
            directory, replan=replan, discard_edits=discard_edits, trust=trust, packs=packs
        )
    except FindingsError as error:
        printing.findings(error.findings)
        raise
    printing.updated(updated)
    return ExitCode.DRIFT if updated.conflicts else ExitCode.CLEAN
