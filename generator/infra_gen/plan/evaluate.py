"""One candidate under the load: limits, memory, speed, and how many users it carries."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from infra_gen.model.facts import Facts
from infra_gen.model.llm import Architecture
from infra_gen.model.lock import Resolved
from infra_gen.model.plan import Limits, Memory, Performance
from infra_gen.model.spec import Spec
from infra_gen.plan import load, memory
from infra_gen.plan.candidates import Candidate
from infra_gen.plan.memory import Shape
from infra_gen.plan.under_load import LoadModel

_MAX_SLOTS = 64
_MAX_SEQS = 1024  # vLLM's own default for its largest cards; more wait in its queue


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A candidate with its numbers. `shortfall_gib` is above zero when it does not fit."""

    candidate: Candidate
    limits: Limits
    memory: Memory
    performance: Performance
    shortfall_gib: float

    @property
    def fits(self) -> bool:
        """Whether weights and at least one full context fit."""
        return self.shortfall_gib <= 0


def _batched_tokens(candidate: Candidate, facts: Facts) -> int:
    """The engine's own default for this device; without one, what keeps the server answering."""
    default = facts.engines[candidate.engine].batched_tokens(facts.machine)
    if default is not None:
        return default
    # llama-server answers scrapes and health checks between two batches only.
    return 512 if facts.machine.memory_kind != "discrete" else 2048


def _round_seqs(engine: str, needed: int) -> int:
    """VLLM captures graphs at multiples of eight, so its limit is rounded up to one."""
    if engine == "llama.cpp":
        return min(needed, _MAX_SLOTS)
    return min(_MAX_SEQS, math.ceil(needed / 8) * 8)


def _memory(candidate: Candidate, facts: Facts, limits: Limits) -> Memory:
    split = candidate.parallelism
    shape = Shape(
        weight_bytes=candidate.weights.bytes,
        tensor=split.tensor,
        layer_split=split.layer_split,
        context=limits.context,
        max_num_seqs=limits.max_num_seqs,
        max_num_batched_tokens=limits.max_num_batched_tokens,
        kv_dtype=limits.kv_cache_dtype,
        expert_parallel=split.expert,
    )
    arch = candidate.model.preset.architecture
    plan_memory = memory.vllm_memory if candidate.engine == "vllm" else memory.llamacpp_memory
    return plan_memory(facts.machine, arch, shape, facts.calibration)


def shortfall(engine: str, mem: Memory, context: int) -> float:
    """GiB a device lacks for the weights and one sequence of full context; 0 when it fits."""
    if engine == "llama.cpp":
        return max(0.0, -mem.headroom_gib)
    if mem.kv_cache_gib > 0 and mem.max_concurrency_at_context >= 1:
        return 0.0
    if mem.max_concurrency_at_context > 0:
        one = mem.kv_cache_gib / mem.max_concurrency_at_context
    else:
        one = mem.kv_bytes_per_token * context / 2**30
    return max(0.001, one - mem.kv_cache_gib)


def _fit_slots(candidate: Candidate, facts: Facts, limits: Limits) -> Limits:
    """llama-server reserves every slot at start: take as many as memory holds, at least one."""
    slots = limits.max_num_seqs
    while slots > 1:
        mem = _memory(candidate, facts, replace(limits, max_num_seqs=slots))
        if mem.headroom_gib >= 0:
            break
        slots -= 1
    return replace(limits, max_num_seqs=slots)


def context_for(spec: Spec, facts: Facts, arch: Architecture) -> int:
    """Context in tokens: what the user wrote, or the workload's need within the model's limit."""
    if spec.load.context != "auto":
        return spec.load.context
    return min(load.context_needed(facts.workload), arch.max_context)


def _limits(
    candidate: Candidate, facts: Facts, spec: Spec, pins: Resolved | None, peak: int
) -> Limits:
    arch = candidate.model.preset.architecture
    context = pins.context if pins else context_for(spec, facts, arch)
    # Two people may always overlap once, whatever the 95th percentile says.
    seqs = max(math.ceil(peak / candidate.parallelism.data), min(2, spec.load.users))
    batched = _batched_tokens(candidate, facts)
    fraction = None
    if candidate.engine == "vllm":
        fraction = memory.vllm_fraction(facts.machine, facts.calibration)
    threads = None
    if facts.machine.vendor == "cpu" or candidate.engine == "llama.cpp":
        threads = facts.machine.cpu_cores
    limits = Limits(
        context=context,
        max_num_seqs=_round_seqs(candidate.engine, seqs),
        max_num_batched_tokens=batched,
        memory_fraction=fraction,
        kv_cache_dtype="auto" if candidate.engine == "vllm" else "f16",
        threads=threads,
    )
    if not pins:
        return limits
    return replace(
        limits,
        max_num_seqs=pins.max_num_seqs,
        max_num_batched_tokens=pins.max_num_batched_tokens,
        memory_fraction=pins.memory_fraction,
        kv_cache_dtype=pins.kv_cache_dtype,
    )


def evaluate(candidate: Candidate, facts: Facts, spec: Spec, pins: Resolved | None) -> Evaluated:
    """Numbers of one legal candidate. Pure; about a millisecond."""
    probe = _limits(candidate, facts, spec, pins, 1)
    mem = _memory(candidate, facts, probe)
    lacking = shortfall(candidate.engine, mem, probe.context)
    loaded = LoadModel(facts, spec, candidate, mem)
    if lacking > 0 and not pins:
        none = Performance("unknown", 1.0, 0, 0, 0, ())
        return Evaluated(candidate, probe, mem, none, lacking)
    peak = loaded.peak(spec.load.users)
    limits = _limits(candidate, facts, spec, pins, peak)
    if candidate.engine == "llama.cpp" and not pins:
        limits = _fit_slots(candidate, facts, limits)
    mem = _memory(candidate, facts, limits)
    lacking = shortfall(candidate.engine, mem, limits.context)
    performance = _performance(loaded, facts, limits, mem, peak)
    return Evaluated(candidate, limits, mem, performance, lacking)


def _performance(
    loaded: LoadModel, facts: Facts, limits: Limits, mem: Memory, peak: int
) -> Performance:
    capacity = loaded.capacity(limits, mem)
    typical = min(peak, loaded.typical(loaded.spec.load.users))
    at_peak = loaded.point(_per_replica(peak, loaded.data, limits))
    at_typical = loaded.point(_per_replica(typical, loaded.data, limits))
    levels = {1, at_typical.concurrency, at_peak.concurrency, limits.max_num_seqs}
    points = tuple(loaded.point(level) for level in sorted(levels))
    wanted = loaded.spec.load
    known = at_peak.tpot_ms is not None
    return Performance(
        basis="roofline" if known else "unknown",
        error_band=facts.calibration.error_band.value or 1.0,
        users_supported=loaded.users_supported(capacity) if known else None,
        typical_concurrency=typical,
        peak_concurrency=peak,
        points=points,
        typical=at_typical,
        peak=at_peak,
        long_request=loaded.long_request(at_peak.concurrency),
        meets_ttft=_meets(at_peak.ttft_ms, wanted.ttft_ms),
        meets_tpot=_meets(at_peak.tpot_ms, wanted.tpot_ms),
    )


def _per_replica(requests: int, replicas: int, limits: Limits) -> int:
    return max(1, min(math.ceil(requests / replicas), limits.max_num_seqs))


def _meets(reached: float | None, wanted: float | None) -> bool | None:
    if wanted is None:
        return None
    return reached is not None and reached <= wanted
