"""Alerts on slow answers: a percentile of a latency histogram over a bound that the plan gives."""

from __future__ import annotations

from dataclasses import dataclass

from infra_gen.engines.alerts import seconds
from infra_gen.engines.panels import per_second
from infra_gen.model.stack import Alert, Series


@dataclass(frozen=True, slots=True)
class Histogram:
    """A latency histogram in seconds: matchers that pick its series, labels that those have."""

    name: str
    matchers: str = ""
    labels: str = 'job="engine",instance="engine"'


def slow(histogram: Histogram, name: str, limit_s: float, summary: str, runbook: str) -> Alert:
    """Fires when the slowest twentieth takes longer than `limit_s` for ten minutes."""
    buckets = per_second(f"{histogram.name}_bucket", histogram.matchers, by="le")
    return Alert(
        name=name,
        expr=f"histogram_quantile(0.95, {buckets}) > {seconds(limit_s)}",
        for_="10m",
        severity="warning",
        summary=summary,
        runbook=runbook,
        fires=_series(histogram, limit_s, fast="0x30"),
        quiet=_series(histogram, limit_s, fast="0+60x30"),
        at="20m",
    )


def _series(histogram: Histogram, limit_s: float, fast: str) -> tuple[Series, ...]:
    """Buckets of sixty requests a minute; `fast` are those below twice the limit."""
    found = [(seconds(limit_s / 2), fast), (seconds(limit_s * 2), fast)]
    found += [(seconds(limit_s * 4), "0+60x30"), ("+Inf", "0+60x30")]
    return tuple(
        Series(f'{histogram.name}_bucket{{{histogram.labels},le="{le}"}}', values)
        for le, values in found
    )
