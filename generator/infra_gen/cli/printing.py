"""What the terminal shows. Complete as plain text; colour only marks what the words say already."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from infra_gen.errors import ExitCode
from infra_gen.model.plan import counted

if TYPE_CHECKING:
    from infra_gen.api import Built
    from infra_gen.model.finding import Finding
    from infra_gen.model.plan import Memory, Plan, Point
    from infra_gen.rules.contract import Rule

_BAR_WIDTH = 48
COLOURS = {"error": "red", "warning": "yellow", "info": "blue"}


def heading(text: str) -> None:
    """A line that parts what follows from what came before."""
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
    heading("Memory per device" if devices > 1 else "Memory")
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


def milliseconds(value: float | None) -> str:
    """`180 ms`, `9.5 ms`, `unknown`."""
    return "unknown" if value is None else f"{value:.0f} ms" if value >= 10 else f"{value:.1f} ms"


def _rate(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.0f} tok/s"


def _inputs(points: Iterable[Point]) -> None:
    """Points of a model that writes nothing: an input is read, and that was it."""
    rows = [["inputs at once", "tokens", "answer after", "all together"]]
    for point in points:
        rate = None if not point.ttft_ms else 1e3 * point.concurrency / point.ttft_ms
        told = "unknown" if rate is None else f"{rate:.0f} inputs/s"
        rows.append(
            [str(point.concurrency), str(point.input_tokens), milliseconds(point.ttft_ms), told]
        )
    _table(rows)


def _points(points: Iterable[Point]) -> None:
    rows = [["requests at once", "in/out tokens", "first token", "per token", "all together"]]
    rows += [
        [
            str(point.concurrency),
            f"{point.input_tokens}/{point.output_tokens}",
            milliseconds(point.ttft_ms),
            milliseconds(point.tpot_ms),
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
    heading("Load")
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


def headline(plan: Plan) -> str:
    """Model, engine, machine and target in a line."""
    machine = plan.machine
    many = f"{machine.devices} x " if machine.devices > 1 else ""
    return (
        f"{plan.model_name} ({plan.weights.quantization}) on {plan.engine} {plan.engine_version}, "
        f"{many}{machine.name}, {plan.target}"
    )


def plan(plan: Plan, extra: Sequence[Point] = (), *, load_stated: bool = True) -> None:
    """The whole plan."""
    typer.secho(headline(plan), bold=True)
    _memory(plan)
    _load(plan, extra, load_stated=load_stated)
    heading("Reasons")
    decisions(plan)
    if plan.alternatives:
        heading("Passed over")
        _table([[a.model, a.quantization, a.engine, a.why_not] for a in plan.alternatives])
    known = (*plan.warnings, *plan.machine.assumptions)
    if known:
        heading("Know this")
        for warning in known:
            typer.echo(f"  - {warning}")
    if plan.nearest:
        heading("What would carry the load")
        for words in plan.nearest:
            typer.echo(f"  {words}")


def decisions(plan: Plan) -> None:
    """Every decision on two lines."""
    for decision in plan.decisions:
        typer.echo(f"  {decision.what}: {decision.value}")
        typer.echo(f"    because {decision.because}")


def refused(built: Built, root: Path) -> int:
    """Why nothing was written into `root`; the exit code."""
    findings(built.findings, root)
    typer.echo("nothing was written", err=True)
    if built.plan.nearest:
        typer.echo("what would carry the load: " + "; ".join(built.plan.nearest), err=True)
    return ExitCode.FINDINGS


def deployed(built: Built, root: Path, count: int) -> None:
    """The plan of what was written, its findings, and what to do next."""
    plan(built.plan)
    findings(built.findings, root)
    next_steps(built.facts.target.steps, root, count)


def next_steps(steps: Sequence[str], root: Path, count: int) -> None:
    """What to do with what was written."""
    heading("Written")
    typer.echo(f"  {count} files in {root}; start with {root / 'README.md'}")
    heading("Next")
    typer.echo("  " + " && ".join([f"cd {shlex.quote(str(root))}", *steps]))


def findings(found: Sequence[Finding], root: Path, empty: str | None = None) -> None:
    """Findings in the deployment `root` with place and fix; `empty` is said when there are none."""
    if not found and empty:
        typer.echo(empty)
    for one in found:
        place = str(root / one.file) + (f":{one.line}" if one.line else "")
        key = f" ({one.key_path})" if one.key_path else ""
        label = typer.style(one.severity, fg=COLOURS[one.severity])
        allowed = f" [allowed: {one.allowed}]" if one.allowed else ""
        typer.echo(f"{place}: {label}: {one.message}{key} [{one.rule}]{allowed}")
        if not one.allowed:
            typer.echo(f"  fix: {one.fix}")


def findings_json(found: Sequence[Finding]) -> None:
    """Findings as a JSON list."""
    typer.echo(json.dumps([asdict(one) for one in found], indent=2))


def rule(one: Rule) -> None:
    """A rule's page as text."""
    typer.secho(f"{one.slug} ({one.severity}, confidence {one.confidence})", bold=True)
    parts = [("What", one.what), ("Why", one.why), ("Bad", one.bad), ("Good", one.good),
             ("Fix", one.fix), ("Sources", "\n".join(one.sources))]  # fmt: skip
    for title, text in parts:
        heading(title)
        for line in text.splitlines():
            typer.echo(f"  {line}")
