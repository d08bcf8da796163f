"""One candidate under the load: limits, memory, speed, and how many users it carries."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from infra_gen.model.facts import Facts
from infra_gen.model.llm import Architecture
from infra_gen.model.lock import Resolved
from infra_gen.model.plan import Basis, Limits, Memory, Performance
from infra_gen.model.spec import Spec
from infra_gen.plan import load
from infra_gen.plan.candidates import Candidate
from infra_gen.plan.memory import Shape
from infra_gen.plan.sizing.contract import Ask, Settings
from infra_gen.plan.sizing.registry import SIZINGS
from infra_gen.plan.under_load import LoadModel
from infra_gen.plan.weights import loaded_bytes

_FEWEST = 8  # requests at once that a plan gives to engines whose requests share one cache


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


def _memory(candidate: Candidate, facts: Facts, limits: Limits, own: Settings) -> Memory:
    split, held = candidate.parallelism, candidate.weights
    paged = not SIZINGS[candidate.engine].reserves_slots
    shape = Shape(
        weight_bytes=loaded_bytes(candidate.model.preset, held) if paged else held.bytes,
        tensor=split.tensor,
        layer_split=split.layer_split,
        context=limits.context,
        max_num_seqs=limits.max_num_seqs,
        max_num_batched_tokens=limits.max_num_batched_tokens,
        kv_dtype=limits.kv_cache_dtype,
        expert_parallel=split.expert,
        ubatch=limits.ubatch,
        quantization=held.quantization,
        version=facts.engines[candidate.engine].version,
        fraction=limits.memory_fraction,
        placement=limits.placement,
    )
    arch, sizing = candidate.model.preset.architecture, SIZINGS[candidate.engine]
    return sizing.memory_of(facts.machine, arch, own.on_shape(shape), facts.calibration)


def _fit_slots(candidate: Candidate, facts: Facts, limits: Limits, own: Settings) -> Limits:
    """Every slot is reserved at start: take as many as memory holds, at least one."""
    slots = limits.max_num_seqs
    while slots > 1 and not own.fixed_requests:
        mem = _memory(candidate, facts, replace(limits, max_num_seqs=slots), own)
        if mem.headroom_gib >= 0:
            break
        slots -= 1
    return replace(limits, max_num_seqs=slots)


def _affordable(candidate: Candidate, facts: Facts, limits: Limits, own: Settings) -> Limits:
    """Fewer requests at once where memory that is set aside for them keeps the model from fitting.

    Halved until it fits, at least _FEWEST; as they are where that does not help.
    """
    sizing, seqs = SIZINGS[candidate.engine], limits.max_num_seqs
    while not sizing.reserves_slots and not own.fixed_requests:
        fewer = replace(limits, max_num_seqs=seqs)
        mem = _memory(candidate, facts, fewer, own)
        if sizing.shortfall(mem, limits.context) <= 0:
            return fewer
        if seqs <= _FEWEST:
            break
        seqs = max(_FEWEST, seqs // 2)
    return limits


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
    requests = max(math.ceil(peak / candidate.parallelism.data), min(2, spec.load.users))
    limits = SIZINGS[candidate.engine].limits(
        Ask(
            machine=facts.machine,
            info=facts.engines[candidate.engine],
            calibration=facts.calibration,
            arch=arch,
            task=candidate.model.preset.task,
            context=context,
            requests=requests,
        )
    )
    own = SIZINGS[candidate.engine].settings(spec.engine_args)
    limits = replace(limits, placement=candidate.placement)
    if not pins:
        return own.on(limits)
    limits = replace(
        limits,
        max_num_seqs=pins.max_num_seqs,
        max_num_batched_tokens=pins.max_num_batched_tokens,
        memory_fraction=pins.memory_fraction,
        kv_cache_dtype=pins.kv_cache_dtype,
    )
    return own.on(limits)


def evaluate(candidate: Candidate, facts: Facts, spec: Spec, pins: Resolved | None) -> Evaluated:
    """Numbers of one legal candidate. Pure; about a millisecond."""
    sizing = SIZINGS[candidate.engine]
    own = sizing.settings(spec.engine_args)
    probe = _limits(candidate, facts, spec, pins, 1)
    if not pins:
        probe = _affordable(candidate, facts, probe, own)
    mem = _memory(candidate, facts, probe, own)
    lacking = sizing.shortfall(mem, probe.context)
    loaded = LoadModel(facts, spec, candidate, mem, probe.step_tokens)
    if lacking > 0 and not pins:
        none = Performance("unknown", 1.0, 0, 0, 0, ())
        return Evaluated(candidate, probe, mem, none, lacking)
    peak = loaded.peak(spec.load.users)
    limits = _limits(candidate, facts, spec, pins, peak)
    if sizing.reserves_slots and not pins:
        limits = _fit_slots(candidate, facts, limits, own)
    elif not pins:
        limits = _affordable(candidate, facts, limits, own)
    mem = _memory(candidate, facts, limits, own)
    lacking = sizing.shortfall(mem, limits.context)
    performance = _performance(loaded, limits, mem, peak)
    return Evaluated(candidate, limits, mem, performance, lacking)


def _performance(loaded: LoadModel, limits: Limits, mem: Memory, peak: int) -> Performance:
    capacity = loaded.capacity(limits, mem)
    typical = min(peak, loaded.typical(loaded.spec.load.users))
    at_peak = loaded.point(_per_replica(peak, loaded.data, limits))
    at_typical = loaded.point(_per_replica(typical, loaded.data, limits))
    most = max(1, min(limits.max_num_seqs, capacity // loaded.data))
    levels = {1, at_typical.concurrency, at_peak.concurrency, most}
    points = tuple(loaded.point(level) for level in sorted(levels))
    wanted = loaded.spec.load
    known = loaded.residence_s(peak) is not None
    return Performance(
        basis=_basis(loaded, known=known),
        error_band=loaded.speed.error_band,
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


def _basis(loaded: LoadModel, *, known: bool) -> Basis:
    if not known:
        return "unknown"
    return "calibrated" if loaded.speed.measured else "roofline"


def _per_replica(requests: int, replicas: int, limits: Limits) -> int:
    return max(1, min(math.ceil(requests / replicas), limits.max_num_seqs))


def _meets(reached: float | None, wanted: float | None) -> bool | None:
    if wanted is None:
        return None
    return reached is not None and reached <= wanted
