"""The workload on one shape: speed, requests at once, and how many users it carries."""

from __future__ import annotations

import math
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


def _speed(candidate: Candidate, facts: Facts, mem: Memory, batched_tokens: int) -> SpeedModel:
    return _speed_model(
        facts,
        candidate.model.preset,
        mem,
        engine=candidate.engine,
        weights=candidate.weights,
        split=candidate.parallelism,
        batched_tokens=batched_tokens,
    )


def _speed_model(
    facts: Facts,
    preset: ModelPreset,
    mem: Memory,
    *,
    engine: str,
    weights: Weights,
    split: Parallelism,
    batched_tokens: int,
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
        kv_bytes_per_token=mem.kv_bytes_per_token * split.tensor,
        calibration=facts.calibration,
        writes=preset.task == "generate",
        quantization=weights.quantization,
        version=facts.engines[engine].version,
        batched_tokens=batched_tokens,
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
        batched_tokens=plan.limits.max_num_batched_tokens,
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
        self.speed = _speed(candidate, facts, mem, limits.max_num_batched_tokens)
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
        if running == concurrency:
            return found
        served, waiting = self._replica_s(running), self._replica_s(concurrency)
        first = found.ttft_ms
        if first is not None and served is not None and waiting is not None:
            first += (waiting - served) * 1e3
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
        """Whether the targets that the user wrote hold at this load over all replicas."""
        if not self.targets:
            return True
        point, wanted = self.point(math.ceil(concurrency / self.data)), self.spec.load
        ttft_ok = not wanted.ttft_ms or (point.ttft_ms or math.inf) <= wanted.ttft_ms
        return ttft_ok and (not wanted.tpot_ms or (point.tpot_ms or math.inf) <= wanted.tpot_ms)

    def carries(self, users: int, capacity: int) -> bool:
        """Whether so many users have cache at their peak, and the targets hold then.

        Without targets nobody may wait. With them bursts may: the waiting counts for the first
        token, on average there is a place for each, and never do more wait than run. What holds is
        looked for at the largest load that does: more running requests never serve fewer users.
        """
        most = self.most_running(capacity)
        residence = self.residence_s(most) if most else None
        if not residence:
            return False
        think = self.workload.think_s.value or 0.0
        busy = load.busy_p95(users, residence / (residence + think))
        return busy <= most and users <= self._on_average(most, capacity, residence)

    def users_supported(self, capacity: int) -> int:
        """The largest number of users that is carried."""
        most = self.most_running(capacity)
        residence = self.residence_s(most) if most else None
        if not residence:
            return 0
        users = load.users_at(most, self.workload, residence, _MOST_USERS)
        return min(users, self._on_average(most, capacity, residence))

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
            low, high = 0, capacity * _QUEUED + 1 if self.meets_targets(1) else 1
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if self.meets_targets(middle) else (low, middle)
            self._most[capacity] = low
        return self._most[capacity]
