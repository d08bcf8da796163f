"""`infra-gen show`: one preset, engine, target, workload or rule in full."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from infra_gen.cli import completion

if TYPE_CHECKING:
    from infra_gen.catalogue.sections import Fact, Section

HELP = """Show everything known of a preset, an engine, a target, a workload or a rule.

\b
  infra-gen show rtx-4090
  infra-gen show qwen3-32b --json
  infra-gen show engines vllm

Every value comes with its unit, its source and the day it was checked. KIND is needed only for a
name that two kinds have. --json prints the preset as its file has it, with its kind.
Exit codes: 0, 1 an unknown name.
"""


def show(
    first: Annotated[
        str,
        typer.Argument(
            metavar="WHAT",
            help="A name; or its kind, then the name.",
            autocompletion=completion.anything,
        ),
    ],
    second: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME", help="The name, after a kind.", autocompletion=completion.of_kind
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The record as JSON.")] = False,
) -> int:
    """Find, print."""
    from infra_gen.catalogue.details import record
    from infra_gen.errors import ExitCode

    kind, name = _found(first, second)
    if as_json:
        import json

        typer.echo(json.dumps(record(kind, name), indent=2, ensure_ascii=False))
        return ExitCode.CLEAN
    if kind == "rules":
        from infra_gen.cli import printing
        from infra_gen.rules.registry import RULES

        printing.rule(RULES[name].RULE)
        return ExitCode.CLEAN
    _print(kind, name)
    return ExitCode.CLEAN


def _found(first: str, second: str | None) -> tuple[str, str]:
    from infra_gen.catalogue.filters import kind_named
    from infra_gen.catalogue.lookup import find
    from infra_gen.catalogue.rows import KINDS
    from infra_gen.errors import UsageError

    if second is not None:
        return find(second, kind_named(first))
    if first in KINDS:
        raise UsageError(
            f"{first} is a kind, not a name", hint=f"infra-gen list {first} names them all"
        )
    return find(first)


def _print(kind: str, name: str) -> None:
    from infra_gen.catalogue.details import details
    from infra_gen.cli import table

    for number, section in enumerate(details(kind, name)):
        if number:
            typer.echo("")
        table.heading(section.title)
        _section(section)


def _section(section: Section) -> None:
    from infra_gen.cli import table

    _facts(section.facts)
    if section.table:
        head, *rows = section.table
        columns = [
            table.Column(title, tuple(cells), drop=number)
            for number, (title, *cells) in enumerate(zip(head, *rows, strict=True))
        ]
        table.show(columns, indent="  ")
    for line in section.lines:
        table.paragraph(line, "  ")


def _facts(facts: Sequence[Fact]) -> None:
    from infra_gen.cli import table

    width = max((len(fact.label) for fact in facts), default=0)
    for fact in facts:
        known = "unknown" if fact.value is None else f"{fact.value} {fact.unit}".rstrip()
        mark = " (assumed)" if fact.assumed else ""
        table.paragraph(known + mark, " " * (width + 4), f"  {fact.label.ljust(width)}  ")
        if fact.source:
            on = f" ({fact.checked})" if fact.checked else ""
            table.paragraph(f"source: {fact.source}{on}", "      ")
        if fact.note:
            table.paragraph(f"note: {fact.note}", "      ")
