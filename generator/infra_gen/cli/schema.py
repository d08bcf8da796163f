"""`infra-gen schema`: what each version of an engine accepts, and what changed between two."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from infra_gen.cli import completion

if TYPE_CHECKING:
    from infra_gen.catalogue.engine_records import Record

HELP = "Flags, variables and metrics of every engine version: show, diff, update."

SHOW_HELP = """Show what one version of an engine accepts and exports, or one name through all.

\b
  infra-gen schema show vllm
  infra-gen schema show vllm --version 0.20 --json
  infra-gen schema show vllm --flag swap-space

ENGINE may also be one that infra-gen has a table of but does not deploy. --version 0.20 is the
newest 0.20.x; without it, the newest version of the table. --flag takes a variable, a metric or a
field (CompilationConfig.mode) too. Exit codes: 0, 1 an unknown name.
"""
DIFF_HELP = """Show what changed between two versions of an engine.

\b
  infra-gen schema diff vllm 0.20 0.33
  infra-gen schema diff llama.cpp 9093 11669 --json

Markdown, or JSON for programs: what was removed and what stands in its place, what takes other
values or has another default, what is new. Exit codes: 0 also when nothing changed, 1 an unknown
name.
"""
UPDATE_HELP = """Read releases that the tables lack, from the engines' own artefacts.

\b
  infra-gen schema update --engine vllm
  infra-gen schema update --engine vllm --from vllm-0.33.0-cp38-abi3-manylinux_2_28_x86_64.whl
  infra-gen schema update --engine ollama --version 0.32.15 --from ~/src/ollama

Works in a checkout of infra-gen. Without --from releases come from the package index, checked by
their digest; nothing of them is installed. A release that is not understood is an error, and then
no table is written. Prints what changed, in Markdown. Exit codes: 0 also when nothing is new, 1 a
release that cannot be had or understood.
"""

schema = typer.Typer(
    name="schema", help=HELP, no_args_is_help=True, rich_markup_mode=None, add_completion=False
)

Engine = Annotated[
    str,
    typer.Argument(metavar="ENGINE", help="An engine.", autocompletion=completion.table_engines),
]


@schema.command("show", help=SHOW_HELP)
def show(
    engine: Engine,
    version: Annotated[str | None, typer.Option(help="Version of the engine.")] = None,
    flag: Annotated[
        str | None, typer.Option(metavar="NAME", help="One flag, variable, field or metric.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="All of it as JSON.")] = False,
) -> int:
    """Look up, print."""
    from infra_gen.catalogue import engine_records
    from infra_gen.cli import schema_printing
    from infra_gen.errors import ExitCode

    if flag is not None:
        one = engine_records.named(engine, version, flag)
        _json(one) if as_json else schema_printing.named(one)
        return ExitCode.CLEAN
    found = engine_records.shown(engine, version)
    _json(found) if as_json else schema_printing.shown(found)
    return ExitCode.CLEAN


def _json(document: Record | dict[str, Any]) -> None:
    import json

    typer.echo(json.dumps(document, indent=2, ensure_ascii=False))


@schema.command("diff", help=DIFF_HELP)
def diff(
    engine: Engine,
    old: Annotated[str, typer.Argument(metavar="OLD", help="The older version.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="The newer version.")],
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of Markdown.")] = False,
) -> int:
    """Compare, print."""
    from infra_gen.catalogue.table_changes import changes, markdown
    from infra_gen.errors import ExitCode

    found = changes(engine, old, new)
    if as_json:
        _json(found.document())
    else:
        typer.echo(markdown(found), nl=False)
    return ExitCode.CLEAN


@schema.command("update", help=UPDATE_HELP)
def update(
    engine: Annotated[
        str | None,
        typer.Option(
            metavar="ENGINE",
            help="One engine; else all that the package index has.",
            autocompletion=completion.table_engines,
        ),
    ] = None,
    version: Annotated[str | None, typer.Option(help="One version; else all new ones.")] = None,
    given: Annotated[
        Path | None,
        typer.Option("--from", metavar="PATH", help="A wheel, an sdist or a folder of sources."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and judge, write nothing.")] = (
        False
    ),
) -> int:
    """Hand over to the tools of the checkout."""
    import sys

    from infra_gen.errors import ExitCode, UsageError
    from infra_gen.resources import data_dir, in_checkout

    if not in_checkout():
        raise UsageError(
            "tables are updated in a checkout of infra-gen; this is an installed package",
            hint="a newer infra-gen brings newer tables; until then unknown flags are warnings",
        )
    if engine is None and (version or given):
        raise UsageError("--version and --from need --engine")
    sys.path.insert(0, str(data_dir("presets").parent / "generator"))
    from tools.tables.command import run  # type: ignore[import-not-found, unused-ignore]

    wrote: bool = run(engine, version, given, typer.echo, write=not dry_run)
    if wrote and not dry_run:
        typer.echo("\nNow run `make index docs golden unit` and read the diff.", err=True)
    return ExitCode.CLEAN
