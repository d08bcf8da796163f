"""What is watched: charts and alerts, in PromQL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Query:
    """One PromQL expression and how its series are called in the legend."""

    expr: str
    legend: str


Unit = Literal["none", "seconds", "tokens", "requests", "percent", "bytes", "tokens_per_second"]


@dataclass(frozen=True, slots=True)
class Panel:
    """One chart. `limit` draws the planned bound, in the panel's unit (`percent` is 0 to 1)."""

    row: Literal["Load", "Latency", "Throughput", "Cache", "Errors", "GPU"]
    title: str
    because: str
    unit: Unit
    queries: tuple[Query, ...]
    limit: float | None = None
    limit_name: str = "planned"


@dataclass(frozen=True, slots=True)
class Series:
    """One input series of a rule test, in promtool's notation."""

    series: str
    values: str


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert rule, and the two series sets that must fire and must not."""

    name: str
    expr: str
    for_: str
    severity: Literal["critical", "warning"]
    summary: str
    runbook: str
    fires: tuple[Series, ...]
    quiet: tuple[Series, ...]
    at: str
