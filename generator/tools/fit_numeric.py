"""Least squares with the standard library: Levenberg and Marquardt's steps, robust weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

Point = list[float]
_STEP = 1e-3  # of a logarithm, for derivatives
_SCALE = 0.1  # residuals beyond this count less (soft L1)


def solve(matrix: list[list[float]], right: Sequence[float]) -> Point:
    """Gauss's elimination with pivots; `matrix` is square and is not kept."""
    size = len(right)
    rows = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    for column in range(size):
        pivot = max(range(column, size), key=lambda r: abs(rows[r][column]))
        rows[column], rows[pivot] = rows[pivot], rows[column]
        head = rows[column][column] or 1e-12
        for below in range(column + 1, size):
            factor = rows[below][column] / head
            if factor:
                rows[below] = [
                    b - factor * a for a, b in zip(rows[column], rows[below], strict=True)
                ]
    found = [0.0] * size
    for column in reversed(range(size)):
        known = sum(rows[column][k] * found[k] for k in range(column + 1, size))
        found[column] = (rows[column][size] - known) / (rows[column][column] or 1e-12)
    return found


def cost_of(off: Sequence[float], robust: int) -> float:
    """Half the squares; the first `robust` residuals count linearly once they are large."""
    total = 0.0
    for index, value in enumerate(off):
        square = value * value
        if index < robust:
            square = 2 * _SCALE**2 * (math.sqrt(1 + square / _SCALE**2) - 1)
        total += square / 2
    return total


def _weights(off: Sequence[float], robust: int) -> Point:
    return [1 / math.sqrt(1 + (v / _SCALE) ** 2) if i < robust else 1.0 for i, v in enumerate(off)]


def _inside(point: Sequence[float], bounds: Sequence[tuple[float, float]]) -> Point:
    return [min(high, max(low, v)) for v, (low, high) in zip(point, bounds, strict=True)]


def least_squares(
    residuals: Callable[[Point], Point],
    start: Sequence[float],
    bounds: Sequence[tuple[float, float]],
    *,
    rounds: int,
    robust: int,
    along: Callable[[Point, int, Point], Point] | None = None,
) -> Point:
    """The point near `start`, within `bounds`, where the residuals are smallest.

    `along(point, index, before)` is a cheaper `residuals(point)` where only the value at `index`
    differs from the point that `before` belongs to.
    """
    point = _inside(start, bounds)
    off = residuals(point)
    best, damping = cost_of(off, robust), 1e-2
    for _ in range(rounds):
        columns = []
        for index in range(len(point)):
            moved = point[:]
            forward = point[index] + _STEP <= bounds[index][1]
            moved[index] += _STEP if forward else -_STEP
            sign = 1.0 if forward else -1.0
            there = along(moved, index, off) if along else residuals(moved)
            columns.append([sign * (b - a) / _STEP for a, b in zip(off, there, strict=True)])
        weights = _weights(off, robust)
        scaled = [[w * v for w, v in zip(weights, column, strict=True)] for column in columns]
        normal = [[math.sumprod(s, c) if hasattr(math, "sumprod") else
                   sum(a * b for a, b in zip(s, c, strict=True)) for c in columns]
                  for s in scaled]  # fmt: skip
        slope = [-sum(a * b for a, b in zip(s, off, strict=True)) for s in scaled]
        for _ in range(6):
            damped = [
                [v * (1 + damping) + (1e-9 if i == j else 0) if i == j else v
                 for j, v in enumerate(row)]
                for i, row in enumerate(normal)
            ]  # fmt: skip
            step = solve(damped, slope)
            trial = _inside([p + max(-1.0, min(1.0, s)) for p, s in zip(point, step, strict=True)],
                            bounds)  # fmt: skip
            there = residuals(trial)
            cost = cost_of(there, robust)
            if cost < best:
                point, off, best, damping = trial, there, cost, max(1e-6, damping / 5)
                break
            damping *= 5
        else:
            break
    return point
