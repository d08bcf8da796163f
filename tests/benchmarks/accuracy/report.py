"""The tables, as text and as records."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from tests.benchmarks.accuracy.score import Merit, Scored, merit

Table = dict[tuple[str, str, str], Merit]
_PARTS = ("fitted", "not fitted", "held out by model", "held out by GPU")
_HEAD = ("n", "cover", "median", "p90", "max", "bias", "over", "in band")


def table(rows: Iterable[Scored]) -> Table:
    """Numbers of merit by engine, quantity and part of the data, in the order of the rows."""
    groups: dict[tuple[str, str, str], list[Scored]] = defaultdict(list)
    for row in rows:
        groups[row.group].append(row)
    whole = [(engine, quantity.split(",")[0]) for engine, quantity, _ in groups]
    order = {key: place for place, key in enumerate(dict.fromkeys(whole))}

    def place(key: tuple[str, str, str]) -> tuple[int, str, int]:
        engine, quantity, part = key
        known = _PARTS.index(part) if part in _PARTS else len(_PARTS)
        return order[engine, quantity.split(",")[0]], quantity, known

    return {key: merit(groups[key]) for key in sorted(groups, key=place)}


def percent(share: float | None) -> str:
    """A share as percent, a dash where there is none."""
    return "-" if share is None else f"{100 * share:.1f}"


def cells(numbers: Merit) -> list[str]:
    """The columns behind the name of a group."""
    shares = (
        numbers.cover, numbers.median, numbers.p90, numbers.largest, numbers.bias, numbers.over,
        numbers.inside,
    )  # fmt: skip
    return [str(numbers.rows), *map(percent, shares)]


def text(found: Table) -> Iterator[str]:
    """Lines of the table; errors in percent."""
    yield f"{'engine':10} {'quantity':24} {'part':18}" + "".join(f"{name:>9}" for name in _HEAD)
    for (engine, quantity, part), numbers in found.items():
        columns = "".join(f"{cell:>9}" for cell in cells(numbers))
        yield f"{engine:10} {quantity:24} {part:18}{columns}"


def records(found: Table) -> list[dict[str, Any]]:
    """The table for JSON."""
    return [
        {"engine": engine, "quantity": quantity, "part": part, **numbers.record()}
        for (engine, quantity, part), numbers in found.items()
    ]


def worst(rows: Sequence[Scored], each: int) -> Iterator[str]:
    """The rows furthest off, `each` of every group."""
    groups: Mapping[tuple[str, str, str], list[Scored]] = defaultdict(list)
    for row in rows:
        if row.error is not None:
            groups[row.group].append(row)
    for group, mine in groups.items():
        yield f"\n{' / '.join(group)}"
        for row in sorted(mine, key=lambda row: -abs(row.error or 0.0))[:each]:
            yield (
                f"  {100 * (row.error or 0.0):+8.1f} %  measured {row.measured:12.3f}  "
                f"planned {row.predicted or 0.0:12.3f}  {row.run}  {row.at}"
            )


_NOT_ASKED = "HF_HUB_OFFLINE is set and the model is not in the cache"


def refusals(rows: Iterable[Scored]) -> dict[str, int]:
    """Why rows have no answer, and how many for each reason; each row once."""
    asked = (row for row in rows if not row.group[2].startswith(_PARTS[2:]))
    # Nobody is asked for what the presets lack: that the Hub was not is this script's doing.
    said = (row.why.removeprefix("error: ") for row in asked if row.predicted is None)
    counted = Counter(why.replace(_NOT_ASKED, "not in the presets") for why in said)
    return dict(counted.most_common())
