"""Charts of TGI's own metrics. It has histograms, but none of the time to the first token."""

from __future__ import annotations

from infra_gen.engines.panels import (
    busiest_moment,
    or_zero,
    per_second,
    planned_tokens_per_s,
    planned_tpot_s,
    prompt_length,
    quantiles,
    requests,
)
from infra_gen.model.plan import Plan
from infra_gen.model.stack import Panel, Query

_PREFILL = 'method="prefill"'


def _load(plan: Plan) -> tuple[Panel, ...]:
    running, waiting = "sum(tgi_batch_current_size)", "sum(tgi_queue_size)"
    return (
        requests(
            plan,
            "The running batch, and what waits to join it.",
            running,
            waiting,
            "places planned",
        ),
        busiest_moment(plan, running, waiting),
        prompt_length(plan, "tgi_request_input_length"),
    )


def _latency(plan: Plan) -> tuple[Panel, ...]:
    return (
        Panel(
            "Latency",
            "Waiting for a place",
            "The first part of the time to the first token, which TGI does not measure as a whole.",
            "seconds",
            quantiles("tgi_request_queue_duration"),
        ),
        Panel(
            "Latency",
            "Prefill of one batch",
            "The second part of the time to the first token: all prompts that joined together.",
            "seconds",
            quantiles("tgi_batch_inference_duration", _PREFILL),
        ),
        Panel(
            "Latency",
            "Between two tokens",
            "The mean of each answer: how fast it flows.",
            "seconds",
            quantiles("tgi_request_mean_time_per_token_duration"),
            planned_tpot_s(plan),
            "predicted at the peak",
        ),
        Panel(
            "Latency",
            "Whole request",
            "From the request's arrival to the end of its answer. Failed requests are not counted.",
            "seconds",
            quantiles("tgi_request_duration"),
        ),
    )


def _throughput(plan: Plan) -> tuple[Panel, ...]:
    return (
        Panel(
            "Throughput",
            "Tokens out",
            "Answers of all users together, counted when a request ends. With fewer users than "
            "planned it stays below the line, and that is no fault.",
            "tokens_per_second",
            (Query(per_second("tgi_request_generated_tokens_sum"), "out"),),
            planned_tokens_per_s(plan),
            "predicted at the peak",
        ),
        Panel(
            "Throughput",
            "Tokens in",
            "Prompt tokens per second.",
            "tokens_per_second",
            (Query(per_second("tgi_request_input_length_sum"), "in"),),
        ),
    )


def _cache() -> tuple[Panel, ...]:
    return (
        Panel(
            "Cache",
            "Tokens of the batch",
            "Tokens that the running batch may still grow to, against those that there is memory for. "
            "When they meet, requests wait.",
            "tokens",
            (
                Query("sum(tgi_batch_current_max_tokens)", "reserved"),
                Query("sum(tgi_batch_max_total_tokens)", "fit into memory"),
            ),
        ),
    )


def _errors() -> tuple[Panel, ...]:
    refused = per_second("tgi_request_failure", by="err")
    return (
        Panel(
            "Errors",
            "Came and answered",
            "Requests per second: all that came, and those that were answered to the end.",
            "requests",
            (
                Query(per_second("tgi_request_count"), "came"),
                Query(per_second("tgi_request_success"), "answered"),
            ),
        ),
        Panel(
            "Errors",
            "Failures by reason",
            "Per second. overloaded: refused for load. validation, template: the request was wrong. "
            "dropped: the client left. generation, incomplete: the server failed.",
            "requests",
            (Query(or_zero(refused, "engine", "err"), "{{err}}"),),
        ),
    )


def panels(plan: Plan) -> tuple[Panel, ...]:
    """Every chart."""
    return (*_load(plan), *_latency(plan), *_throughput(plan), *_cache(), *_errors())
