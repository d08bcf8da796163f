"""`infra-gen list`: what can be named on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from infra_gen.cli import completion

if TYPE_CHECKING:
    from infra_gen.catalogue.filters import Filters, Selection

HELP = """List hardware, instances, models, engines, targets, workloads or rules.

\b
  infra-gen list
  infra-gen list hardware --vendor nvidia --min-memory 24
  infra-gen list models --fits apple-m3-16gb --engine llama.cpp
  infra-gen list models coder

Without KIND: the kinds, and how many there are of each. A word is looked for in ids, names and
aliases. Memory is GiB of one device as programs see it. --fits compares weights alone; `plan` also
counts the cache that requests need.
Exit codes: 0 also when nothing matches, 1 an unknown kind or a value that names nothing.
"""


Kind = Annotated[
    str | None,
    typer.Argument(metavar="KIND", help="What to list.", autocompletion=completion.kinds),
]
Words = Annotated[
    list[str] | None, typer.Argument(metavar="WORD", help="Only rows with every word.")
]
VendorName = Annotated[
    str | None,
    typer.Option(
        help="hardware, instances: nvidia, amd, intel, apple or cpu.",
        autocompletion=completion.vendors,
    ),
]
Least = Annotated[
    float | None, typer.Option(metavar="GIB", help="hardware, instances: at least so much.")
]
Most = Annotated[
    float | None, typer.Option(metavar="GIB", help="hardware, instances: at most so much.")
]
TaskName = Annotated[
    str | None,
    typer.Option(
        help="models, engines: generate, embed or rerank.", autocompletion=completion.tasks
    ),
]
EngineName = Annotated[
    str | None,
    typer.Option(
        help="models that it loads, targets that run it.", autocompletion=completion.engines
    ),
]
Licence = Annotated[
    str | None, typer.Option("--licence", "--license", help="models: exactly this licence.")
]
Fits = Annotated[
    str | None,
    typer.Option(
        metavar="HARDWARE",
        help="models: some checkpoint's weights fit into its usable memory.",
        autocompletion=completion.hardware,
    ),
]


def list_(
    kind: Kind = None,
    words: Words = None,
    vendor: VendorName = None,
    min_memory: Least = None,
    max_memory: Most = None,
    task: TaskName = None,
    engine: EngineName = None,
    licence: Licence = None,
    fits: Fits = None,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON list, every field.")] = False,
) -> int:
    """Parse, select, print."""
    from infra_gen.catalogue.filters import Filters

    filters = Filters(
        words=tuple(words or ()), vendor=vendor, min_memory=min_memory, max_memory=max_memory,
        task=task, engine=engine, licence=licence, fits=fits,
    )  # fmt: skip
    return _kinds(filters, as_json) if kind is None else _rows(kind, filters, as_json)


def _kinds(filters: Filters, as_json: bool) -> int:
    from infra_gen.catalogue.reading import ids
    from infra_gen.catalogue.rows import KINDS
    from infra_gen.cli import table
    from infra_gen.errors import ExitCode, UsageError

    if filters.asked():
        raise UsageError("filters need a kind", hint="infra-gen list " + "|".join(KINDS))
    found = [(kind, len(ids(kind)), what) for kind, what in KINDS.items()]
    if as_json:
        _print_json([{"kind": kind, "count": count, "what": what} for kind, count, what in found])
        return ExitCode.CLEAN
    names, counts, whats = zip(*found, strict=True)
    table.show(
        [
            table.Column("kind", names),
            table.Column("count", tuple(map(str, counts)), drop=1, right=True),
            table.Column("what", whats, drop=2, shorten=True),
        ]
    )
    return ExitCode.CLEAN


def _rows(kind: str, filters: Filters, as_json: bool) -> int:
    from dataclasses import asdict

    from infra_gen.catalogue.filters import kind_named, select
    from infra_gen.errors import ExitCode

    selection = select(kind_named(kind), filters)
    if as_json:
        _print_json([asdict(row) for row in selection.rows])
    else:
        _print_table(selection)
    _remarks(selection, filters)
    return ExitCode.CLEAN


def _print_json(rows: list[dict[str, Any]]) -> None:
    import json

    typer.echo(json.dumps(rows, indent=2, ensure_ascii=False))


def _print_table(selection: Selection) -> None:
    from infra_gen.cli import table
    from infra_gen.cli.list_columns import COLUMNS

    columns = [
        table.Column(
            shown.title, tuple(shown.cell(row) for row in selection.rows), shown.drop,
            shown.right, shown.shorten,
        )
        for shown in COLUMNS[selection.kind]
    ]  # fmt: skip
    left_out = table.show(columns)
    if left_out:
        typer.echo(f"no room for: {', '.join(left_out)} (--json has all)", err=True)


def _remarks(selection: Selection, filters: Filters) -> None:
    """What the rows do not say, on stderr so that pipes stay clean."""
    if selection.room_gib is not None:
        typer.echo(
            f"fits: weights of at most {selection.room_gib:.1f} GiB, the usable memory of "
            f"{filters.fits}; requests need memory beside them: infra-gen plan counts it",
            err=True,
        )
    if any(getattr(row, "estimated", False) for row in selection.rows):
        typer.echo("~: assumed, no source says what programs see", err=True)
    if not selection.rows:
        typer.echo(f"no {selection.kind} match", err=True)
