"""`infra-gen update`: regenerate from the spec."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from infra_gen.cli import packs as packs_
from infra_gen.cli.many import each, folders_of

HELP = """Regenerate a deployment after its infra-gen.yaml changed.

\b
  infra-gen update chat
  infra-gen update deploy
  infra-gen update chat --engine-version 0.33.0
  infra-gen update chat --abort

When the spec changed, engine and model stay as long as they hold the new load; --replan chooses all
anew. --engine-version writes that version into the spec and says what means something else there: what
this deployment uses, and apart from it the defaults that it leaves to the engine. infra-gen diff with
the same options shows all of it first. Prints old -> new.
Edits of yours in its files are kept: merged with what changed, and recorded in the lock. Where both
changed the same lines, both stay in the file between marks; resolve them, or take the whole update
back with --abort. --adopt writes edits that JSON patches can say into infra-gen.yaml: from then on
they are part of what is rendered. Exit codes: 0 done, 2 conflicts (the files say where), 3 findings,
4 the spec or lock is wrong, 5 does not fit.
"""


def update(
    directories: Annotated[
        list[Path] | None,
        typer.Argument(metavar="DIR", help="Deployments, or folders of them; default: here."),
    ] = None,
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
    packs: Annotated[bool, typer.Option("--packs", help="Fetch packs again.")] = False,
    trust: packs_.Trust = False,
    abort: Annotated[
        bool, typer.Option("--abort", help="Take back an update that left conflicts.")
    ] = False,
) -> int:
    """Regenerate, print what changed."""
    from infra_gen.errors import UsageError

    others = replan or discard_edits or adopt or packs or trust or engine_version is not None
    if abort and others:
        raise UsageError("--abort takes an update back; it goes with no other option")
    if adopt and (discard_edits or engine_version is not None):
        raise UsageError("--adopt writes edits into the spec: alone, or with --replan")
    roots = folders_of(directories)
    if abort:
        return each(roots, _abort, "{} taken back".format)
    wishes: dict[str, Any] = {
        "replan": replan,
        "discard_edits": discard_edits,
        "engine_version": engine_version,
        "adopt": adopt,
        "packs": packs,
        "trust": trust,
    }
    return each(roots, lambda root: _update(root, wishes), "{} up to date".format)


def _abort(root: Path) -> int:
    from infra_gen import api
    from infra_gen.cli import change_printing
    from infra_gen.errors import ExitCode

    change_printing.restored(root, api.abort(root))
    return ExitCode.CLEAN


def _update(root: Path, wishes: Mapping[str, Any]) -> int:
    from infra_gen import api
    from infra_gen.cli import change_printing, printing
    from infra_gen.errors import ExitCode, FindingsError

    change_printing.engine_move(api.engine_move(root, wishes["engine_version"]))
    try:
        prepared = api.prepare(root, **wishes)
    except FindingsError as error:
        printing.findings(error.findings, root)
        raise
    updated = api.carry_out(prepared)
    change_printing.updated(updated, prepared)
    return ExitCode.DRIFT if updated.conflicts else ExitCode.CLEAN
