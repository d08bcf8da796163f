"""What check, diff and update print: drift, changes, kept edits, conflicts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from infra_gen.cli.printing import COLOURS, heading
from infra_gen.lifecycle.drift import EXPLANATIONS, LINE_ENDS, difference
from infra_gen.model.names import SPEC_FILE

if TYPE_CHECKING:
    from infra_gen.api import Checked, Prepared, Updated
    from infra_gen.catalogue.engine_move import Consequence


def drift(checked: Checked, *, show_diff: bool, strict: bool) -> None:
    """Every path that differs, its diff, and the command that mends it."""
    for one in checked.drift:
        line = f":{one.line}" if one.line else ""
        label = ""
        if one.warns and not strict:
            label = typer.style("warning", fg=COLOURS["warning"]) + ": "
        typer.echo(f"{checked.root / one.path}{line}: {label}{EXPLANATIONS[one.kind]}")
        if show_diff and one.diff:
            typer.echo(one.diff, nl=False)
    for path in checked.edited:
        typer.echo(f"{checked.root / path}: holds an edit of yours, kept by an update")
    gone = {one.path for one in checked.drift if one.kind == "gone"}
    for path in checked.ejected:
        if path not in gone:
            typer.echo(f"{checked.root / path}: ejected, yours")
    kinds = {one.kind for one in checked.drift}
    first = "keep what is right between the marks and remove them, then "
    for mend in dict.fromkeys(one.mend(str(checked.root)) for one in checked.drift):
        said = first if "conflict" in kinds and mend.startswith("infra-gen update") else ""
        typer.echo(f"to mend: {said}{mend}")
    if "edited" in kinds:
        typer.echo(
            "it keeps the edits; --discard-edits drops them, infra-gen eject makes the file yours"
        )


def engine_move(found: Sequence[Consequence]) -> None:
    """What another version of the engine means: what this deployment uses, then what it leaves open.

    What a person has to decide comes first.
    """
    for title, left in (
        ("What means something else in that version", False),
        ("Left to the engine: defaults that are others in that version", True),
    ):
        rows = [one for one in found if one.left_open is left]
        if not rows:
            continue
        heading(title)
        for one in rows:
            label = typer.style("decide", fg="yellow") + ": " if one.decide else ""
            typer.echo(f"  {label}{one.name}: {one.what}")
    if found:
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
    _rewritten(done, "")
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
    _remarks(done)
    if not (done.changes or done.written or done.deleted):
        typer.echo(_nothing_else(done))


def _remarks(done: Updated) -> None:
    if done.line_ends:
        typer.echo(f"only the line ends changed, to CRLF: {', '.join(done.line_ends)}")
        typer.echo(f"  hint: {LINE_ENDS}")
    if done.newer:
        label = typer.style("warning", fg=COLOURS["warning"])
        typer.echo(f"{label}: the lock was written by {done.newer}, newer than this one")


def _nothing_else(done: Updated) -> str:
    """What to say of an update that wrote no file of the deployment."""
    if done.edited:
        return "nothing else to do: all else is what infra-gen.yaml says"
    if done.adopted.files or not done.records:
        return "nothing to do: the files are what infra-gen.yaml says"
    more = f" and {len(done.records) - 3} more" if len(done.records) > 3 else ""
    return f"only infra-gen's own records changed: {', '.join(done.records[:3])}{more}"


def _rewritten(report: Updated, would: str) -> None:
    """What the spec says itself from now on; `would` is "would be " in a preview."""
    for path in report.adopted.files:
        typer.echo(f"{would}adopted into {SPEC_FILE}: {path}")
    for path, why in report.adopted.refused.items():
        typer.echo(f"not adopted: {path}: {why}")
    if report.hides:
        typer.echo(f"{would}said by {SPEC_FILE} itself, no longer by its base: {report.hides}")


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
    _rewritten(report, "would be ")
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
