"""Alerts on what llama-server exports. It has no latency histogram, so none is pretended."""

from __future__ import annotations

from infra_gen.engines.alerts import down
from infra_gen.model.plan import Plan
from infra_gen.model.stack import Alert, Series

_JOB = 'job="engine",instance="engine"'


def _deferred(plan: Plan) -> Alert:
    series = f"llamacpp:requests_deferred{{{_JOB}}}"
    return Alert(
        name="RequestsDeferred",
        expr="sum(llamacpp:requests_deferred) > 0",
        for_="5m",
        severity="warning",
        summary="Requests have been waiting for a free slot for five minutes.",
        runbook=(
            f"All {plan.limits.max_num_seqs} slots are busy: more people use it than planned "
            f"({plan.users}). Raise load.users in infra-gen.yaml and run `infra-gen update`: it says "
            "whether this hardware carries them."
        ),
        fires=(Series(series, "2x20"),),
        quiet=(Series(series, "2 0x20"),),
        at="10m",
    )


def _full(plan: Plan) -> Alert:
    slots = plan.limits.max_num_seqs
    series = f"llamacpp:requests_processing{{{_JOB}}}"
    return Alert(
        name="SlotsBusy",
        expr=f"min_over_time(sum(llamacpp:requests_processing)[10m:1m]) >= {slots}",
        for_="5m",
        severity="warning",
        summary="Every slot has been busy for fifteen minutes.",
        runbook=(
            "The server runs at its planned limit without a pause. If answers feel slow, raise "
            "load.users in infra-gen.yaml and run `infra-gen update`."
        ),
        fires=(Series(series, f"{slots}x40"),),
        quiet=(Series(series, f"{slots}x5 0x35"),),
        at="30m",
    )


def alerts(plan: Plan) -> tuple[Alert, ...]:
    """Every alert for a llama.cpp deployment."""
    return (down(plan), _deferred(plan), _full(plan))
