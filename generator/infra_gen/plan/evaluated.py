"""A candidate with its numbers; those that only the winner needs are made when asked for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

from infra_gen.model.plan import Basis, Limits, Memory, Performance
from infra_gen.model.spec import Spec
from infra_gen.plan.candidates import Candidate
from infra_gen.plan.under_load import LoadModel


@dataclass(frozen=True)
class Evaluated:
    """A candidate under the load of `spec`. `loaded` is None where it does not fit."""

    candidate: Candidate
    limits: Limits
    memory: Memory
    shortfall_gib: float
    spec: Spec
    loaded: LoadModel | None

    @property
    def fits(self) -> bool:
        """Whether weights and at least one full context fit."""
        return self.shortfall_gib <= 0

    @cached_property
    def capacity(self) -> int:
        """Requests at once that cache and limits carry, over all replicas."""
        return self.loaded.capacity(self.limits, self.memory) if self.loaded else 0

    @cached_property
    def carries(self) -> bool:
        """Whether the users of the spec are carried; true where speed is unknown."""
        if self.loaded is None:
            return False
        users = self.spec.load.users
        return not self.speed_known or self.loaded.carries(users, self.capacity)

    @property
    def speed_known(self) -> bool:
        """Whether there is a speed constant for this machine."""
        return (
            self.loaded is not None and self.loaded.residence_s(max(1, self.capacity)) is not None
        )

    @cached_property
    def users_supported(self) -> int | None:
        """The most users that it carries; None where speed is unknown."""
        if self.loaded is None:
            return 0
        if not self.speed_known:
            return None
        return self.loaded.users_supported(self.capacity)

    @cached_property
    def surely_supported(self) -> int:
        """A number of users that it carries, found at a fraction of the cost of the most."""
        if self.loaded is None or not self.speed_known:
            return 0
        return self.loaded.surely_supported(self.capacity)

    @cached_property
    def peak(self) -> int:
        """Requests at once at the 95th percentile, over all replicas."""
        return self.loaded.peak(self.spec.load.users) if self.loaded else 0

    @cached_property
    def typical(self) -> int:
        """Requests at once on average, over all replicas."""
        return min(self.peak, self.loaded.typical(self.spec.load.users)) if self.loaded else 0

    @cached_property
    def missed_by(self) -> float:
        """How many times a target one request alone takes; 1 where it meets them all."""
        if self.loaded is None:
            return math.inf
        alone, wanted = self.loaded.point(1), self.spec.load
        pairs = ((alone.ttft_ms, wanted.ttft_ms), (alone.tpot_ms, wanted.tpot_ms))
        return max([1.0, *((reached or math.inf) / target for reached, target in pairs if target)])

    @cached_property
    def typical_tpot_ms(self) -> float:
        """Milliseconds a token as a rule; infinite where unknown or where nothing is written."""
        if self.loaded is None:
            return math.inf
        tpot = self.loaded.point(self._per_replica(self.typical)).tpot_ms
        return math.inf if tpot is None else tpot

    def _per_replica(self, requests: int) -> int:
        replicas = self.candidate.parallelism.data
        return max(1, math.ceil(requests / replicas))

    @cached_property
    def performance(self) -> Performance:
        """What the plan expects of it."""
        loaded = self.loaded
        if loaded is None:
            return Performance("unknown", 1.0, 0, 0, 0, ())
        at_peak = loaded.point(self._per_replica(self.peak))
        at_typical = loaded.point(self._per_replica(self.typical))
        most = max(1, min(self.limits.max_num_seqs, self.capacity // loaded.data))
        levels = {1, at_typical.concurrency, at_peak.concurrency, most}
        wanted = self.spec.load
        return Performance(
            basis=self._basis,
            error_band=loaded.speed.error_band,
            users_supported=self.users_supported,
            typical_concurrency=self.typical,
            peak_concurrency=self.peak,
            points=tuple(loaded.point(level) for level in sorted(levels)),
            typical=at_typical,
            peak=at_peak,
            long_request=loaded.long_request(at_peak.concurrency),
            meets_ttft=_meets(at_peak.ttft_ms, wanted.ttft_ms),
            meets_tpot=_meets(at_peak.tpot_ms, wanted.tpot_ms),
        )

    @property
    def _basis(self) -> Basis:
        if self.loaded is None or not self.speed_known:
            return "unknown"
        return "calibrated" if self.loaded.speed.measured else "roofline"


def _meets(reached: float | None, wanted: float | None) -> bool | None:
    if wanted is None:
        return None
    return reached is not None and reached <= wanted
