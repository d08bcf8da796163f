"""Charts of llama-server's own metrics. It has no latency histogram; the proxy measures that."""

from __future__ import annotations

from infra_gen.engines.panels import (
    busiest_moment,
    longest_prompt,
    per_second,
    places,
    planned_tokens_per_s,
    planned_tpot_s,
    requests,
)
from infra_gen.model.plan import Plan
from infra_gen.model.stack import Panel, Query


def _load(plan: Plan) -> tuple[Panel, ...]:
    busy, waiting = "sum(llamacpp:requests_processing)", "sum(llamacpp:requests_deferred)"
    return (
        requests(plan, "What runs, and what waits for a free slot.", busy, waiting, "slots"),
        busiest_moment(plan, busy, waiting),
        Panel(
            "Load",
            "Slots busy in one step",
            "The mean over all steps since the start: 1 means that requests seldom met.",
            "requests",
            (Query("max(llamacpp:n_busy_slots_per_decode)", "busy slots"),),
            places(plan),
            "slots",
        ),
    )


def _throughput(plan: Plan) -> tuple[Panel, ...]:
    prompts = Panel(
        "Throughput",
        "Prompt tokens computed",
        "All users together, counted when a request ends; what the cache held is not computed.",
        "tokens_per_second",
        (Query(per_second("llamacpp:prompt_tokens_total"), "in"),),
    )
    reading = Panel(
        "Throughput",
        "Reading speed",
        "Prompt tokens per second of computing, as the server last averaged it. A prompt's length "
        "divided by this is its time to the first token when nobody else is served: llama-server has "
        "no histogram of that. A proxy in front measures it for real requests.",
        "tokens_per_second",
        (Query("max(llamacpp:prompt_tokens_seconds)", "reading"),),
    )
    if plan.task != "generate":
        return (prompts, reading)
    tpot = planned_tpot_s(plan)
    return (
        Panel(
            "Throughput",
            "Tokens out",
            "Answers of all users together, counted when a request ends. With fewer users than "
            "planned it stays below the line, and that is no fault.",
            "tokens_per_second",
            (Query(per_second("llamacpp:tokens_predicted_total"), "out"),),
            planned_tokens_per_s(plan),
            "predicted at the peak",
        ),
        Panel(
            "Throughput",
            "Writing speed of one answer",
            "Tokens per second that one user sees, as the server last averaged it. Below the line "
            "answers are slower than predicted for the peak.",
            "tokens_per_second",
            (Query("max(llamacpp:predicted_tokens_seconds)", "writing"),),
            float(f"{1 / tpot:.3g}") if tpot else None,
            "predicted at the peak",
        ),
        prompts,
        reading,
    )


def _cache(plan: Plan) -> tuple[Panel, ...]:
    cached = per_second("llamacpp:prompt_tokens_cached_total")
    computed = per_second("llamacpp:prompt_tokens_total")
    return (
        Panel(
            "Cache",
            "Prompt tokens from the cache",
            "Part of the prompt tokens that need no computing because a slot still held them.",
            "percent",
            (Query(f"{cached} / ({cached} + {computed})", "hits"),),
        ),
        Panel(
            "Cache",
            "Longest request since the start",
            "Prompt and answer together. At the limit of a slot answers are cut; the workload "
            f"{plan.workload} was planned with prompts of {longest_prompt(plan) or 'unknown'} tokens "
            "at the 95th percentile.",
            "tokens",
            (Query("max(llamacpp:n_tokens_max)", "longest"),),
            plan.limits.context,
            "context of a slot",
        ),
    )


def panels(plan: Plan) -> tuple[Panel, ...]:
    """Every chart."""
    return (*_load(plan), *_throughput(plan), *_cache(plan))
