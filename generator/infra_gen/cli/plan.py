"""`infra-gen plan`: sizing, alternatives and reasons, without writing anything."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from infra_gen.cli import options, ranking
from infra_gen.cli.options import Asked

if TYPE_CHECKING:
    from infra_gen.model.plan import Plan, Point
    from infra_gen.model.spec import Spec

HELP = """Show what would be deployed, how large it is and why; write nothing.

\b
  infra-gen plan --hardware h100:8 --users 500
  infra-gen plan --users 200 --model qwen3-32b
  infra-gen plan chat --json
  infra-gen plan --hardware 4090 --model qwen3-14b --point 8:1024:256

From flags, or from DIR/infra-gen.yaml. Exit 5 when it does not fit (what would is named).

Without --hardware: a ranking of hardware and rented instances that carry the users and meet --ttft-ms
and --tpot-ms (where people read: 10000, what they wait, and 190, as fast as they read). Fewer devices
come first, of as many those with fewer machines, then with less memory, then with less bandwidth; with
--prices the lower price of an hour. Where one machine is too little, up to 16 equal ones share the
load. Exit 5 when no hardware carries it.
"""


def plan(
    directory: Annotated[
        Path | None, typer.Argument(metavar="DIR", help="Folder with infra-gen.yaml.")
    ] = None,
    hardware: options.Hardware = None,
    users: options.Users = None,
    model: options.Model = None,
    engine: options.Engine = None,
    engine_version: Annotated[str | None, typer.Option(help="Version of the engine.")] = None,
    target: options.Target = None,
    workload: options.WorkloadName = None,
    context: options.Context = None,
    quantization: options.Quantization = None,
    ttft_ms: options.TtftMs = None,
    tpot_ms: options.TpotMs = None,
    set_args: options.SetArgs = None,
    nodes: options.Nodes = None,
    gpu_fraction: options.GpuFraction = None,
    point: Annotated[
        list[str] | None,
        typer.Option(
            "--point", help="Predict CONCURRENCY:INPUT:OUTPUT of one replica. Repeatable."
        ),
    ] = None,
    vendor: ranking.Vendor = None,
    provider: ranking.Provider = None,
    max_devices: ranking.MaxDevices = None,
    prices: ranking.PriceFile = None,
    limit: ranking.Limit = None,
    as_json: Annotated[bool, typer.Option("--json", help="The answer as a JSON document.")] = False,
) -> int:
    """Parse, plan, print."""
    asked = Asked(
        hardware=hardware, users=users, model=model, engine=engine, engine_version=engine_version,
        target=target, workload=workload, context=context, quantization=quantization,
        ttft_ms=ttft_ms, tpot_ms=tpot_ms, set_args=tuple(set_args or ()), nodes=nodes,
        gpu_fraction=gpu_fraction,
    )  # fmt: skip
    search = ranking.Options(vendor, provider, max_devices, prices, limit)
    if directory is None and asked.hardware is None and (asked.given() or search.given()):
        return ranking.rank(asked, search, points=bool(point), as_json=as_json)
    search.refuse_beside_hardware()
    return _plan(directory, asked, tuple(point or ()), as_json=as_json)


def _points(texts: tuple[str, ...]) -> tuple[tuple[int, int, int], ...]:
    from infra_gen.errors import UsageError

    found = []
    for text in texts:
        parts = re.fullmatch(r"([1-9][0-9]{0,8}):([1-9][0-9]{0,8}):([1-9][0-9]{0,8})", text)
        if not parts:
            raise UsageError(f"--point {text!r} is not CONCURRENCY:INPUT:OUTPUT", hint="8:1024:256")
        found.append((int(parts[1]), int(parts[2]), int(parts[3])))
    return tuple(found)


def _spec(directory: Path | None, asked: Asked) -> tuple[Spec, Path]:
    from infra_gen.errors import UsageError
    from infra_gen.lifecycle.spec_file import read_spec
    from infra_gen.model.names import SPEC_FILE

    if asked.hardware is None:
        root = directory or Path()
        if asked.given():
            raise UsageError("a folder and other flags exclude each other")
        return read_spec(root / SPEC_FILE), root
    if directory:
        raise UsageError("a folder and --hardware exclude each other")
    return options.spec_from(asked), Path()


def _plan(
    directory: Path | None, asked: Asked, point_texts: tuple[str, ...], *, as_json: bool
) -> int:
    from infra_gen import api
    from infra_gen.cli import printing
    from infra_gen.errors import DoesNotFitError, ExitCode
    from infra_gen.lifecycle.spec_file import blamed
    from infra_gen.model.names import SPEC_FILE

    points = _points(point_texts)
    spec, base = _spec(directory, asked)
    try:
        with blamed(base / SPEC_FILE if asked.hardware is None else None):
            # Without users the question is what the machine carries, not what one person needs.
            stated = asked.hardware is None or asked.users is not None
            planned, facts = api.plan(spec, base, load_stated=stated)
    except DoesNotFitError as error:
        if as_json and error.refused:
            typer.echo(_document(spec, error.refused, ()))
        raise
    extra = api.predict(planned, facts, points)
    if as_json:
        typer.echo(_document(spec, planned, extra))
    else:
        printing.plan(planned, extra, load_stated=facts.load_stated)
    return ExitCode.CLEAN


def _document(spec: Spec, planned: Plan, extra: tuple[Point, ...]) -> str:
    import json

    from infra_gen import api

    document = api.plan_document(spec, planned, extra)
    return json.dumps(document.model_dump(mode="json", by_alias=True), indent=2)
