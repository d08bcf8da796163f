"""The columns of `infra-gen list`, kind by kind: what a cell says, and which go first when it is narrow."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Shown:
    """How a column is made from a row; the rest as in `table.Column`."""

    title: str
    cell: Callable[[Any], str]
    drop: int = 0
    right: bool = False
    shorten: bool = False


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.1f}".removesuffix(".0")


def _span(values: Sequence[float | None]) -> str:
    """`24`, or `8-24` where sizes differ."""
    known = sorted({value for value in values if value is not None})
    if not known:
        return "unknown"
    return "-".join(dict.fromkeys((_number(known[0]), _number(known[-1]))))


def _memory(row: Any) -> str:
    return ("~" if row.estimated else "") + _span([size.visible_gib for size in row.sizes])


def _params(count: int | None) -> str:
    if count is None:
        return "unknown"
    return f"{count / 1e9:.1f}B" if count >= 1e9 else f"{count / 1e6:.0f}M"


def _all_params(row: Any) -> str:
    total, active = _params(row.params_total), _params(row.params_active)
    same = row.params_total and row.params_active and row.params_active > 0.9 * row.params_total
    return total if same or row.params_active is None else f"{total}/{active}"


def _quantizations(row: Any) -> str:
    return ", ".join(dict.fromkeys(one.quantization for one in row.checkpoints)) or "none"


def _words(values: Sequence[str]) -> str:
    return ", ".join(values) or "none"


COLUMNS: Mapping[str, tuple[Shown, ...]] = {
    "hardware": (
        Shown("id", lambda r: r.id),
        Shown("name", lambda r: r.name, drop=2),
        Shown("GiB", _memory, drop=1, right=True),
        Shown("GB/s", lambda r: _span([s.bandwidth_gb_s for s in r.sizes]), drop=3, right=True),
        Shown("vendor", lambda r: r.vendor, drop=5),
        Shown("family", lambda r: r.family, drop=4),
    ),
    "instances": (
        Shown("id", lambda r: r.id),
        Shown("provider", lambda r: r.provider, drop=2),
        Shown("devices", lambda r: f"{r.devices} x {r.device}", drop=1),
        Shown("GiB each", lambda r: _number(r.visible_gib), drop=3, right=True),
        Shown("vCPUs", lambda r: _number(r.vcpus), drop=5, right=True),
        Shown("RAM GiB", lambda r: _number(r.host_memory_gib), drop=4, right=True),
    ),
    "models": (
        Shown("id", lambda r: r.id),
        Shown("params", _all_params, drop=1, right=True),
        Shown("context", lambda r: str(r.context), drop=3, right=True),
        Shown("licence", lambda r: r.licence or "unknown", drop=4),
        Shown("task", lambda r: r.task, drop=5),
        Shown("quantizations", _quantizations, drop=2, shorten=True),
    ),
    "engines": (
        Shown("id", lambda r: r.id),
        Shown("version", lambda r: r.version, drop=1),
        Shown("formats", lambda r: _words(r.formats), drop=2),
        Shown("tasks", lambda r: _words(r.tasks), drop=3),
        Shown("targets", lambda r: _words(r.targets), drop=4, shorten=True),
    ),
    "targets": (
        Shown("id", lambda r: r.id),
        Shown("runs", lambda r: r.runtime, drop=2),
        Shown("system", lambda r: r.os, drop=1),
        Shown("engines", lambda r: _words(r.engines), drop=3),
        Shown("what", lambda r: r.name, drop=4, shorten=True),
    ),
    "workloads": (
        Shown("id", lambda r: r.id),
        Shown("name", lambda r: r.name, drop=3),
        Shown("tokens in", lambda r: f"{r.input_p50}-{r.input_p95}", drop=1, right=True),
        Shown("tokens out", lambda r: f"{r.output_p50}-{r.output_p95}", drop=2, right=True),
        Shown("pause s", lambda r: _number(r.think_s), drop=4, right=True),
        Shown("shared prefix", lambda r: _number(r.shared_prefix), drop=5, right=True),
    ),
    "rules": (
        Shown("id", lambda r: r.id),
        Shown("severity", lambda r: r.severity, drop=2),
        Shown("what", lambda r: r.name, drop=1, shorten=True),
    ),
}
