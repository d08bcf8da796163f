"""`infra-gen validate`: every rule on the files as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

HELP = """Judge the files of a deployment by every rule, hand edits included.

\b
  infra-gen validate chat

Exit codes: 0 clean, 3 findings at error level, 4 the spec or lock is wrong.
"""


def validate(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The deployment.")] = Path(),
    as_json: Annotated[bool, typer.Option("--json", help="Findings as JSON.")] = False,
) -> int:
    """Read, judge, print."""
    from infra_gen import api
    from infra_gen.cli import printing
    from infra_gen.errors import ExitCode

    checked = api.validate(directory)
    if as_json:
        printing.findings_json(checked.findings)
    else:
        printing.findings(checked.findings, directory, empty="no findings")
    failed = any(f.counts for f in checked.findings)
    return ExitCode.FINDINGS if failed else ExitCode.CLEAN
