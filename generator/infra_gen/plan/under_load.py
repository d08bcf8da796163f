"""The workload on one shape: speed, requests at once, and how many users it carries."""

from __future__ import annotations

import math

from infra_gen.model.facts import Facts
from infra_gen.model.llm import ModelPreset
from infra_gen.model.plan import GIB, Limits, Memory, Parallelism, Plan, Point, Weights
from infra_gen.model.spec import Spec
from infra_gen.plan import load
from infra_gen.plan.candidates import Candidate
from infra_gen.plan.sizing.registry import SIZINGS
from infra_gen.plan.speed import SpeedModel

_MOST_USERS = 100_000


def speed_for(candidate: Candidate, facts: Facts, mem: Memory, batched_tokens: int) -> SpeedModel:
    """The speed model of a candidate with that memory; `batched_tokens` of one step."""
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
        batched_tokens=plan.limits.step_tokens,
    )


class LoadModel:
    """The workload on one evaluated shape: peaks and users."""

    def __init__(
        self, facts: Facts, spec: Spec, candidate: Candidate, mem: Memory, batched_tokens: int
    ) -> None:
        """Keep what the closed loop needs."""
        self.workload = facts.workload
        self.data = candidate.parallelism.data
        self.speed = speed_for(candidate, facts, mem, batched_tokens)
        self.spec = spec
        self._residence: dict[int, float | None] = {}

    def residence_s(self, concurrency: int) -> float | None:
        """Seconds of a mean request with `concurrency` requests over all replicas."""
        per_replica = math.ceil(concurrency / self.data)
        if per_replica not in self._residence:
            self._residence[per_replica] = self.speed.residence_s(
                per_replica, self.workload.input_tokens.mean, self.workload.output_tokens.mean
            )
        return self._residence[per_replica]

    def peak(self, users: int) -> int:
        """Requests at once at the 95th percentile, over all replicas."""
        return load.peak_concurrency(users, self.workload, self.residence_s)

    def typical(self, users: int) -> int:
        """Requests at once on average, over all replicas."""
        return load.typical_concurrency(users, self.workload, self.residence_s)

    def point(self, concurrency: int) -> Point:
        """Speed of one replica on median requests."""
        return self.speed.point(
            concurrency, self.workload.input_tokens.low, self.workload.output_tokens.low
        )

    def long_request(self, concurrency: int) -> Point:
        """Speed of one replica on requests of the 95th percentile."""
        return self.speed.point(
            concurrency, self.workload.input_tokens.high, self.workload.output_tokens.high
        )

    def capacity(self, limits: Limits, mem: Memory) -> int:
        """Requests at once that cache and limits carry, over all replicas."""
        best = 0
        for concurrency in range(1, limits.max_num_seqs + 1):
            need = load.cache_tokens_needed(self.workload, concurrency, limits.context)
            if need > mem.kv_cache_tokens:
                break
            best = concurrency
        return best * self.data

    def meets_targets(self, concurrency: int) -> bool:
        """Whether the targets that the user wrote hold at this load."""
        point = self.point(math.ceil(concurrency / self.data))
        wanted = self.spec.load
        ttft_ok = not wanted.ttft_ms or (point.ttft_ms or math.inf) <= wanted.ttft_ms
        return ttft_ok and (not wanted.tpot_ms or (point.tpot_ms or math.inf) <= wanted.tpot_ms)

    def users_supported(self, capacity: int) -> int:
        """The largest number of users whose peak has cache and meets the targets."""

        def carries(users: int) -> bool:
            peak = self.peak(users)
            return peak <= capacity and self.meets_targets(peak)

        if not capacity or not carries(1):
            return 0
        low, high = 1, 2
        while high <= _MOST_USERS and carries(high):
            low, high = high, high * 2
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if carries(middle) else (low, middle)
        return low
