"""What the terminal shows. Complete as plain text; colour only marks what the words say already."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from infra_gen.lifecycle.drift import EXPLANATIONS, difference
from infra_gen.model.plan import counted

if TYPE_CHECKING:
    from infra_gen.api import Checked, Prepared, Updated
    from infra_gen.model.finding import Finding
    from infra_gen.model.plan import Memory, Plan, Point
    from infra_gen.rules.contract import Rule

_BAR_WIDTH = 48
_COLOURS = {"error": "red", "warning": "yellow", "info": "blue"}


def _heading(text: str) -> None:
    typer.secho(f"\n{text}", bold=True)


def _table(rows: Sequence[Sequence[str]], indent: str = "  ") -> None:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        typer.echo((indent + "  ".join(cells)).rstrip())


def _segments(mem: Memory) -> list[tuple[str, str, float]]:
    parts = [
        ("weights", "W", mem.weights_gib),
        ("KV cache", "K", mem.kv_cache_gib),
        ("activations", "A", mem.activation_gib),
        ("CUDA graphs", "G", mem.cuda_graph_gib),
        ("runtime", "R", mem.runtime_gib),
        ("reserved", "-", mem.reserved_gib),
        ("free", ".", max(0.0, mem.headroom_gib)),
    ]
    return [part for part in parts if part[2] >= 0.05]


def _bar(mem: Memory) -> str:
    """One letter per share of visible memory, so that it reads without colour."""
    scale = _BAR_WIDTH / mem.visible_gib
    letters, filled, exact = "", 0, 0.0
    for _, letter, gib in _segments(mem):
        exact += gib * scale
        until = min(_BAR_WIDTH, round(exact))
        letters += letter * max(0, until - filled)
        filled = max(filled, until)
    return "[" + letters.ljust(_BAR_WIDTH, ".") + "]"


def _memory(plan: Plan) -> None:
    mem = plan.memory
    devices = plan.machine.devices
    _heading("Memory per device" if devices > 1 else "Memory")
    many = f" x {devices} devices" if devices > 1 else ""
    typer.echo(f"  {_bar(mem)} {mem.visible_gib:.1f} GiB visible{many}")
    legend = [f"{letter} {name} {gib:.1f}" for name, letter, gib in _segments(mem)]
    typer.echo("  " + "   ".join(legend) + "  (GiB)")
    if mem.kv_bytes_per_token:
        typer.echo(
            f"  {mem.kv_cache_tokens} tokens of cache, {mem.max_concurrency_at_context:.1f} requests "
            f"of {plan.limits.context} tokens at once"
        )
    else:
        typer.echo("  the model keeps no cache between tokens; K is what is left for the engine")


def _ms(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.0f} ms" if value >= 10 else f"{value:.1f} ms"


def _rate(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.0f} tok/s"


def _inputs(points: Iterable[Point]) -> None:
    """Points of a model that writes nothing: an input is read, and that was it."""
    rows = [["inputs at once", "tokens", "answer after", "all together"]]
    for point in points:
        rate = None if not point.ttft_ms else 1e3 * point.concurrency / point.ttft_ms
        told = "unknown" if rate is None else f"{rate:.0f} inputs/s"
        rows.append([str(point.concurrency), str(point.input_tokens), _ms(point.ttft_ms), told])
    _table(rows)


def _points(points: Iterable[Point]) -> None:
    rows = [["requests at once", "in/out tokens", "first token", "per token", "all together"]]
    rows += [
        [
            str(point.concurrency),
            f"{point.input_tokens}/{point.output_tokens}",
            _ms(point.ttft_ms),
            _ms(point.tpot_ms),
            _rate(point.output_tokens_per_s),
        ]
        for point in points
    ]
    _table(rows)


def _users(plan: Plan, *, load_stated: bool) -> str:
    perf = plan.performance
    carried = "unknown" if perf.users_supported is None else str(perf.users_supported)
    habit = f"({plan.workload}, {plan.think_s:g} s between requests)"
    if not load_stated:
        return f"  This plan carries up to {carried} users {habit}; --users N plans for N of them"
    return (
        f"  {counted(plan.users, 'user')} {habit}: "
        f"about {counted(perf.typical_concurrency, 'request')} at once, {perf.peak_concurrency} at "
        f"the peak; this plan carries up to {carried}"
    )


def _load(plan: Plan, extra: Sequence[Point], *, load_stated: bool) -> None:
    perf = plan.performance
    _heading("Load")
    typer.echo(_users(plan, load_stated=load_stated))
    copies = f", each of {plan.parallelism.data} copies" if plan.parallelism.data > 1 else ""
    typer.echo(
        f"  Speed is a {perf.basis} estimate, right within {perf.error_band:.0%} at best{copies}:"
    )
    shown = [*perf.points, *extra]
    if plan.task == "generate":
        _points(shown)
    else:
        _inputs(shown)


def plan(plan: Plan, extra: Sequence[Point] = (), *, load_stated: bool = True) -> None:
    """The whole plan."""
    machine = plan.machine
    many = f"{machine.devices} x " if machine.devices > 1 else ""
    typer.secho(
        f"{plan.model_name} ({plan.weights.quantization}) on {plan.engine} {plan.engine_version}, "
        f"{many}{machine.name}, {plan.target}",
        bold=True,
    )
    _memory(plan)
    _load(plan, extra, load_stated=load_stated)
    _heading("Reasons")
    decisions(plan)
    if plan.alternatives:
        _heading("Passed over")
        _table([[a.model, a.quantization, a.engine, a.why_not] for a in plan.alternatives])
    known = (*plan.warnings, *plan.machine.assumptions)
    if known:
        _heading("Know this")
        for warning in known:
            typer.echo(f"  - {warning}")


def decisions(plan: Plan) -> None:
    """Every decision on two lines."""
    for decision in plan.decisions:
        typer.echo(f"  {decision.what}: {decision.value}")
        typer.echo(f"    because {decision.because}")


def next_steps(steps: Sequence[str], root: Path, count: int) -> None:
    """What to do with what was written."""
    _heading("Written")
    typer.echo(f"  {count} files in {root}; start with {root / 'README.md'}")
    _heading("Next")
    typer.echo("  " + " && ".join([f"cd {shlex.quote(str(root))}", *steps]))


def findings(found: Sequence[Finding], empty: str | None = None) -> None:
    """Findings with place and fix; `empty` is said when there are none."""
    if not found and empty:
        typer.echo(empty)
    for one in found:
        place = one.file + (f":{one.line}" if one.line else "")
        key = f" ({one.key_path})" if one.key_path else ""
        label = typer.style(one.severity, fg=_COLOURS[one.severity])
        allowed = f" [allowed: {one.allowed}]" if one.allowed else ""
        typer.echo(f"{place}: {label}: {one.message}{key} [{one.rule}]{allowed}")
        if not one.allowed:
            typer.echo(f"  fix: {one.fix}")


def findings_json(found: Sequence[Finding]) -> None:
    """Findings as a JSON list."""
    typer.echo(json.dumps([asdict(one) for one in found], indent=2))


def drift(checked: Checked, *, show_diff: bool) -> None:
    """Every path that differs, its diff, and the command that mends it."""
    for one in checked.drift:
        line = f":{one.line}" if one.line else ""
        typer.echo(f"{checked.root / one.path}{line}: {EXPLANATIONS[one.kind]}")
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


def updated(done: Updated) -> None:
    """What an update changed."""
    for key, old, new in done.changes:
        typer.echo(f"{key}: {old} -> {new}")
    for path in done.written:
        typer.echo(f"wrote {path}{' with your edit' if path in done.edited else ''}")
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
        typer.echo("nothing to do: the files are what infra-gen.yaml says")


def _conflicts(done: Updated) -> None:
    for path, lines in done.conflicts.items():
        places = ", ".join(str(line) for line in lines)
        typer.echo(f"{done.root / path}:{lines[0]}: conflict (lines {places})", err=True)
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
        typer.echo(difference(prepared.root, path, prepared.changes.write[path]), nl=False)
    for path in report.deleted:
        typer.echo(f"would remove {path}")
    for path, lines in report.conflicts.items():
        typer.echo(f"{path}: would conflict at {', '.join(str(line) for line in lines)}")
    if not prepared.changes.write and not prepared.changes.delete:
        typer.echo("nothing to do: the files are what infra-gen.yaml says")


def restored(root: Path, paths: Sequence[str]) -> None:
    """What an aborted update gave back."""
    for path in paths:
        typer.echo(f"restored {path}")
    typer.echo(f"{root}: as it was before the update")


def rule(one: Rule) -> None:
    """A rule's page as text."""
    typer.secho(f"{one.slug} ({one.severity}, confidence {one.confidence})", bold=True)
    parts = [("What", one.what), ("Why", one.why), ("Bad", one.bad), ("Good", one.good),
             ("Fix", one.fix), ("Sources", "\n".join(one.sources))]  # fmt: skip
    for title, text in parts:
        _heading(title)
        for line in text.splitlines():
            typer.echo(f"  {line}")
