"""Numbers of merit: how far predictions are from what was measured."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Scored:
    """One prediction. `band` is the error that the plan stated; None where it states none.

    `predicted` is None for a row that was refused, and `why` says so in the plan's words.
    """

    group: tuple[str, str, str]
    run: str
    at: str
    measured: float
    predicted: float | None
    band: float | None = None
    why: str = ""

    @property
    def error(self) -> float | None:
        """Share above (below zero: under) what was measured."""
        return None if self.predicted is None else self.predicted / self.measured - 1


@dataclass(frozen=True, slots=True)
class Merit:
    """A row of the table. Shares of one; None where no row was answered.

    `rows` were measured, `answered` of them had a prediction. `over` is the largest prediction above
    what was measured, `inside` the share of answered rows within the stated band.
    """

    rows: int
    answered: int
    median: float | None = None
    p90: float | None = None
    largest: float | None = None
    bias: float | None = None
    over: float | None = None
    inside: float | None = None

    @property
    def cover(self) -> float:
        """Share of the rows that got an answer."""
        return self.answered / self.rows if self.rows else 0.0

    def record(self) -> dict[str, float | int | None]:
        """For JSON, shares with five digits."""
        fields = asdict(self) | {"cover": self.cover}
        return {k: round(v, 5) if isinstance(v, float) else v for k, v in fields.items()}


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of them do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def merit(rows: Sequence[Scored]) -> Merit:
    """The numbers of merit of one group."""
    errors = [row.error for row in rows if row.error is not None]
    if not errors:
        return Merit(rows=len(rows), answered=0)
    sizes = [abs(error) for error in errors]
    banded = [
        abs(row.error) <= row.band for row in rows if row.error is not None and row.band is not None
    ]
    return Merit(
        rows=len(rows),
        answered=len(errors),
        median=statistics.median(sizes),
        p90=quantile(sizes, 0.9),
        largest=max(sizes),
        bias=statistics.mean(errors),
        over=max(0.0, *errors) if len(errors) > 1 else max(0.0, errors[0]),
        inside=statistics.mean(banded) if banded else None,
    )
