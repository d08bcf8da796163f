"""Charts of vLLM's own metrics."""

from __future__ import annotations

from infra_gen.engines.panels import (
    busiest_moment,
    per_second,
    planned_tokens_per_s,
    planned_tpot_s,
    planned_ttft_s,
    prompt_length,
    quantiles,
    requests,
)
from infra_gen.model.plan import Plan
from infra_gen.model.stack import Panel, Query

_CACHE_ALERT = 0.95  # where KvCacheFull fires


def _load(plan: Plan) -> tuple[Panel, ...]:
    running, waiting = "sum(vllm:num_requests_running)", "sum(vllm:num_requests_waiting)"
    return (
        requests(
            plan,
            "What runs, and what waits for a place or for cache. No more run at once than planned.",
            running,
            waiting,
            "places planned",
        ),
        busiest_moment(plan, running, waiting),
        prompt_length(plan, "vllm:request_prompt_tokens"),
    )


def _latency(plan: Plan) -> tuple[Panel, ...]:
    whole = Panel(
        "Latency",
        "Whole request",
        "From the request's arrival to the end of its answer.",
        "seconds",
        quantiles("vllm:e2e_request_latency_seconds"),
    )
    queue = Panel(
        "Latency",
        "Waiting for a place",
        "Part of the time to the first token. Long queues mean more users than planned.",
        "seconds",
        quantiles("vllm:request_queue_time_seconds"),
    )
    if plan.task != "generate":
        return (whole, queue)
    return (
        Panel(
            "Latency",
            "Time to first token",
            "What a user waits until the answer begins.",
            "seconds",
            quantiles("vllm:time_to_first_token_seconds"),
            planned_ttft_s(plan),
            "predicted at the peak",
        ),
        Panel(
            "Latency",
            "Between two tokens",
            "How fast an answer flows.",
            "seconds",
            quantiles("vllm:inter_token_latency_seconds"),
            planned_tpot_s(plan),
            "predicted at the peak",
        ),
        queue,
        whole,
    )


def _throughput(plan: Plan) -> tuple[Panel, ...]:
    tokens_in = Panel(
        "Throughput",
        "Tokens in",
        "Prompt tokens per second.",
        "tokens_per_second",
        (Query(per_second("vllm:prompt_tokens_total"), "in"),),
    )
    if plan.task != "generate":
        return (tokens_in,)
    tokens_out = Panel(
        "Throughput",
        "Tokens out",
        "Answers of all users together. At the line the server does what was predicted for the "
        "peak; with fewer users it stays below, and that is no fault.",
        "tokens_per_second",
        (Query(per_second("vllm:generation_tokens_total"), "out"),),
        planned_tokens_per_s(plan),
        "predicted at the peak",
    )
    return (tokens_out, tokens_in)


def _cache() -> tuple[Panel, ...]:
    hits = per_second("vllm:prefix_cache_hits_total")
    return (
        Panel(
            "Cache",
            "KV cache in use",
            "The fullest copy of the model. When it is full, requests wait or are thrown out.",
            "percent",
            (Query("max(vllm:kv_cache_usage_perc)", "fullest"),),
            _CACHE_ALERT,
            "KvCacheFull fires",
        ),
        Panel(
            "Cache",
            "Prefix cache hits",
            "Part of the prompt tokens that need no computing because a prompt began alike.",
            "percent",
            (Query(f"{hits} / {per_second('vllm:prefix_cache_queries_total')}", "hits"),),
        ),
        Panel(
            "Cache",
            "Requests thrown out",
            "Running requests that lost their cache and start again, per second. It should be 0.",
            "requests",
            (Query(per_second("vllm:num_preemptions_total"), "preempted"),),
        ),
    )


def _errors() -> tuple[Panel, ...]:
    return (
        Panel(
            "Errors",
            "How requests ended",
            "Per second. stop: the model was done. length: cut at the limit that the request or the "
            "context sets. abort: the client left. error: the server failed.",
            "requests",
            (
                Query(
                    per_second("vllm:request_success_total", by="finished_reason"),
                    "{{finished_reason}}",
                ),
            ),
        ),
        Panel(
            "Errors",
            "Why requests wait",
            "By the reason that vLLM itself gives.",
            "requests",
            (Query("sum by (reason) (vllm:num_requests_waiting_by_reason)", "{{reason}}"),),
        ),
    )


def panels(plan: Plan) -> tuple[Panel, ...]:
    """Every chart."""
    return (*_load(plan), *_latency(plan), *_throughput(plan), *_cache(), *_errors())
