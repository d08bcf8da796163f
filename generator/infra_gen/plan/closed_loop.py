"""How many of N people have a request running, when a request takes longer the more run.

Each person thinks (Z seconds on average), then waits for an answer. With n requests running each of
them takes R(n), so one ends n / R(n) times a second; (N - n) / Z are sent. Requests share the engine,
so only the means of thinking and of the work of a request count, not their distributions
(Baskett, Chandy, Muntz and Palacios, Journal of the ACM 22, 1975): the chances of n and n + 1 running
stand in the ratio of those two rates.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field

_FINE = 1.25  # R is asked for at numbers of requests that grow by a quarter, and drawn between them
_NEGLIGIBLE = 1e-9  # a chance beside the largest one

Residence = Callable[[int], float | None]


def _knots(most: int) -> list[int]:
    found = [1]
    while found[-1] < most:
        found.append(min(most, max(found[-1] + 1, int(found[-1] * _FINE))))
    return found


@dataclass(frozen=True)
class Loop:
    """`users` people who think `think_s` seconds; `residence_s(n)` is R, None where unknown."""

    users: int
    think_s: float
    residence_s: Residence
    _known: dict[int, float] = field(default_factory=dict)

    def _asked(self, running: int) -> float:
        if running not in self._known:
            self._known[running] = self.residence_s(running) or 0.0
        return self._known[running]

    def _taken_s(self, running: int, knots: list[int]) -> float:
        above = bisect_left(knots, running)
        if knots[above] == running:
            return self._asked(running)
        low, high = knots[above - 1], knots[above]
        share = (running - low) / (high - low)
        return self._asked(low) * (1 - share) + self._asked(high) * share

    def percentile(self, share: float) -> int:
        """Requests at once that are not exceeded for `share` of the time; at least 1.

        All users where the speed is unknown or nobody thinks.
        """
        if self.residence_s(1) is None or self.think_s <= 0:
            return self.users
        if not self.residence_s(1):
            return 1
        knots = _knots(self.users)

        def more_likely(running: int) -> float:
            """The chance of `running` over that of one fewer."""
            sent = (self.users - running + 1) / self.think_s
            return sent * self._taken_s(running, knots) / running

        mode = self._likeliest(more_likely)
        below, above = [1.0], list[float]()
        while mode - len(below) >= 0 and below[-1] > _NEGLIGIBLE:
            below.append(below[-1] / more_likely(mode - len(below) + 1))
        last = 1.0
        while mode + len(above) < self.users and last > _NEGLIGIBLE:
            last *= more_likely(mode + len(above) + 1)
            above.append(last)
        beyond = (1 - share) * (sum(below) + sum(above))
        count = mode + len(above)
        for chance in [*reversed(above), *below]:
            beyond -= chance
            if beyond < 0:
                break
            count -= 1
        return max(1, count)

    def _likeliest(self, more_likely: Callable[[int], float]) -> int:
        low, high = 0, self.users + 1
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if more_likely(middle) >= 1 else (low, middle)
        return low
