"""The capacity part of the README: the plan's numbers with their assumptions, as text."""

from __future__ import annotations

from dataclasses import dataclass

from infra_gen.model.llm import Task
from infra_gen.model.plan import Performance, Plan, Point


@dataclass(frozen=True, slots=True)
class Row:
    """A name and what belongs to it, one line of a table."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class PointRow:
    """One predicted load point."""

    concurrency: str
    input_tokens: int
    output_tokens: int
    ttft: str
    tpot: str
    rate: str


@dataclass(frozen=True, slots=True)
class CapacityView:
    """The names below `capacity` in templates/readme/_capacity.md.j2."""

    users: str
    workload: str
    think: str
    peak: str
    supported: str
    request: str
    context: str
    limits: str
    device: str
    memory: tuple[Row, ...]
    cache: str
    writes: bool
    points: tuple[PointRow, ...]
    basis: str
    warnings: tuple[str, ...]


def capacity(plan: Plan) -> CapacityView:
    """The plan's sizes and speeds as an operator reads them."""
    machine, speed = plan.machine, plan.performance
    return CapacityView(
        users=_count(plan.users, "user"),
        workload=plan.workload,
        think=f"{plan.think_s:g}",
        peak=_count(speed.peak_concurrency, "request"),
        supported=_supported(speed),
        request=_REQUESTS[plan.task].format(f"{plan.limits.context:,}"),
        context=f"{plan.limits.context:,}",
        limits=_limits(plan),
        device=machine.name
        if machine.devices == 1
        else f"the fullest of {machine.devices} devices",
        memory=_memory(plan),
        cache=_cache(plan),
        writes=plan.task == "generate",
        points=_points(speed),
        basis=_basis(speed),
        warnings=(*plan.warnings, *machine.assumptions),
    )


_REQUESTS: dict[Task, str] = {
    "generate": "One request may have {} tokens, prompt and answer together.",
    "embed": "One input may have {} tokens.",
    "rerank": "One pair of query and document may have {} tokens.",
}


def _limits(plan: Plan) -> str:
    copies = plan.parallelism.data
    text = f"At most {_count(plan.limits.max_num_seqs * copies, 'request')} at a time; more wait."
    if copies > 1:
        text += f" {copies} copies of the model share them; cache and speeds below are those of one copy."
    return text


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" + ("" if number == 1 else "s")


def _supported(speed: Performance) -> str:
    if speed.users_supported is None:
        return "How many users it could hold is unknown."
    return f"By the same reckoning it holds up to {_count(speed.users_supported, 'user')}."


def _memory(plan: Plan) -> tuple[Row, ...]:
    memory, others = plan.memory, _others_gib(plan)
    kept = plan.machine.reserved_gib if others else memory.reserved_gib
    free = memory.reserved_gib + memory.headroom_gib - kept - others
    parts = (
        ("weights", memory.weights_gib),
        ("key-value cache" if memory.kv_bytes_per_token else _NO_CACHE, memory.kv_cache_gib),
        ("activations", memory.activation_gib),
        ("CUDA graphs", memory.cuda_graph_gib),
        ("engine and driver", memory.runtime_gib),
        ("planned in all", memory.planned_gib),
        ("kept for the system", kept),
        ("for other deployments", others),
        ("left free", free),
        ("what a program sees", memory.visible_gib),
    )
    return tuple(Row(name, f"{gib:.2f}") for name, gib in parts if abs(gib) >= _SHOWN_GIB)


_NO_CACHE = "left for the engine"
_SHOWN_GIB = 0.005  # anything smaller would read 0.00


def _others_gib(plan: Plan) -> float:
    """What this deployment leaves of a card because others were promised it (`gpu_fraction`)."""
    machine = plan.machine
    if machine.share >= 1.0 or machine.memory_kind != "discrete":
        return 0.0
    return max(0.0, machine.visible_gib - machine.reserved_gib - machine.usable_gib)


def _cache(plan: Plan) -> str:
    memory = plan.memory
    if not memory.kv_bytes_per_token:
        return (
            "The model keeps no cache between tokens: what is left of the memory is the engine's."
        )
    whose = " of a copy" if plan.parallelism.data > 1 else ""
    text = (
        f"The key-value cache{whose} holds {memory.kv_cache_tokens:,} tokens: "
        f"{memory.max_concurrency_at_context:.1f} requests of full length, or more shorter ones."
    )
    if memory.host_needed_gib:
        text += f" The host itself needs {memory.host_needed_gib:.1f} GiB of memory."
    return text


def _points(speed: Performance) -> tuple[PointRow, ...]:
    """The points, and which of them is the load that is expected."""
    named = [(speed.typical, " (on average)"), (speed.peak, " (at the peak)")]
    points = [*speed.points, *(p for p, _ in named if p and p not in speed.points)]
    rows = []
    for point in points:
        names = "".join(name for known, name in named if known == point)
        rows.append(_point(point, names))
    return tuple(rows)


def _point(point: Point, names: str) -> PointRow:
    rate = point.output_tokens_per_s
    if point.tpot_ms is None and point.ttft_ms:
        rate = 1e3 * point.concurrency / point.ttft_ms  # inputs, where nothing is written
    return PointRow(
        concurrency=f"{point.concurrency}{names}",
        input_tokens=point.input_tokens,
        output_tokens=point.output_tokens,
        ttft=_time(point.ttft_ms),
        tpot=_time(point.tpot_ms),
        rate="unknown" if rate is None else f"{rate:,.0f}",
    )


def _time(milliseconds: float | None) -> str:
    if milliseconds is None:
        return "unknown"
    return f"{milliseconds:.0f} ms" if milliseconds < 10_000 else f"{milliseconds / 1000:.0f} s"


def _basis(speed: Performance) -> str:
    band = f"within {speed.error_band:.0%} of what is measured"
    match speed.basis:
        case "roofline":
            return (
                "These speeds are a roofline estimate, from data sheets and the size of the model, "
                f"not a measurement on this machine. Expect them to be {band}."
            )
        case "calibrated":
            return (
                "These speeds come from a formula fitted to measurements of real engines, not from "
                f"a measurement on this machine. Expect them to be {band}."
            )
        case "unknown":
            return "The speed of this combination is unknown: measure it before you rely on it."
