"""Alerts on what TGI exports. It has no time to the first token, so none is pretended."""

from __future__ import annotations

from infra_gen.engines.alerts import down, slow_tokens_advice
from infra_gen.engines.latency import Histogram, slow
from infra_gen.model.plan import Plan
from infra_gen.model.stack import Alert, Series

_JOB = 'job="engine",instance="engine"'
# What is the server's fault. The others are the client's: it left, or its request was wrong.
_FAULTS = "generation|incomplete"


def _queue(plan: Plan) -> Alert:
    series = f"tgi_queue_size{{{_JOB}}}"
    return Alert(
        name="RequestsWaiting",
        expr="sum(tgi_queue_size) > 0",
        for_="5m",
        severity="warning",
        summary="Requests have been waiting for a place in the batch for five minutes.",
        runbook=(
            f"More people use it than planned ({plan.users}), or their requests are longer. Raise "
            "load.users in infra-gen.yaml and run `infra-gen update`: it says whether this hardware "
            "carries them."
        ),
        fires=(Series(series, "3x20"),),
        quiet=(Series(series, "3 0x20"),),
        at="10m",
    )


def _refused() -> Alert:
    series = f'tgi_request_failure{{{_JOB},err="overloaded"}}'
    return Alert(
        name="RequestsRefused",
        expr='sum(rate(tgi_request_failure{err="overloaded"}[5m])) > 0',
        for_="5m",
        severity="warning",
        summary="Clients have been refused for load for five minutes (status 429).",
        runbook=(
            "As many requests as allowed run and wait. Either more people use it than planned, or "
            "one client sends everything at once. See RequestsWaiting."
        ),
        fires=(Series(series, "0+5x30"),),
        quiet=(Series(series, "7x30"),),
        at="20m",
    )


def _failing() -> Alert:
    series = f'tgi_request_failure{{{_JOB},err="generation"}}'
    client = Series(f'tgi_request_failure{{{_JOB},err="validation"}}', "0+5x30")
    return Alert(
        name="RequestsFailing",
        expr=f'sum(rate(tgi_request_failure{{err=~"{_FAULTS}"}}[5m])) > 0',
        for_="10m",
        severity="critical",
        summary="The server has been failing requests for ten minutes.",
        runbook=(
            "The engine's log has the error of each. Out of memory: lower the limits under "
            "engine_args, or plan for longer requests with another load.workload."
        ),
        fires=(Series(series, "0+5x30"),),
        quiet=(Series(series, "7x30"), client),
        at="20m",
    )


def _slow(plan: Plan) -> list[Alert]:
    """At three times what the plan predicts for tokens at the peak."""
    peak = plan.performance.peak
    if peak is None or peak.tpot_ms is None:
        return []
    return [
        slow(
            Histogram("tgi_request_mean_time_per_token_duration"),
            "TokensSlow",
            max(0.1, 3 * peak.tpot_ms / 1e3),
            "The slowest twentieth of answers comes three times slower than planned.",
            slow_tokens_advice(plan),
        )
    ]


def alerts(plan: Plan) -> tuple[Alert, ...]:
    """Every alert for a TGI deployment."""
    return (down(plan), _queue(plan), _refused(), _failing(), *_slow(plan))
