"""The workload on one shape: speed, requests at once, and how many users it carries."""

from __future__ import annotations

import math
from copy import copy
from dataclasses import replace

from infra_gen.model.facts import Facts
from infra_gen.model.llm import ModelPreset
from infra_gen.model.plan import GIB, Limits, Memory, Parallelism, Plan, Point, Weights
from infra_gen.model.spec import Spec
from infra_gen.plan import load
from infra_gen.plan.candidates import Candidate
from infra_gen.plan.sizing.registry import SIZINGS
from infra_gen.plan.speed import SpeedModel

_MOST_USERS = 100_000
_QUEUED = 2  # at most so many times what runs at once are there: a wait is no longer than an answer


def speed_for(candidate: Candidate, facts: Facts, mem: Memory, limits: Limits) -> SpeedModel:
    """The speed model of a candidate with that memory and those limits."""
    return _speed_model(
        facts,
        candidate.model.preset,
        mem,
        engine=candidate.engine,
        weights=candidate.weights,
        split=candidate.parallelism,
        limits=limits,
    )


def _speed_model(
    facts: Facts,
    preset: ModelPreset,
    mem: Memory,
    *,
    engine: str,
    weights: Weights,
    split: Parallelism,
    limits: Limits,
) -> SpeedModel:
    """Where every slot has its cache from the start, only the number of slots bounds a batch."""
    return SpeedModel(
        machine=facts.machine,
        engine=SIZINGS[engine].calibrated_as,
        devices=split.tensor * split.layer_split,
        tensor=split.layer_split == 1,
        weight_bytes=weights.bytes,
        params_total=preset.params_total.value or 0,
        params_active=preset.params_active.value or 0,
        arch=preset.architecture,
        kv_bytes_per_token=mem.kv_bytes_per_token * split.tensor * split.pipeline,
        calibration=facts.calibration,
        writes=preset.task == "generate",
        quantization=weights.quantization,
        version=facts.engines[engine].version,
        batched_tokens=limits.step_tokens,
        stages=split.pipeline,
        sharing=split.data if preset.architecture.moe else 1,
        guesses=limits.guesses,
        on_host=mem.on_host,
        borrowed=SIZINGS[engine].borrows_speed,
        cache_bytes=None if SIZINGS[engine].reserves_slots else max(0.0, mem.kv_cache_gib) * GIB,
    )


def speed_of(plan: Plan, facts: Facts) -> SpeedModel:
    """The speed model of a finished plan, for further points."""
    preset = next(m.preset for m in facts.models if m.preset.id == plan.model_id)
    return _speed_model(
        facts,
        preset,
        plan.memory,
        engine=plan.engine,
        weights=plan.weights,
        split=plan.parallelism,
        limits=plan.limits,
    )


class LoadModel:
    """The workload on one evaluated shape: peaks and users.

    `slots` is how many requests one replica runs at once; more wait until one has ended. None: as
    many as come, to find how many come.
    """

    def __init__(
        self,
        facts: Facts,
        spec: Spec,
        candidate: Candidate,
        mem: Memory,
        limits: Limits,
        *,
        slots: int | None = None,
    ) -> None:
        """Keep what the closed loop needs."""
        self.workload = facts.workload
        self.data = candidate.parallelism.data
        self.speed = speed_for(candidate, facts, mem, limits)
        self.spec = spec
        self.slots = slots
        self._residence: dict[int, float | None] = {}
        self._most: dict[int, int] = {}

    def _running(self, concurrency: int) -> int:
        return concurrency if self.slots is None else min(concurrency, self.slots)

    def _replica_s(self, concurrency: int) -> float | None:
        """Seconds of a mean request with `concurrency` requests on one replica.

        With all slots taken one ends every residence / slots, and each that waits needs one to end.
        """
        running = self._running(concurrency)
        if running not in self._residence:
            self._residence[running] = self.speed.residence_s(
                running, self.workload.input_tokens.mean, self.workload.output_tokens.mean
            )
        served = self._residence[running]
        return None if served is None else served * concurrency / running

    def residence_s(self, concurrency: int) -> float | None:
        """Seconds of a mean request with `concurrency` requests over all replicas."""
        return self._replica_s(math.ceil(concurrency / self.data))

    def peak(self, users: int) -> int:
        """Requests at once at the 95th percentile, over all replicas."""
        return load.peak_concurrency(users, self.workload, self.residence_s)

    def typical(self, users: int) -> int:
        """Requests at once on average, over all replicas."""
        return load.typical_concurrency(users, self.workload, self.residence_s)

    def point(self, concurrency: int) -> Point:
        """Speed of one replica on median requests; those beyond its slots wait for the first token."""
        return self._point(
            concurrency, self.workload.input_tokens.low, self.workload.output_tokens.low
        )

    def long_request(self, concurrency: int) -> Point:
        """Speed of one replica on requests of the 95th percentile."""
        return self._point(
            concurrency, self.workload.input_tokens.high, self.workload.output_tokens.high
        )

    def _point(self, concurrency: int, tokens_in: int, tokens_out: int) -> Point:
        running = self._running(concurrency)
        found = self.speed.point(running, tokens_in, tokens_out)
        if running == concurrency or found.ttft_ms is None:
            return replace(found, concurrency=concurrency)
        first = found.ttft_ms + self._waiting_ms(concurrency)
        return replace(found, concurrency=concurrency, ttft_ms=first)

    def capacity(self, limits: Limits, mem: Memory) -> int:
        """Requests at once that cache and limits carry, over all replicas."""
        low, high = 0, limits.max_num_seqs + 1
        while high - low > 1:
            middle = (low + high) // 2
            need = load.cache_tokens_needed(self.workload, middle, limits.context)
            low, high = (middle, high) if need <= mem.kv_cache_tokens else (low, middle)
        return low * self.data

    @property
    def targets(self) -> bool:
        """Whether the user wrote a latency that must be met."""
        return bool(self.spec.load.ttft_ms or self.spec.load.tpot_ms)

    def meets_targets(self, concurrency: int) -> bool:
        """Whether the targets that the user wrote hold with so many requests on one replica."""
        wanted, workload = self.spec.load, self.workload
        ttft, tpot = self.speed.times_ms(
            self._running(concurrency), workload.input_tokens.low, workload.output_tokens.low
        )
        if wanted.ttft_ms and (ttft or math.inf) + self._waiting_ms(concurrency) > wanted.ttft_ms:
            return False
        return not wanted.tpot_ms or (tpot or math.inf) <= wanted.tpot_ms

    def _waiting_ms(self, concurrency: int) -> float:
        """How long a request waits for a slot with so many on one replica; 0 where not known."""
        running = self._running(concurrency)
        if running == concurrency:
            return 0.0
        served, all_of_it = self._replica_s(running), self._replica_s(concurrency)
        return 0.0 if served is None or all_of_it is None else (all_of_it - served) * 1e3

    def with_slots(self, slots: int) -> LoadModel:
        """The same with so many slots; what was timed is kept."""
        found = copy(self)
        found.slots, found._most = slots, {}
        return found

    def carries(self, users: int, capacity: int) -> bool:
        """Whether so many users have cache at their peak, and the targets hold then.

        Without targets nobody may wait. With them bursts may: the waiting counts for the first
        token, on average there is a place for each, and never do more wait than run. What holds is
        looked for at the largest load that does: more running requests never serve fewer users.
        """
        most = self.most_running(capacity)
        residence = self.residence_s(most) if most else None
        if not residence or users > self._on_average(most, capacity, residence):
            return False
        # While few run they end sooner, so the peak is at most what the slowest request makes it;
        # and where on average more are busy than may be, the peak is above that anyway.
        busy = residence / (residence + (self.workload.think_s.value or 0.0))
        if load.busy_p95(users, busy) <= most:
            return True
        return users * busy <= most and self.peak(users) <= most

    def surely_supported(self, capacity: int) -> int:
        """Users that are carried even if every request were as slow as the slowest: a lower bound."""
        most = self.most_running(capacity)
        residence = self.residence_s(most) if most else None
        if not residence:
            return 0
        low = load.users_at(most, self.workload, residence, _MOST_USERS)
        return min(low, self._on_average(most, capacity, residence))

    def users_supported(self, capacity: int) -> int:
        """The largest number of users that is carried."""
        most = self.most_running(capacity)
        residence = self.residence_s(most) if most else None
        if not residence:
            return 0
        low = self.surely_supported(capacity)
        bound = min(_MOST_USERS, self._on_average(most, capacity, residence))
        if low >= bound:
            return bound
        step = 1  # the answer is little above: widen from there
        while low + step <= bound and self.carries(low + step, capacity):
            low, step = low + step, step * 2
        high = min(low + step, bound + 1)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.carries(middle, capacity) else (low, middle)
        return low

    def _on_average(self, most: int, capacity: int, residence_s: float) -> int:
        """Users of whom none waits on average, where some do at the peak of `most` requests."""
        if most <= capacity:
            return _MOST_USERS
        full = self.residence_s(capacity) or residence_s
        return load.users_on_average(capacity, self.workload, full, _MOST_USERS)

    def most_running(self, capacity: int) -> int:
        """The largest number of requests in the system at which everything holds."""
        if not self.targets:
            return capacity
        if capacity not in self._most:
            self._most[capacity] = self.data * self._most_of_one(capacity // self.data * _QUEUED)
        return self._most[capacity]

    def _most_of_one(self, bound: int) -> int:
        """The same for one replica, at most `bound`."""
        if not bound or not self.meets_targets(1):
            return 0
        if self.meets_targets(bound):
            return bound
        low, high = 1, bound
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.meets_targets(middle) else (low, middle)
        return low
