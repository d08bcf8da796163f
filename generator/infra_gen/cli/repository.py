"""What `new --repo` adds to `new`: its options, and the words about what it did."""

from __future__ import annotations

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


def bootstrapped(done: Bootstrapped, wanted: NewRepository) -> None:
    """What became of the repository."""
    from infra_gen import published

    typer.echo()
    typer.echo(f"{wanted.root}: {len(done.around)} files around it; {done.git}")
    for path in done.kept:
        typer.echo(f"  kept yours: {path}")
    if published.REPOSITORY.startswith("YOUR-"):
        typer.echo(
            f"Its CI files name {published.REPOSITORY}, a placeholder: write the place where you keep "
            "infra-gen"
        )
