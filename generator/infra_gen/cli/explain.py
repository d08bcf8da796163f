"""`infra-gen explain`: why a value is what it is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

HELP = """Say why: a decision of this deployment, a flag of its engine, or a rule.

\b
  infra-gen explain
  infra-gen explain context
  infra-gen explain --dir chat max-model-len
  infra-gen explain shm-too-small

Without KEY every decision is printed.
"""


def explain(
    key: Annotated[
        str | None, typer.Argument(metavar="KEY", help="Decision, flag or rule.")
    ] = None,
    directory: Annotated[
        Path, typer.Option("--dir", metavar="DIR", help="The deployment.")
    ] = Path(),
) -> int:
    """Look the key up in rules, decisions and flags."""
    from infra_gen import api
    from infra_gen.cli import printing
    from infra_gen.errors import ExitCode
    from infra_gen.rules.registry import RULES

    if key in RULES:
        printing.rule(RULES[key].RULE)
        return ExitCode.CLEAN
    spec, lock = api.load(directory)
    built = api.build_locked(directory, spec, lock)
    if key is None:
        printing.decisions(built.plan)
        return ExitCode.CLEAN
    for line in api.explain(built, key):
        typer.echo(line)
    return ExitCode.CLEAN
