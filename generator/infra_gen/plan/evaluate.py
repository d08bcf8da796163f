"""One candidate under the load: limits, memory, speed, and how many users it carries."""

from __future__ import annotations

import math
from dataclasses import replace

from infra_gen.model.facts import Facts
from infra_gen.model.llm import Architecture
from infra_gen.model.lock import Resolved
from infra_gen.model.plan import Limits, Memory
from infra_gen.model.spec import Spec
from infra_gen.plan import load
from infra_gen.plan.candidates import Candidate
from infra_gen.plan.evaluated import Evaluated
from infra_gen.plan.memory import Shape
from infra_gen.plan.sizing.contract import Ask, Settings
from infra_gen.plan.sizing.registry import SIZINGS
from infra_gen.plan.under_load import LoadModel
from infra_gen.plan.weights import guess_bytes, loaded_bytes, tower_bytes

_FEWEST = 8  # requests at once that a plan gives to engines whose requests share one cache


def _memory(candidate: Candidate, facts: Facts, limits: Limits, own: Settings) -> Memory:
    split, held = candidate.parallelism, candidate.weights
    preset, paged = candidate.model.preset, not SIZINGS[candidate.engine].reserves_slots
    shape = Shape(
        weight_bytes=loaded_bytes(preset, held) if paged else held.bytes,
        tensor=split.tensor,
        layer_split=split.layer_split,
        context=limits.context,
        max_num_seqs=limits.max_num_seqs,
        max_num_batched_tokens=limits.max_num_batched_tokens,
        kv_dtype=limits.kv_cache_dtype,
        cache_dtype=held.cache_dtype,
        expert_parallel=split.expert,
        ubatch=limits.ubatch,
        quantization=held.quantization,
        version=facts.engines[candidate.engine].version,
        fraction=limits.memory_fraction,
        pipeline=split.pipeline,
        data=split.data if preset.architecture.moe else 1,
        guess_bytes=guess_bytes(preset, held),
        tower_bytes=tower_bytes(preset),
        placement=limits.placement,
    )
    arch, sizing = preset.architecture, SIZINGS[candidate.engine]
    return sizing.memory_of(facts.machine, arch, own.on_shape(shape), facts.calibration)


def _fit_slots(candidate: Candidate, facts: Facts, limits: Limits, own: Settings) -> Limits:
    """Every slot is reserved at start: take as many as memory holds, at least one."""
    if own.fixed_requests:
        return limits
    low, high = 1, limits.max_num_seqs + 1
    while high - low > 1:
        middle = (low + high) // 2
        mem = _memory(candidate, facts, replace(limits, max_num_seqs=middle), own)
        low, high = (middle, high) if mem.headroom_gib >= 0 else (low, middle)
    return replace(limits, max_num_seqs=low)


def _with_states(
    candidate: Candidate, facts: Facts, limits: Limits, own: Settings, mem: Memory
) -> tuple[Limits, Memory]:
    """At most as many requests at once as a cache of recurrent states has blocks for.

    Memory set aside for requests is cache that is missed, so the number is searched. `mem` is that
    of `limits`.
    """

    def has_states(seqs: int, found: Memory) -> bool:
        return found.most_requests is None or seqs <= found.most_requests

    if has_states(limits.max_num_seqs, mem):
        return limits, mem
    low, high = 1, limits.max_num_seqs
    while high - low > 1:
        middle = (low + high) // 2
        found = _memory(candidate, facts, replace(limits, max_num_seqs=middle), own)
        low, high = (middle, high) if has_states(middle, found) else (low, middle)
    fewer = replace(limits, max_num_seqs=low // _FEWEST * _FEWEST or low)
    return fewer, _memory(candidate, facts, fewer, own)


def _affordable(
    candidate: Candidate, facts: Facts, limits: Limits, own: Settings
) -> tuple[Limits, Memory]:
    """Fewer requests at once where memory that is set aside for them keeps the model from fitting.

    Halved until it fits, at least _FEWEST; as they are where that does not help.
    """
    sizing, first = SIZINGS[candidate.engine], _memory(candidate, facts, limits, own)
    if sizing.reserves_slots or own.fixed_requests:
        return limits, first
    if sizing.shortfall(first, limits.context) <= 0:
        return _with_states(candidate, facts, limits, own, first)
    fewest = replace(limits, max_num_seqs=_FEWEST)
    least = _memory(candidate, facts, fewest, own)
    if limits.max_num_seqs <= _FEWEST or sizing.shortfall(least, limits.context) > 0:
        return limits, first
    seqs = limits.max_num_seqs // 2
    while seqs > _FEWEST:
        fewer = replace(limits, max_num_seqs=seqs)
        mem = _memory(candidate, facts, fewer, own)
        if sizing.shortfall(mem, fewer.context) <= 0:
            return _with_states(candidate, facts, fewer, own, mem)
        seqs //= 2
    return _with_states(candidate, facts, fewest, own, least)


def _fitted(candidate: Candidate, facts: Facts, limits: Limits, own: Settings) -> Limits:
    """The longest context of which the cache holds one request, as the engine finds it itself."""
    sizing = SIZINGS[candidate.engine]
    longest = candidate.model.preset.architecture.max_context

    def fits(context: int) -> bool:
        mem = _memory(candidate, facts, replace(limits, context=context), own)
        return sizing.shortfall(mem, context) <= 0

    if fits(longest):
        return replace(limits, context=longest)
    low, high = 1, longest
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return replace(limits, context=low)


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
    requests = None
    if facts.load_stated:
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
        limits = own.on(limits)
        return _fitted(candidate, facts, limits, own) if own.fit_context else limits
    limits = replace(
        limits,
        max_num_seqs=pins.max_num_seqs,
        max_num_batched_tokens=pins.max_num_batched_tokens,
        memory_fraction=pins.memory_fraction,
        kv_cache_dtype=pins.kv_cache_dtype,
    )
    return own.on(limits)


def outline(candidate: Candidate, facts: Facts, spec: Spec, slots: int | None = None) -> Evaluated:
    """What the candidate could carry at best: with the cache that it has before room for requests.

    Costs a fraction of `evaluate`, and what does not carry the load here does not carry it there.
    `slots` is the most requests that one replica may run at once, for a latency target; more wait.
    """
    own = SIZINGS[candidate.engine].settings(spec.engine_args)
    limits, mem = _affordable(candidate, facts, _limits(candidate, facts, spec, None, 1), own)
    lacking = SIZINGS[candidate.engine].shortfall(mem, limits.context)
    if lacking > 0:
        return Evaluated(candidate, limits, mem, lacking, spec, None)
    widest = _limits(candidate, facts, spec, None, spec.load.users)
    if slots:
        widest = replace(widest, max_num_seqs=min(widest.max_num_seqs, slots))
    if SIZINGS[candidate.engine].reserves_slots:
        widest = _fit_slots(candidate, facts, widest, own)
        mem = _memory(candidate, facts, widest, own)
    elif not mem.kv_bytes_per_token:  # nothing is kept: how many run is the limit's alone
        mem = _memory(candidate, facts, widest, own)
    loaded = LoadModel(facts, spec, candidate, mem, limits, slots=widest.max_num_seqs)
    return Evaluated(candidate, widest, mem, lacking, spec, loaded)


def complete(found: Evaluated, facts: Facts) -> Evaluated:
    """An outline that fits with the limits that its load needs, and the memory that those take."""
    candidate, spec, loaded = found.candidate, found.spec, found.loaded
    if loaded is None:
        return found
    own = SIZINGS[candidate.engine].settings(spec.engine_args)
    limits = _limits(candidate, facts, spec, None, loaded.peak(spec.load.users))
    limits = replace(limits, max_num_seqs=min(limits.max_num_seqs, found.limits.max_num_seqs))
    if SIZINGS[candidate.engine].reserves_slots:
        limits = _fit_slots(candidate, facts, limits, own)
        mem = _memory(candidate, facts, limits, own)
    else:
        limits, mem = _affordable(candidate, facts, limits, own)
    return _with_room(_within(candidate, facts, spec, limits, mem), found, facts, own)


def _with_room(planned: Evaluated, found: Evaluated, facts: Facts, own: Settings) -> Evaluated:
    """The same with places for all requests that the device carries within the targets.

    More people than planned then wait for nothing that the device has. Never more places than
    people; `planned` where the memory that places take would cost what the load needs.
    """
    candidate, spec, loaded = found.candidate, found.spec, found.loaded
    if loaded is None or own.fixed_requests or not SIZINGS[candidate.engine].gives_room:
        return planned
    carried = min(found.capacity, loaded.most_running(found.capacity)) // loaded.data
    places = min(found.limits.max_num_seqs, carried // _FEWEST * _FEWEST)
    if places <= planned.limits.max_num_seqs:
        return planned
    wider = replace(planned.limits, max_num_seqs=places)
    limits, mem = _affordable(candidate, facts, wider, own)
    if limits.max_num_seqs <= planned.limits.max_num_seqs:
        return planned
    roomy = _within(candidate, facts, spec, limits, mem)
    return roomy if roomy.fits and roomy.carries >= planned.carries else planned


def pinned(candidate: Candidate, facts: Facts, spec: Spec, pins: Resolved) -> Evaluated:
    """The candidate with a lock's limits."""
    own = SIZINGS[candidate.engine].settings(spec.engine_args)
    limits = _limits(candidate, facts, spec, pins, 1)
    return _within(candidate, facts, spec, limits, _memory(candidate, facts, limits, own))


def _within(
    candidate: Candidate, facts: Facts, spec: Spec, limits: Limits, mem: Memory
) -> Evaluated:
    """The numbers with these limits; nothing else counts, so that a lock's give the same again."""
    lacking = SIZINGS[candidate.engine].shortfall(mem, limits.context)
    loaded = LoadModel(facts, spec, candidate, mem, limits, slots=limits.max_num_seqs)
    return Evaluated(candidate, limits, mem, lacking, spec, loaded)


def within_targets(found: Evaluated, facts: Facts) -> Evaluated | None:
    """The outline with so few requests at once that the targets hold; the others wait.

    None where one request alone misses them, where only the cache bounds what runs, or where the
    user set the number.
    """
    loaded, spec, candidate = found.loaded, found.spec, found.candidate
    own = SIZINGS[candidate.engine].settings(spec.engine_args)
    if loaded is None or own.fixed_requests or not loaded.targets:
        return None
    most = loaded.most_running(found.capacity)
    slots = most // loaded.data
    if not slots or most >= found.capacity:
        return None
    if SIZINGS[candidate.engine].reserves_slots:
        return outline(candidate, facts, spec, slots)
    limits = replace(found.limits, max_num_seqs=slots)
    return replace(found, limits=limits, loaded=loaded.with_slots(slots))
