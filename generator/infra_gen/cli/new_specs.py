"""`infra-gen new --spec`: deployments of specs that somebody wrote, one or many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from infra_gen.cli.many import each
from infra_gen.cli.repository import ignored

if TYPE_CHECKING:
    from infra_gen.api import Built
    from infra_gen.errors import InfraGenError
    from infra_gen.lifecycle.placing import Placed

SpecPaths = Annotated[
    list[Path] | None,
    typer.Option(
        "--spec",
        metavar="FILE",
        help="Take everything from this infra-gen.yaml instead of flags; repeatable. A folder: every "
        "one below that has no deployment yet.",
    ),
]


def write(words: Sequence[Path], specs: Sequence[Path], *, trust: bool) -> int:
    """The deployments of `specs`; `words` are DIR, and further specs as a shell's pattern gives."""
    from infra_gen.errors import ExitCode, InfraGenError
    from infra_gen.lifecycle.placing import files_and_folder, placed, refuse_twins, specs_among

    more, into = files_and_folder(words)
    found, there = specs_among((*specs, *more))
    alone = len(specs) == 1 and not more and found == tuple(specs)
    if alone:
        return _alone(placed(found[0], into, alone=True), trust=trust)
    if there:
        typer.echo(
            f"{len(there)} below have a deployment already; infra-gen update regenerates them"
        )
    if not found:
        return ExitCode.CLEAN
    outcomes: dict[Path, Placed | InfraGenError] = {}
    for path in found:
        try:
            outcomes[path] = placed(path, into, alone=False)
        except InfraGenError as error:
            outcomes[path] = error
    refuse_twins([one for one in outcomes.values() if not isinstance(one, InfraGenError)], there)
    return each(found, partial(_one, outcomes, trust=trust), "{} written".format)


def _alone(one: Placed, *, trust: bool) -> int:
    from infra_gen import api
    from infra_gen.cli import printing
    from infra_gen.errors import ExitCode

    built = build(one, trust=trust)
    if built.errors:
        return printing.refused(built, one.root)
    tree = api.write_new(built, one.root, one.bases if one.here else None)
    printing.deployed(built, one.root, len(tree))
    ignored(one.root, tree)
    return ExitCode.CLEAN


def build(one: Placed, *, trust: bool) -> Built:
    """The deployment as a value; what its spec asks in vain is that file's error."""
    from infra_gen import api
    from infra_gen.lifecycle.spec_file import blamed

    with blamed(one.path):
        built = api.build(one.spec, one.root)
        return built if built.errors else api.add_packs(built, one.root, trust=trust)


def _one(outcomes: Mapping[Path, Placed | InfraGenError], path: Path, *, trust: bool) -> int:
    """One of many: its findings, and a line on what was written."""
    from infra_gen import api
    from infra_gen.cli import printing
    from infra_gen.errors import ExitCode, InfraGenError

    one = outcomes[path]
    if isinstance(one, InfraGenError):
        raise one
    built = build(one, trust=trust)
    if built.errors:
        return printing.refused(built, one.root)
    tree = api.write_new(built, one.root, one.bases if one.here else None)
    printing.findings(built.findings, one.root)
    ignored(one.root, tree)
    typer.echo(f"{len(tree)} files in {one.root}: {printing.headline(built.plan)}")
    return ExitCode.CLEAN
