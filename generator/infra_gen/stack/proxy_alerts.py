"""What the proxy measures: alerts and charts, above all for engines that measure nothing.

Names and labels are Caddy's (presets/metrics/caddy.json). Clients come in at its listener
`clients`; `internal` is Prometheus and health checks. A request that is refused or fails has a
duration but no time to the first byte. Every histogram of durations ends at ten seconds.
"""

from __future__ import annotations

import math

from infra_gen.engines.latency import Histogram, slow
from infra_gen.engines.panels import (
    mean,
    or_zero,
    per_second,
    places,
    planned_ttft_s,
    quantiles,
)
from infra_gen.model.engine import EngineInfo
from infra_gen.model.plan import Plan
from infra_gen.model.stack import Alert, Gate, Panel, Query, Series

_CLIENTS = 'server="clients"'
_ANSWERS = f'{_CLIENTS},code="200",method="POST"'
_COUNT = "caddy_http_request_duration_seconds_count"
_FIRST_BYTE = "caddy_http_response_duration_seconds"
_LARGEST_BUCKET_S = 10.0
_UNREACHABLE = 0.1  # part of the requests


def _labels(**more: str) -> str:
    """Labels of a series as Prometheus has it, for rule tests."""
    known = {"job": "proxy", "instance": "proxy", "server": "clients", "handler": "subroute"}
    return ",".join(f'{name}="{value}"' for name, value in {**known, **more}.items())


def _counted(code: str, values: str) -> Series:
    return Series(f"{_COUNT}{{{_labels(code=code, method='POST')}}}", values)


def _down(plan: Plan) -> Alert:
    """Longer than a start takes: a proxy waits for its engine before it begins."""
    minutes = max(2, math.ceil(plan.startup.budget_s / 60))
    series = 'up{job="proxy",instance="proxy"}'
    return Alert(
        name="ProxyDown",
        expr='max by (job) (up{job="proxy"}) == 0',
        for_=f"{minutes}m",
        severity="critical",
        summary=(
            f"The proxy has not answered a scrape for {minutes} minutes, longer than a start of the "
            "engine takes: nobody gets in."
        ),
        runbook="Run bin/smoke-test: it says what is wrong. Then read the proxy's log.",
        fires=(Series(series, f"0x{minutes + 20}"),),
        quiet=(Series(series, f"1x{minutes + 20}"),),
        at=f"{minutes + 8}m",
    )


def _unreachable(plan: Plan) -> Alert:
    minutes = max(5, math.ceil(plan.startup.budget_s / 60))
    failed = per_second(_COUNT, f'{_CLIENTS},code=~"502|504"')
    return Alert(
        name="EngineUnreachable",
        expr=f"{failed} / {per_second(_COUNT, _CLIENTS)} > {_UNREACHABLE:g}",
        for_=f"{minutes}m",
        severity="critical",
        summary=(
            f"For {minutes} minutes, longer than a start takes, the proxy has found no engine behind "
            "it for every tenth request or more (status 502), or the engine stayed silent (504)."
        ),
        runbook="Run bin/smoke-test: it says what is wrong. Then read the engine's log.",
        fires=(_counted("502", f"0+30x{minutes + 30}"), _counted("200", f"0+60x{minutes + 30}")),
        quiet=(_counted("502", f"0+1x{minutes + 30}"), _counted("200", f"0+60x{minutes + 30}")),
        at=f"{minutes + 15}m",
    )


def _refused(plan: Plan, info: EngineInfo, gate: Gate) -> Alert:
    loads = info.facts.http.loads_with_503.value
    loading = " An engine that loads its model answers 503 too." if loads else ""
    refused = per_second(_COUNT, f'{_CLIENTS},code="503"')
    return Alert(
        name="ClientsRefused",
        expr=f"{refused} > 0",
        for_="5m",
        severity="warning",
        summary="Clients have been told to come back later (status 503) for five minutes.",
        runbook=(
            f"The proxy lets {gate.max_requests} requests in at once, of which {places(plan)} run: "
            f"more people use it than planned ({plan.users}), or one client sends everything at "
            "once. Raise load.users in infra-gen.yaml and run `infra-gen update`: it says whether "
            f"this hardware carries them.{loading}"
        ),
        fires=(_counted("503", "0+5x30"),),
        quiet=(_counted("503", "7x30"), _counted("200", "0+60x30")),
        at="20m",
    )


def _first_byte_slow(plan: Plan, info: EngineInfo) -> list[Alert]:
    """At three times the prediction for long prompts, where the histogram reaches that far."""
    long = plan.performance.long_request
    if not info.facts.http.first_byte_is_token.value or long is None or long.ttft_ms is None:
        return []
    limit_s = max(1.0, 3 * long.ttft_ms / 1e3)
    if limit_s >= _LARGEST_BUCKET_S:
        return []
    return [
        slow(
            Histogram(_FIRST_BYTE, _ANSWERS, _labels(code="200", method="POST")),
            "FirstByteSlow",
            limit_s,
            "The slowest twentieth of answers begins three times later than planned for a prompt of "
            f"{long.input_tokens} tokens.",
            "Prompts may be longer than planned, or requests may wait for each other. Clients that "
            "do not stream count with their whole answer. `infra-gen plan` shows the planned times.",
        )
    ]


def alerts(plan: Plan, info: EngineInfo, gate: Gate) -> tuple[Alert, ...]:
    """Alerts on the proxy's own metrics."""
    return (
        _down(plan),
        _unreachable(plan),
        _refused(plan, info, gate),
        *_first_byte_slow(plan, info),
    )


def _load(plan: Plan, info: EngineInfo, gate: Gate) -> Panel:
    alone = not info.table.metrics
    why = "Requests that the proxy has passed on and not finished. "
    why += f"At most {places(plan)} run at a time and {gate.max_requests} are let in; more get 503."
    return Panel(
        "Load",
        "Requests at once" if alone else "Requests at once in the proxy",
        why,
        "requests",
        (Query(f"sum(caddy_http_requests_in_flight{{{_CLIENTS}}})", "in the proxy"),),
        places(plan) if alone else gate.max_requests,
        "run at once" if alone else "refused above",
    )


def _latency(plan: Plan, info: EngineInfo) -> tuple[Panel, ...]:
    if not info.facts.http.first_byte_is_token.value:
        return ()
    planned = planned_ttft_s(plan)
    return (
        Panel(
            "Latency",
            "Time to first byte",
            "For clients that stream this is the time to the first token; for others it is the whole "
            f"answer. The percentiles end at {_LARGEST_BUCKET_S:g} s, the mean does not.",
            "seconds",
            (*quantiles(_FIRST_BYTE, _ANSWERS), Query(mean(_FIRST_BYTE, _ANSWERS), "mean")),
            planned,
            "predicted at the peak",
        ),
        Panel(
            "Latency",
            "Whole answer, mean",
            "From the request's arrival to the last byte of its answer.",
            "seconds",
            (Query(mean("caddy_http_request_duration_seconds", _ANSWERS), "mean"),),
        ),
    )


def panels(plan: Plan, info: EngineInfo, gate: Gate) -> tuple[Panel, ...]:
    """Charts of the proxy's own metrics."""
    by_code = per_second(_COUNT, _CLIENTS, by="code")
    return (
        _load(plan, info, gate),
        *_latency(plan, info),
        Panel(
            "Throughput",
            "Answers",
            "Requests answered to the end, per second.",
            "requests",
            (Query(per_second(_COUNT, _ANSWERS), "answered"),),
        ),
        Panel(
            "Errors",
            "Answers of the proxy by status",
            "Per second. 401: no key or a wrong one. 404: not a listed route. 413: too large. 503: "
            "refused for load. 502: no engine. 504: it stayed silent.",
            "requests",
            (Query(or_zero(by_code, "proxy", "code"), "{{code}}"),),
        ),
    )
