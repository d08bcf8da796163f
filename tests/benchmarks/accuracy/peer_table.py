"""Peers' stored answers, and ours on the same rows.

`infra-gen` beside a peer is by the constants as they are: some of the rows were fitted to. The main
table says what is left on rows that were not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from tests.benchmarks.accuracy import ask, reading, report, stored
from tests.benchmarks.accuracy.question import Measured
from tests.benchmarks.accuracy.score import Merit, Scored, merit

OURS = "infra-gen"


def _ours(rows: Iterable[Measured]) -> dict[str, float | None]:
    return {
        row.key: None if isinstance(found, str) else reading.predicted(found, row)
        for row, found in ask.answers(rows)
    }


def _scored(who: str, row: Measured, value: float | None) -> Scored:
    return Scored((row.engine, row.quantity, who), row.run, "", row.value, value)


def compared(rows: Iterable[Measured]) -> list[tuple[str, str, str, Merit]]:
    """(peer, quantity, who answered, numbers): the peer, then ours where it answered."""
    by_key = {row.key: row for row in rows}
    found = []
    for peer in stored.peers():
        theirs = {key: value for key, value in peer["answers"].items() if key in by_key}
        answered = [by_key[key] for key, value in theirs.items() if value is not None]
        ours = _ours(answered)
        for quantity in dict.fromkeys(by_key[key].quantity for key in theirs):
            mine = [key for key in theirs if by_key[key].quantity == quantity]
            named = f"{peer['peer']} {peer['version']}"
            scores = merit([_scored(named, by_key[key], theirs[key]) for key in mine])
            same = [key for key in mine if theirs[key] is not None]
            beside = merit([_scored(OURS, by_key[key], ours[key]) for key in same])
            found += [(named, quantity, named, scores), (named, quantity, OURS, beside)]
    return found


def records(rows: Iterable[Measured]) -> list[dict[str, Any]]:
    """For JSON."""
    return [
        {"peer": peer, "quantity": quantity, "who": who, **numbers.record()}
        for peer, quantity, who, numbers in compared(rows)
    ]


def text(found: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Lines of the table of records; errors in percent."""
    names = ("rows", "cover", "median", "p90", "largest", "bias")
    yield f"{'quantity':24} {'who':24}" + "".join(f"{name:>9}" for name in names)
    for record in found:
        cells = "".join(f"{report.percent(record[name]):>9}" for name in names[1:])
        yield f"{record['quantity']:24} {record['who']:24}{record['rows']:>9}{cells}"
