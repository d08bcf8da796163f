"""`infra-gen update`: regenerate from the spec."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

HELP = """Regenerate a deployment after its infra-gen.yaml changed.

\b
  infra-gen update chat

When the spec changed, engine and model stay as long as they hold the new load; --replan chooses all
anew. Prints old -> new.
Files edited by hand stop the update: nothing is written until you move or drop the edits. Exit
codes: 0 done, 2 hand edits in the way, 3 findings, 4 the spec or lock is wrong, 5 does not fit.
"""


def update(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The deployment.")] = Path(),
    replan: Annotated[bool, typer.Option("--replan", help="Choose everything auto anew.")] = False,
    discard_edits: Annotated[
        bool, typer.Option("--discard-edits", help="Overwrite files edited by hand.")
    ] = False,
) -> int:
    """Regenerate, print what changed."""
    from infra_gen import api
    from infra_gen.cli import printing
    from infra_gen.errors import ExitCode, FindingsError

    try:
        updated = api.update(directory, replan=replan, discard_edits=discard_edits)
    except FindingsError as error:
        printing.findings(error.findings)
        raise
    printing.updated(updated)
    return ExitCode.CLEAN
