"""`infra-gen new`: plan, validate, write."""

from __future__ import annotations

import os
import sys
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from infra_gen.cli import new_specs, options, repository
from infra_gen.cli import packs as packs_
from infra_gen.cli.options import Asked

if TYPE_CHECKING:
    from infra_gen.model.spec import Spec
    from infra_gen.repository import NewRepository

HELP = """Plan a deployment and write it.

\b
  infra-gen new --hardware apple-m3 --users 5
  infra-gen new --hardware 2x4090 --users 40 --model qwen3-32b
  infra-gen new --repo llm --hardware h100 --users 100 --owner @org/team
  infra-gen new --spec deploy/chat/infra-gen.yaml
  infra-gen new --spec deploy

Writes DIR (default ./NAME) or nothing.
--spec takes a spec that you wrote instead of flags. Called infra-gen.yaml, it stays as it is and its
deployment is written around it; called otherwise, or with DIR, it is written out in full into ./NAME
or DIR. Of several, or of a folder, each is written whole or not at all, an error in one stops no
other, and DIR gets a folder for each name. Two of them that lead to the same folder, or folders side
by side whose specs both say the same name, are refused before anything is written.
--repo writes a repository with CI around the deployment, into an empty folder or a git repository.
--pack adds files of your own, made by a cookiecutter template from the plan.
Exit codes: 0 written, 1 a bad flag, a folder in the way or no commit made that --commit asks for, 3
the plan breaks a rule, 4 a spec is wrong, 5 it does not fit in memory.
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
    directories: Annotated[
        list[Path] | None,
        typer.Argument(metavar="DIR", help="Folder to write; beside --spec also further specs."),
    ] = None,
    hardware: options.Hardware = None,
    users: options.Users = None,
    model: options.Model = None,
    engine: options.Engine = None,
    engine_version: options.EngineVersion = None,
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
    model_path: options.ModelPath = None,
    mirror: options.Mirror = None,
    specs: new_specs.SpecPaths = None,
    packs: packs_.Packs = None,
    pack_answers: packs_.PackAnswers = None,
    trust: packs_.Trust = False,
    repo: repository.Repo = None,
    owner: repository.Owner = None,
    licence: repository.Licence = None,
    keep_existing: repository.Keep = False,
    commit: repository.Commit = False,
) -> int:
    """Parse, plan, write, print."""
    asked = _asked(locals())
    words = directories or []
    about = (owner, licence)
    if specs and repo is None:
        _refuse_beside_specs(asked)
        repository.wanted_from(None, None, *about, keep=keep_existing, commit=commit)
        return new_specs.write(words, specs, trust=trust)
    directory = _directory(words)
    wanted = repository.wanted_from(repo, directory, *about, keep=keep_existing, commit=commit)
    return _new(directory, asked, _one_spec(specs or [], asked), wanted, trust=trust)


def _refuse_beside_specs(asked: Asked) -> None:
    from infra_gen.errors import UsageError

    if asked.given():
        raise UsageError("--spec and other flags exclude each other")


def _directory(words: list[Path]) -> Path | None:
    from infra_gen.errors import UsageError

    if len(words) > 1:
        raise UsageError(
            f"one DIR can be written, got {', '.join(map(str, words))}",
            hint="--spec writes the deployments of several specs",
        )
    return words[0] if words else None


def _one_spec(specs: list[Path], asked: Asked) -> Path | None:
    """The spec for a new repository."""
    from infra_gen.errors import UsageError

    if specs:
        _refuse_beside_specs(asked)
    if len(specs) > 1:
        raise UsageError("--repo takes one --spec", hint="add others with infra-gen new --spec")
    return specs[0] if specs else None


def _asked(given: dict[str, Any]) -> Asked:
    """The parameters of `new` that make a spec; they have the record's names."""
    values: dict[str, Any] = {field.name: given[field.name] for field in fields(Asked)}
    for listed in ("set_args", "packs", "pack_answers"):
        values[listed] = tuple(values[listed] or ())
    return Asked(**values)


def _spec(
    directory: Path | None, asked: Asked, spec_path: Path | None, wanted: NewRepository | None
) -> tuple[Spec, Path]:
    """The spec, and where its deployment will lie."""
    from dataclasses import replace

    from infra_gen.lifecycle.spec_file import read_spec

    if spec_path and wanted:
        spec = read_spec(spec_path)
        return spec, wanted.folder(spec.name)
    asked = _ask_missing(asked)
    name = asked.name or asked.workload or "chat"
    root = wanted.folder(name) if wanted else directory or Path(name)
    asked = replace(
        asked,
        name=options.name_from(root) if asked.name is None else asked.name,
        model=options.relative_model(asked.model, root),
        hardware=options.relative_hardware(asked.hardware, root),
        packs=tuple(packs_.relative_pack(source, root) for source in asked.packs),
    )
    return options.spec_from(asked), root


def _new(
    directory: Path | None,
    asked: Asked,
    spec_path: Path | None,
    wanted: NewRepository | None,
    *,
    trust: bool,
) -> int:
    from infra_gen import api
    from infra_gen.cli import printing
    from infra_gen.errors import ExitCode
    from infra_gen.lifecycle.spec_file import blamed

    spec, root = _spec(directory, asked, spec_path, wanted)
    with blamed(spec_path):
        built = api.build(spec, root)
        if not built.errors:
            built = api.add_packs(built, root, trust=trust)
    if built.errors:
        return printing.refused(built, root)
    if wanted is None:
        tree = api.write_new(built, root)
        printing.deployed(built, root, len(tree))
        repository.ignored(root, tree)
        return ExitCode.CLEAN
    done = api.bootstrap(built, wanted)
    printing.deployed(built, root, len(done.inside))
    return repository.bootstrapped(done, wanted)
