"""People who think and wait, against a simulation of every single request."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra_gen import api
from infra_gen.cli.options import Asked, spec_from
from infra_gen.knowledge import store
from infra_gen.plan.closed_loop import Loop
from infra_gen.plan.under_load import speed_of

CHAT = store.workload("chat")
Draw = Callable[[random.Random, float], float]


def exponential(rng: random.Random, mean: float) -> float:
    return rng.expovariate(1 / mean)


def uniform(rng: random.Random, mean: float) -> float:
    return rng.uniform(0, 2 * mean)


@dataclass
class Simulation:
    """N people and one engine that works on all requests at once, event by event.

    A request has some work, 1 on average; with n running each does 1 / residence(n) of it a second.
    """

    users: int
    think_s: float
    residence_s: Callable[[int], float]
    thinks: Draw = exponential
    works: Draw = exponential
    spent: dict[int, float] = field(default_factory=dict)

    def percentile(self, share: float, requests: int) -> int:
        """Requests at once that are not exceeded for that share of the time."""
        rng = random.Random(1)
        idle = sorted(self.thinks(rng, self.think_s) for _ in range(self.users))
        running: list[float] = []
        now = 0.0
        while requests:
            count = len(running)
            pace = 1 / self.residence_s(count) if count else 0.0
            ends = min(running) / pace if running else float("inf")
            sent = idle[0] - now if idle else float("inf")
            step = min(ends, sent)
            self.spent[count] = self.spent.get(count, 0.0) + step
            now += step
            running = [left - step * pace for left in running]
            if ends < sent:
                running.remove(min(running))
                idle.append(now + self.thinks(rng, self.think_s))
                idle.sort()
                requests -= 1
            else:
                idle.pop(0)
                running.append(self.works(rng, 1.0))
        return self._reached(share)

    def _reached(self, share: float) -> int:
        left = share * sum(self.spent.values())
        for count in sorted(self.spent):
            left -= self.spent[count]
            if left <= 0:
                return max(1, count)
        return self.users


def agree(simulated: int, computed: int) -> bool:
    """Within one request, or a few of a hundred: a simulation has noise of its own."""
    return abs(simulated - computed) <= max(1, 0.05 * computed)


@pytest.mark.parametrize("users", [1, 10, 60, 150])
@pytest.mark.parametrize(("thinks", "works"), [(exponential, exponential), (uniform, uniform)])
@pytest.mark.parametrize("growth", [0.0, 0.05, 0.4])
def test_the_peak_is_that_of_a_simulation(
    users: int, thinks: Draw, works: Draw, growth: float
) -> None:
    def residence(running: int) -> float:
        return 2.0 + growth * running

    simulated = Simulation(users, 20.0, residence, thinks, works).percentile(0.95, 6000)
    assert agree(simulated, Loop(users, 20.0, residence).percentile(0.95))


@pytest.mark.parametrize(("hardware", "model", "users"), [
    ("h100", "llama-3.1-8b", 300), ("rtx-4090", "llama-3.1-8b", 40), ("h200:4", "gpt-oss-120b", 80),
])  # fmt: skip
def test_a_plan_counts_what_its_own_speed_makes_of_the_load(
    hardware: str, model: str, users: int
) -> None:
    asked = Asked(hardware=hardware, model=model, engine="vllm", users=users)
    plan, facts = api.plan(spec_from(asked), Path())
    speed, known = speed_of(plan, facts), dict[int, float]()

    def residence(running: int) -> float:
        each = -(-running // plan.parallelism.data)
        if each not in known:
            tokens = CHAT.input_tokens.mean, CHAT.output_tokens.mean
            known[each] = speed.residence_s(each, *tokens) or 0.0
        return known[each]

    think = CHAT.think_s.value or 0.0
    at_peak = Simulation(users, think, residence).percentile(0.95, 20000)
    assert agree(at_peak, plan.performance.peak_concurrency)


class TestLoop:
    def test_nobody_thinks_or_nothing_is_known(self) -> None:
        assert Loop(7, 0.0, lambda _: 1.0).percentile(0.95) == 7
        assert Loop(7, 10.0, lambda _: None).percentile(0.95) == 7
        assert Loop(7, 10.0, lambda _: 0.0).percentile(0.95) == 1

    def test_a_fixed_residence_is_the_binomial(self) -> None:
        # 20 users, each busy a fifth of the time: 95 % of the time at most 7 are
        assert Loop(20, 8.0, lambda _: 2.0).percentile(0.95) == 7

    def test_many_users_cost_few_questions(self) -> None:
        asked: list[int] = []

        def residence(running: int) -> float:
            asked.append(running)
            return 1.0 + running / 100

        assert Loop(50_000, 30.0, residence).percentile(0.95) > 10_000
        assert len(asked) < 60

    @settings(max_examples=80, deadline=None)
    @given(
        users=st.integers(1, 400),
        think=st.floats(0.5, 200.0),
        alone=st.floats(0.01, 50.0),
        growth=st.floats(0.0, 2.0),
    )
    def test_more_users_never_fewer_requests(
        self, users: int, think: float, alone: float, growth: float
    ) -> None:
        def residence(running: int) -> float:
            return alone + growth * running

        peaks = [Loop(n, think, residence).percentile(0.95) for n in (users, users + 1, 2 * users)]
        assert all(b >= a for a, b in itertools.pairwise(peaks))
        assert 1 <= peaks[0] <= users
