"""Alerts that every engine shares, and how numbers are written in them."""

from __future__ import annotations

from infra_gen.model.stack import Alert, Series

DOWN = Alert(
    name="EngineDown",
    expr='max by (job) (up{job="engine"}) == 0',
    for_="2m",
    severity="critical",
    summary="The engine has not answered a scrape for two minutes.",
    runbook=(
        "Run bin/smoke-test: it says what is wrong. A first start may take as long as the start-up "
        "budget above; after that, read the engine's log."
    ),
    fires=(Series('up{job="engine",instance="engine"}', "0x20"),),
    quiet=(Series('up{job="engine",instance="engine"}', "1x20"),),
    at="5m",
)


def seconds(value: float) -> str:
    """A number of seconds for an expression: two significant digits, no exponent."""
    return f"{float(f'{value:.2g}'):f}".rstrip("0").rstrip(".")
