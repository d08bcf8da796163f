"""What `new --repo` adds to `new`: its options, and the words about what it did."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from infra_gen.repository import Bootstrapped, NewRepository

Repo = Annotated[
    Path | None,
    typer.Option(
        "--repo",
        metavar="DIR",
        help="Start a git repository there, with CI, around the deployment.",
    ),
]
Owner = Annotated[
    str | None, typer.Option("--owner", help="With --repo: who reviews, for CODEOWNERS.")
]
Licence = Annotated[
    str | None, typer.Option("--licence", help="With --repo: none, apache-2.0 or mit.")
]
Keep = Annotated[
    bool, typer.Option("--keep-existing", help="With --repo: write only files that do not exist.")
]
Commit = Annotated[bool, typer.Option("--commit", help="With --repo: commit what was written.")]


def wanted_from(
    repo: Path | None,
    directory: Path | None,
    owner: str | None,
    licence: str | None,
    *,
    keep: bool,
    commit: bool,
) -> NewRepository | None:
    """The repository that is asked for, or None."""
    from infra_gen import repository
    from infra_gen.errors import UsageError

    if repo is None:
        if owner is not None or licence is not None or keep or commit:
            raise UsageError("--owner, --licence, --keep-existing and --commit go with --repo")
        return None
    if directory is not None:
        raise UsageError("--repo and DIR exclude each other", hint="--name names the deployment")
    wanted = repository.NewRepository(repo, owner or "", licence or "none", keep, commit)
    repository.check_wanted(wanted)
    return wanted


def ignored(root: Path, paths: Iterable[str]) -> None:
    """Warn of what was written below `root` and git leaves out: a clone would lack it.

    A folder that git leaves out as a whole is meant to be: a clone has nothing there to check.
    """
    from infra_gen import git
    from infra_gen.cli.printing import COLOURS
    from infra_gen.model.plan import counted

    written = tuple(paths)
    label = typer.style("warning", fg=COLOURS["warning"])
    for one in git.ignored(root, written):
        if len(one.paths) == len(written):
            continue
        few = ", ".join(one.paths[:3])
        if len(one.paths) > 3:
            few += f" and {counted(len(one.paths) - 3, 'file')} more"
        typer.echo(f"{label}: git ignores {few}, by {one.where}: {one.rule}", err=True)
        typer.echo("  fix: change that rule, or infra-gen check fails in every clone", err=True)


def bootstrapped(done: Bootstrapped, wanted: NewRepository) -> int:
    """What became of the repository; the exit code: a commit asked for and not made is 1."""
    from infra_gen import published
    from infra_gen.errors import ExitCode

    typer.echo()
    typer.echo(f"{wanted.root}: {len(done.around)} files around it; {done.git}")
    for path in done.kept:
        typer.echo(f"  kept yours: {path}")
    if published.REPOSITORY.startswith("YOUR-"):
        typer.echo(
            f"Its CI files name {published.REPOSITORY}, a placeholder: write the place where you keep "
            "infra-gen"
        )
    ignored(wanted.root, (*done.around, *done.inside))
    return ExitCode.USAGE if wanted.commit and not done.committed else ExitCode.CLEAN
