"""How charts ask Prometheus: rates, shares, quantiles, planned bounds; charts of several engines."""

from __future__ import annotations

from infra_gen.model.plan import Plan, counted
from infra_gen.model.stack import Panel, Query

WINDOW = "5m"


def labelled(metric: str, labels: str) -> str:
    """The metric with label matchers, which may be empty."""
    return f"{metric}{{{labels}}}" if labels else metric


def per_second(metric: str, labels: str = "", by: str = "") -> str:
    """A counter's growth per second over all series, or one result for each value of `by`."""
    grouped = f"sum by ({by}) " if by else "sum"
    return f"{grouped}(rate({labelled(metric, labels)}[{WINDOW}]))"


def mean(histogram: str, labels: str = "") -> str:
    """The mean of what a histogram counted."""
    whole = per_second(f"{histogram}_sum", labels)
    return f"{whole} / {per_second(f'{histogram}_count', labels)}"


def quantiles(histogram: str, labels: str = "") -> tuple[Query, ...]:
    """The median and the 95th percentile of a histogram."""
    buckets = per_second(f"{histogram}_bucket", labels, by="le")
    return (
        Query(f"histogram_quantile(0.5, {buckets})", "p50"),
        Query(f"histogram_quantile(0.95, {buckets})", "p95"),
    )


def or_zero(expr: str, job: str, label: str) -> str:
    """`expr` grouped by `label`; where it has no series yet a 0 called none, while `job` answers.

    While it does not there is nothing: an outage is never drawn as a zero.
    """
    zero = f'sum(up{{job="{job}"}} == 1) * 0'
    return f'{expr} or on () label_replace({zero}, "{label}", "none", "", "")'


def places(plan: Plan) -> int:
    """Requests that run at once over all copies of the model."""
    return plan.limits.max_num_seqs * plan.parallelism.data


def seconds_of(milliseconds: float | None) -> float | None:
    """A predicted time in seconds with three digits, as it is drawn; None stays None."""
    return None if milliseconds is None else float(f"{milliseconds / 1e3:.3g}")


def planned_ttft_s(plan: Plan) -> float | None:
    """The predicted time to the first token at the peak, s."""
    peak = plan.performance.peak
    return seconds_of(peak.ttft_ms) if peak else None


def planned_tpot_s(plan: Plan) -> float | None:
    """The predicted time between two tokens at the peak, s."""
    peak = plan.performance.peak
    return seconds_of(peak.tpot_ms) if peak else None


def planned_tokens_per_s(plan: Plan) -> float | None:
    """Predicted output of all copies of the model at the peak, tokens/s."""
    peak = plan.performance.peak
    if peak is None or peak.output_tokens_per_s is None:
        return None
    return float(f"{peak.output_tokens_per_s * plan.parallelism.data:.3g}")


def longest_prompt(plan: Plan) -> int | None:
    """The 95th percentile of prompts that the plan counts with, tokens."""
    long = plan.performance.long_request
    return long.input_tokens if long else None


def requests(plan: Plan, because: str, running: str, waiting: str, limit: str) -> Panel:
    """What runs and what waits, against the places planned; `limit` is what those are called."""
    return Panel(
        "Load",
        "Requests",
        because,
        "requests",
        (Query(running, "running"), Query(waiting, "waiting")),
        places(plan),
        limit,
    )


def busiest_moment(plan: Plan, running: str, waiting: str) -> Panel:
    """The most requests of the last hour, against the peak that the users were expected to make."""
    return Panel(
        "Load",
        "Busiest moment of the last hour",
        "Requests at once, running or waiting, against the peak that was expected of "
        f"{counted(plan.users, 'user')}. For hours above the line: raise load.users.",
        "requests",
        (Query(f"max_over_time(({running} + {waiting})[1h:15s])", "peak"),),
        plan.performance.peak_concurrency,
        f"peak of {counted(plan.users, 'user')}",
    )


def prompt_length(plan: Plan, histogram: str) -> Panel:
    """How long prompts are, against the workload's."""
    return Panel(
        "Load",
        "Prompt length",
        f"Longer prompts than the workload {plan.workload} has are slower and fill the cache.",
        "tokens",
        quantiles(histogram),
        longest_prompt(plan),
        "p95 planned",
    )
