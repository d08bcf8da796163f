"""`infra-gen new`: plan, validate, write."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from infra_gen.cli import options
from infra_gen.cli.options import Asked

HELP = """Plan a deployment and write it.

\b
  infra-gen new --hardware apple-m3 --users 5
  infra-gen new --hardware 2x4090 --users 40 --model qwen3-32b

Writes DIR (default ./NAME) or nothing. Exit codes: 0 written, 1 a bad flag or a folder in the way,
3 the plan breaks a rule, 5 it does not fit in memory.
"""


def _ask_missing(asked: Asked) -> Asked:
    """On a terminal, ask for hardware and users; elsewhere a missing hardware is an error."""
    from dataclasses import replace

    from infra_gen.errors import UsageError

    interactive = sys.stdin.isatty() and sys.stdout.isatty() and not os.environ.get("CI")
    if asked.hardware is None:
        if not interactive:
            raise UsageError(
                "--hardware is missing", hint="--hardware apple-m3, 2x4090, h100:8, cpu"
            )
        asked = replace(asked, hardware=typer.prompt("Hardware (apple-m3, 2x4090, h100:8, cpu)"))
    if asked.users is None and interactive:
        asked = replace(asked, users=typer.prompt("Users", type=int, default=1))
    return asked


def new(
    directory: Annotated[
        Path | None, typer.Argument(metavar="DIR", help="Folder to write.")
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
    name: options.Name = None,
    port: options.Port = None,
    image: options.ImageKind = None,
    storage: options.StoragePath = None,
    ttft_ms: options.TtftMs = None,
    tpot_ms: options.TpotMs = None,
    set_args: options.SetArgs = None,
    monitoring: options.Monitoring = None,
    nodes: options.Nodes = None,
    gpu_fraction: options.GpuFraction = None,
    exposure: options.Exposure = None,
    host: options.Host = None,
    tls: options.Tls = None,
    offline: options.ModelPath = None,
    mirror: options.Mirror = None,
    spec_path: Annotated[
        Path | None,
        typer.Option("--spec", help="Take everything from this infra-gen.yaml instead of flags."),
    ] = None,
) -> int:
    """Parse, plan, write, print."""
    asked = Asked(
        hardware=hardware, users=users, model=model, engine=engine, engine_version=engine_version,
        target=target, workload=workload, context=context, quantization=quantization, name=name,
        port=port, image=image, storage=storage, ttft_ms=ttft_ms, tpot_ms=tpot_ms,
        set_args=tuple(set_args or ()), monitoring=monitoring, nodes=nodes,
        gpu_fraction=gpu_fraction, exposure=exposure, host=host, tls=tls, model_path=offline,
        mirror=mirror,
    )  # fmt: skip
    return _new(directory, asked, spec_path)


def _new(directory: Path | None, asked: Asked, spec_path: Path | None) -> int:
    from dataclasses import replace

    from infra_gen import api
    from infra_gen.cli import printing
    from infra_gen.errors import ExitCode, UsageError
    from infra_gen.lifecycle.spec_file import blamed, read_spec

    if spec_path:
        if asked.given():
            raise UsageError("--spec and other flags exclude each other")
        spec = read_spec(spec_path)
        root = directory or Path(spec.name)
    else:
        asked = _ask_missing(asked)
        root = directory or Path(asked.name or asked.workload or "chat")
        asked = replace(
            asked,
            name=options.name_from(root) if asked.name is None else asked.name,
            model=options.relative_model(asked.model, root),
            hardware=options.relative_hardware(asked.hardware, root),
        )
        spec = options.spec_from(asked)
    with blamed(spec_path):
        built = api.build(spec, root)
    if built.errors:
        printing.findings(built.findings)
        typer.echo("nothing was written", err=True)
        if built.plan.nearest:
            typer.echo("what would carry the load: " + "; ".join(built.plan.nearest), err=True)
        return ExitCode.FINDINGS
    written = api.write_new(built, root)
    printing.plan(built.plan)
    printing.findings(built.findings)
    printing.next_steps(built.facts.target.steps, root, len(written))
    return ExitCode.CLEAN
