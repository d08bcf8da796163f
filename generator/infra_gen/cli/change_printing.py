"""What check, diff and update print: drift, changes, kept edits, conflicts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from infra_gen.cli.printing import COLOURS, heading
from infra_gen.lifecycle.drift import EXPLANATIONS, difference

if TYPE_CHECKING:
    from infra_gen.api import Checked, Prepared, Updated
    from infra_gen.catalogue.engine_move import Consequence


def drift(checked: Checked, *, show_diff: bool, strict: bool) -> None:
    """Every path that differs, its diff, and the command that mends it."""
    for one in checked.drift:
        line = f":{one.line}" if one.line else ""
        label = ""
        if one.kind == "stale" and not strict:
            label = typer.style("warning", fg=COLOURS["warning"]) + ": "
        typer.echo(f"{checked.root / one.path}{line}: {label}{EXPLANATIONS[one.kind]}")
        if show_diff and one.diff:
            typer.echo(one.diff, nl=False)
    for path in checked.edited:
        typer.echo(f"{checked.root / path}: holds an edit of yours, kept by an update")
    for path in checked.ejected:
        typer.echo(f"{checked.root / path}: ejected, yours")
    kinds = {one.kind for one in checked.drift}
    if kinds:
        first = "keep what is right between the marks and remove them, then "
        said = first if "conflict" in kinds else ""
        typer.echo(f"to mend: {said}infra-gen update {checked.root}")
    if "edited" in kinds:
        typer.echo(
            "it keeps the edits; --discard-edits drops them, infra-gen eject makes the file yours"
        )


def engine_move(found: Sequence[Consequence]) -> None:
    """What another version of the engine means, what a person has to decide first."""
    if not found:
        return
    heading("What means something else in that version")
    for one in found:
        label = typer.style("decide", fg="yellow") + ": " if one.decide else ""
        typer.echo(f"  {label}{one.name}: {one.what}")
    typer.echo("")


def _wrote(path: str, done: Updated, prepared: Prepared | None) -> str:
    """One written file; what somebody deleted, or whose mode they changed, is told as that."""
    if prepared and path in prepared.lock.files:
        had = prepared.changes.seen.get(path, "")
        if had is None:
            return f"restored {path}, which was deleted"
        if had == prepared.changes.write[path].sha256:
            return f"restored the mode of {path}"
    return f"wrote {path}{' with your edit' if path in done.edited else ''}"


def updated(done: Updated, prepared: Prepared | None = None) -> None:
    """What an update changed; `prepared` is what it started from."""
    for key, old, new in done.changes:
        typer.echo(f"{key}: {old} -> {new}")
    _adopted(done)
    for path in done.written:
        typer.echo(_wrote(path, done, prepared))
    for path in done.deleted:
        typer.echo(f"removed {path}")
    for path in done.left:
        typer.echo(f"left because edited, no longer part of the deployment: {path}")
    for path in done.edited:
        if path not in done.written:
            typer.echo(f"kept your edit: {path}")
    for path in done.kept:
        typer.echo(f"kept yours: {path}")
    for name in done.unpinned:
        typer.echo(f"{name}: no digest is known of this tag; infra-gen pin asks for it")
    _conflicts(done)
    if not (done.changes or done.written or done.deleted):
        rest = "nothing else to do: all else is" if done.edited else "nothing to do: the files are"
        typer.echo(f"{rest} what infra-gen.yaml says")


def _adopted(done: Updated) -> None:
    for path in done.adopted.files:
        typer.echo(f"adopted into infra-gen.yaml: {path}")
    for path, why in done.adopted.refused.items():
        typer.echo(f"not adopted: {path}: {why}")


def _conflicts(done: Updated) -> None:
    for path, lines in done.conflicts.items():
        places = ", ".join(str(line) for line in lines)
        word = "line" if len(lines) == 1 else "lines"
        typer.echo(f"{done.root / path}:{lines[0]}: conflict ({word} {places})", err=True)
    if done.conflicts:
        typer.echo(
            "resolve what lies between the marks and run infra-gen update again, or take all of it "
            "back with infra-gen update --abort",
            err=True,
        )


def preview(prepared: Prepared) -> None:
    """What an update would change, as diffs."""
    report = prepared.report()
    for key, old, new in report.changes:
        typer.echo(f"{key}: {old} -> {new}")
    for path in report.written:
        shown = difference(prepared.root, path, prepared.changes.write[path])
        typer.echo(shown or f"{path}: would get its executable bit back as it was\n", nl=False)
    for path in report.deleted:
        typer.echo(f"would remove {path}")
    for path, lines in report.conflicts.items():
        typer.echo(f"{path}: would conflict at {', '.join(str(line) for line in lines)}")
    for path in report.left:
        typer.echo(f"would be left because edited, no longer part of the deployment: {path}")
    changed = {*prepared.changes.write, *prepared.changes.delete}
    own = sorted(path for path in changed if path not in {*report.written, *report.deleted})
    if own and own == sorted(changed):
        typer.echo(f"only infra-gen's own records would change: {', '.join(own)}")
    if not changed:
        typer.echo("nothing to do: the files are what infra-gen.yaml says")


def restored(root: Path, paths: Sequence[str]) -> None:
    """What an aborted update gave back."""
    for path in paths:
        typer.echo(f"restored {path}")
    typer.echo(f"{root}: as it was before the update")
