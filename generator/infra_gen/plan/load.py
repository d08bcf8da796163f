"""From people to requests at once: the closed loop, and what it asks of the cache.

Each of N users waits for an answer (R seconds) and then thinks (Z seconds). Were R fixed, one user
would have a request running with probability R / (R + Z) and the number running would be binomial. R
grows with how many run: `closed_loop` has the chances then, and their 95th percentile is the peak.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from infra_gen.model.workload import TokenDistribution, Workload
from infra_gen.plan.closed_loop import Loop

_Z95 = 1.6448536269514722
_TOO_SMALL = -600.0
_PEAK = 0.95
_EXACT_UP_TO = 400  # users; above, the normal approximation is within one request


def busy_p95(users: int, probability: float) -> int:
    """95th percentile of how many of `users` have a request running; at least 1."""
    if probability >= 1:
        return users
    if probability <= 0:
        return 1
    if users > _EXACT_UP_TO:
        mean = users * probability
        deviation = math.sqrt(mean * (1 - probability))
        return min(users, max(1, math.ceil(mean + _Z95 * deviation)))
    odds = probability / (1 - probability)
    first = users * math.log1p(-probability)
    if first < _TOO_SMALL:  # the terms at the lower end are no numbers; count idle people instead
        return _busy_from_the_top(users, odds, users * math.log(probability))
    term = math.exp(first)
    total, count = term, 0
    while total < 0.95 and count < users:
        term *= (users - count) / (count + 1) * odds
        count += 1
        total += term
    return max(1, count)


def _busy_from_the_top(users: int, odds: float, last: float) -> int:
    """The same percentile, summed from `users` busy (whose chance has the logarithm `last`) down."""
    term = math.exp(last)
    total, count = term, users
    while total <= 0.05 and count > 1:
        term *= count / (users - count + 1) / odds
        count -= 1
        total += term
    return count


def peak_concurrency(
    users: int, workload: Workload, residence_s: Callable[[int], float | None]
) -> int:
    """Requests at once at the 95th percentile.

    `residence_s(c)` is how long a mean request takes with `c` running; None (speed unknown) counts
    every user as busy. It is the percentile of the loop as a whole: while few run they end sooner.
    """
    return Loop(users, workload.think_s.value or 0.0, residence_s).percentile(_PEAK)


def typical_concurrency(
    users: int, workload: Workload, residence_s: Callable[[int], float | None]
) -> int:
    """Requests at once on average, found like the peak; at least 1."""
    think = workload.think_s.value or 0.0
    running = 1
    for _ in range(users):
        residence = residence_s(running)
        if residence is None:
            return users
        following = round(users * residence / (residence + think)) if residence else 1
        if following <= running:
            return running
        running = following
    return running


def users_at(concurrency: int, workload: Workload, residence_s: float, limit: int) -> int:
    """The most users, at most `limit`, of whom no more than `concurrency` are busy at the peak.

    `residence_s` is how long a mean request takes with that many running, above zero. At least
    `concurrency`, or `limit`: even if everybody is busy, no more are.
    """
    think = workload.think_s.value or 0.0
    probability = residence_s / (residence_s + think)
    low = min(concurrency, limit)
    # On average as many are busy as may be at the peak: that is too many users.
    high = min(limit, math.ceil(concurrency / probability)) + 1
    step = 1
    middle = _normal_users(concurrency, probability)  # near the answer: widen from there
    while high - low > 1:
        if not low < middle < high:
            middle = (low + high) // 2
        if busy_p95(middle, probability) <= concurrency:
            low, middle = middle, middle + step
        else:
            high, middle = middle, middle - step
        step *= 2
    return low


def _normal_users(concurrency: int, probability: float) -> int:
    """Users of whom `concurrency` are busy at the peak, if the number busy were normal."""
    spread = probability * (1 - probability)
    root = math.sqrt(_Z95**2 * spread + 4 * probability * concurrency) - _Z95 * math.sqrt(spread)
    return round((root / (2 * probability)) ** 2)


def users_on_average(running: int, workload: Workload, residence_s: float, limit: int) -> int:
    """The most users, at most `limit`, of whom `running` are busy on average.

    `residence_s` is how long a mean request takes with that many running, above zero.
    """
    think = workload.think_s.value or 0.0
    return min(limit, int(running * (residence_s + think) / residence_s))


def context_needed(workload: Workload, step: int = 1024) -> int:
    """Tokens that a long request (95th percentile in and out) takes, rounded up to `step`."""
    need = workload.input_tokens.high + workload.output_tokens.high
    return math.ceil(need / step) * step


def cache_tokens_needed(workload: Workload, concurrency: int, context: int) -> int:
    """Cached tokens of `concurrency` requests at their 95th percentile, never under one context.

    Each holds its prompt and, at its end, its answer; sums of independent requests scatter with the
    square root of their number.
    """

    def moments(tokens: TokenDistribution) -> tuple[float, float]:
        return tokens.mean, tokens.variance

    (mean_in, var_in), (mean_out, var_out) = (
        moments(workload.input_tokens),
        moments(workload.output_tokens),
    )
    mean, variance = mean_in + mean_out, var_in + var_out
    typical = min(mean, context)
    need = concurrency * typical + _Z95 * math.sqrt(variance * concurrency)
    return max(context, min(math.ceil(need), concurrency * context))
