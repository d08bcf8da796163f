"""Options about packs, and what they add to a spec."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from infra_gen.errors import UsageError

Packs = Annotated[
    list[str] | None,
    typer.Option(
        "--pack", metavar="DIR|gh:OWNER/REPO@REF", help="Cookiecutter pack to add. Repeatable."
    ),
]
PackAnswers = Annotated[
    list[str] | None,
    typer.Option("--pack-set", help="Answer to what the pack asks, KEY=VALUE. Repeatable."),
]
Trust = Annotated[
    bool, typer.Option("--trust", help="Let packs run their hooks and extensions: any code.")
]


def packs_of(sources: Sequence[str], pairs: Sequence[str]) -> list[dict[str, Any]]:
    """The spec's `packs` from --pack and --pack-set."""
    answers = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise UsageError(f"--pack-set {pair!r} is not KEY=VALUE")
        answers[key] = value
    if answers and len(sources) != 1:
        raise UsageError(
            "--pack-set is for one --pack", hint="for several, write answers into infra-gen.yaml"
        )
    return [{"source": source, "answers": answers} for source in sources]


def relative_pack(source: str, root: Path) -> str:
    """A pack's folder given relative to where the command runs, as seen from the deployment."""
    import os

    from infra_gen.packs.source import repository_of

    if repository_of(source) or source.startswith("/"):
        return source
    if source.startswith("~"):
        return os.path.expanduser(source)  # noqa: PTH111 - leaves unknown users as they are
    return os.path.relpath(Path(source).resolve(), root.resolve())
