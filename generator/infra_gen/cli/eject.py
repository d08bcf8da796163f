"""`infra-gen eject`: a file becomes yours."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

HELP = """Make a file of a deployment yours: infra-gen writes and compares it no more.

\b
  infra-gen eject image/Dockerfile
  infra-gen eject --undo image/Dockerfile chat

The file stays as it is; what infra-gen.yaml changes later no longer reaches it. An edit that should
meet later changes needs no eject: infra-gen update keeps it. --undo gives a file back, once yours is
out of its place. Exit codes: 0 done, 1 not infra-gen's file, 4 the lock is wrong.
"""


def eject(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A path below the deployment.")],
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The deployment.")] = Path(),
    undo: Annotated[bool, typer.Option("--undo", help="Give the file back.")] = False,
) -> int:
    """Change the lock, say what that means."""
    from infra_gen import api
    from infra_gen.errors import ExitCode

    path = Path(file)
    if path.is_absolute() or path.is_relative_to(directory):
        from contextlib import suppress

        with suppress(ValueError):
            path = path.absolute().relative_to(directory.absolute())
    name = path.as_posix()
    if undo:
        api.take_back(directory, name)
        typer.echo(f"{name}: infra-gen's again; infra-gen update {directory} writes it")
    else:
        api.eject(directory, name)
        typer.echo(f"{name}: yours; infra-gen neither writes nor compares it any more")
    return ExitCode.CLEAN
