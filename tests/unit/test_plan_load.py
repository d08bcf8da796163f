"""The closed loop: how many requests run at once, and how many people that makes."""

from __future__ import annotations

import itertools
import math

import pytest

from infra_gen.knowledge import store
from infra_gen.plan import load

CHAT = store.workload("chat")
THINK = CHAT.think_s.value or 0.0


def binomial_p95(users: int, probability: float) -> int:
    """Brute force, with exact factorials."""
    total = 0.0
    for count in range(users + 1):
        total += math.comb(users, count) * probability**count * (1 - probability) ** (users - count)
        if total >= 0.95:
            return max(1, count)
    return users


@pytest.mark.parametrize("users", [1, 2, 5, 17, 40, 100, 400])
@pytest.mark.parametrize("probability", [0.001, 0.01, 0.1, 0.33, 0.5, 0.9, 0.999])
def test_busy_p95_is_the_binomial_percentile(users: int, probability: float) -> None:
    assert load.busy_p95(users, probability) == binomial_p95(users, probability)


@pytest.mark.parametrize("users", [401, 1000])
@pytest.mark.parametrize("probability", [0.05, 0.3, 0.7])
def test_the_approximation_is_within_one_or_two(users: int, probability: float) -> None:
    assert abs(load.busy_p95(users, probability) - binomial_p95(users, probability)) <= 2


def test_busy_p95_at_the_ends() -> None:
    assert load.busy_p95(10, 0.0) == 1
    assert load.busy_p95(10, 1.0) == 10
    assert load.busy_p95(10, 1.5) == 10


def test_busy_p95_is_monotone() -> None:
    for probability in (0.05, 0.4):
        found = [load.busy_p95(users, probability) for users in range(1, 700)]
        assert all(b >= a - 1 for a, b in itertools.pairwise(found))
        exact = found[:400]
        assert exact == sorted(exact)
    by_probability = [load.busy_p95(50, step / 100) for step in range(1, 100)]
    assert by_probability == sorted(by_probability)


def test_the_peak_is_below_that_of_people_who_always_wait_as_long() -> None:
    """While fewer run they end sooner, so people are less busy than at the peak."""

    def slow(running: int) -> float:
        return 2.0 + 0.3 * running

    for users in (1, 5, 50, 300):
        peak = load.peak_concurrency(users, CHAT, slow)
        residence = slow(peak)
        always = load.busy_p95(users, residence / (residence + THINK))
        assert 0.8 * always <= peak <= always
        assert load.typical_concurrency(users, CHAT, slow) <= peak


def test_more_people_more_requests() -> None:
    peaks = [load.peak_concurrency(n, CHAT, lambda c: 1.0 + 0.1 * c) for n in (1, 10, 50, 100, 300)]
    assert peaks == sorted(peaks)
    assert peaks[-1] > peaks[0]


def test_unknown_speed_counts_everybody() -> None:
    assert load.peak_concurrency(77, CHAT, lambda _: None) == 77
    assert load.typical_concurrency(77, CHAT, lambda _: None) == 77


def test_context_is_the_long_request_rounded_up() -> None:
    need = CHAT.input_tokens.high + CHAT.output_tokens.high
    assert load.context_needed(CHAT) == math.ceil(need / 1024) * 1024
    assert load.context_needed(CHAT, step=1) == need


def test_cache_need_is_monotone_and_bounded() -> None:
    context = 5120
    found = [load.cache_tokens_needed(CHAT, count, context) for count in range(1, 200)]
    assert found == sorted(found)
    assert found[0] == context
    assert all(need <= count * context for count, need in enumerate(found, 1))
