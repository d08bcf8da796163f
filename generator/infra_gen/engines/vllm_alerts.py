"""Alerts on what vLLM exports, each with a series that fires it and one that does not."""

from __future__ import annotations

from infra_gen.engines.alerts import down, seconds, slow_tokens_advice
from infra_gen.model.plan import Plan
from infra_gen.model.stack import Alert, Series

_JOB = 'job="engine",instance="engine:8000"'


def _queue(plan: Plan) -> Alert:
    series = f"vllm:num_requests_waiting{{{_JOB}}}"
    return Alert(
        name="RequestsWaiting",
        expr="sum(vllm:num_requests_waiting) > 0",
        for_="5m",
        severity="warning",
        summary="Requests have been waiting for a place in the batch for five minutes.",
        runbook=(
            f"More people use it than planned ({plan.users}). Look at the plan with "
            "`infra-gen explain concurrency`, then raise load.users in infra-gen.yaml and run "
            "`infra-gen update`: it says whether this hardware carries them."
        ),
        fires=(Series(series, "3x20"),),
        quiet=(Series(series, "3 0x20"),),
        at="10m",
    )


def _cache() -> Alert:
    series = f"vllm:kv_cache_usage_perc{{{_JOB}}}"
    return Alert(
        name="KvCacheFull",
        expr="max(vllm:kv_cache_usage_perc) > 0.95",
        for_="5m",
        severity="warning",
        summary="The KV cache has been over 95 % full for five minutes.",
        runbook=(
            "Requests are longer than the workload that was planned for. Compare prompt lengths with "
            "`infra-gen explain context`; choose another load.workload, or a smaller quantization."
        ),
        fires=(Series(series, "0.97x20"),),
        quiet=(Series(series, "0.60x20"),),
        at="10m",
    )


def _preemptions() -> Alert:
    series = f"vllm:num_preemptions_total{{{_JOB}}}"
    return Alert(
        name="RequestsPreempted",
        expr="sum(rate(vllm:num_preemptions_total[5m])) > 0",
        for_="10m",
        severity="warning",
        summary="Running requests are thrown out of the cache and started again.",
        runbook=(
            "The cache is too small for what runs at once. Lower max-num-seqs under engine_args, or "
            "plan for longer requests with another load.workload."
        ),
        fires=(Series(series, "0+5x30"),),
        quiet=(Series(series, "7x30"),),
        at="20m",
    )


def _slow(name: str, metric: str, limit_s: float, summary: str, runbook: str) -> Alert:
    over, under = limit_s * 2, limit_s / 2
    labels = f"{_JOB},le="

    def buckets(slow: bool) -> tuple[Series, ...]:
        fast = "0x30" if slow else "0+60x30"
        return (
            Series(f'{metric}_bucket{{{labels}"{seconds(under)}"}}', fast),
            Series(f'{metric}_bucket{{{labels}"{seconds(over)}"}}', fast),
            Series(f'{metric}_bucket{{{labels}"{seconds(over * 2)}"}}', "0+60x30"),
            Series(f'{metric}_bucket{{{labels}"+Inf"}}', "0+60x30"),
        )

    return Alert(
        name=name,
        expr=(
            f"histogram_quantile(0.95, sum by (le) (rate({metric}_bucket[5m]))) > {seconds(limit_s)}"
        ),
        for_="10m",
        severity="warning",
        summary=summary,
        runbook=runbook,
        fires=buckets(True),
        quiet=buckets(False),
        at="20m",
    )


def _latency(plan: Plan) -> list[Alert]:
    """At three times what the plan predicts for long prompts and for tokens at the peak."""
    point, long = plan.performance.peak, plan.performance.long_request
    found = []
    if long is not None and long.ttft_ms is not None:
        found.append(
            _slow(
                "FirstTokenSlow", "vllm:time_to_first_token_seconds",
                max(1.0, 3 * long.ttft_ms / 1e3),
                "The slowest twentieth of requests waits three times longer than planned for a prompt "
                f"of {long.input_tokens} tokens.",
                "Prompts may be longer than planned, or requests may queue: see RequestsWaiting. "
                "`infra-gen plan` shows the planned times.",
            )
        )  # fmt: skip
    if point is not None and point.tpot_ms is not None:
        found.append(
            _slow(
                "TokensSlow", "vllm:request_time_per_output_token_seconds",
                max(0.1, 3 * point.tpot_ms / 1e3),
                "The slowest twentieth of answers comes three times slower than planned.",
                slow_tokens_advice(plan),
            )
        )  # fmt: skip
    return found


def alerts(plan: Plan) -> tuple[Alert, ...]:
    """Every alert for a vLLM deployment."""
    if plan.task != "generate":  # nothing stays in the cache between two steps
        return (down(plan), _queue(plan))
    return (down(plan), _queue(plan), _cache(), _preemptions(), *_latency(plan))
