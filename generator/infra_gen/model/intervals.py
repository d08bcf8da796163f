"""Interval-coded records: each holds from the version `since` until, but not at, `until`.

A record without `since` holds from the first version of its table on, one without `until` to the
last. One name may have several records, of which at most one holds at any version.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from infra_gen.model.versions import version_key

BOUNDS = ("since", "until")


def positions(versions: Sequence[str]) -> dict[str, int]:
    """Where each version of a table stands, oldest first."""
    return {version: number for number, version in enumerate(versions)}


def span(record: Mapping[str, Any], order: Mapping[str, int]) -> range:
    """The positions at which the record holds."""
    first, end = record.get("since"), record.get("until")
    return range(order[first] if first else 0, order[end] if end else len(order))


def holding(
    records: Iterable[Mapping[str, Any]], at: int, order: Mapping[str, int]
) -> Iterator[dict[str, Any]]:
    """The records that hold at that position, without their bounds."""
    for record in records:
        if at in span(record, order):
            yield {key: value for key, value in record.items() if key not in BOUNDS}


def base_of(version: str, versions: Sequence[str]) -> int | None:
    """The position of the newest version that is not newer; None where all of them are."""
    if version in versions:  # most often; saves the import of packaging
        return versions.index(version)
    wanted, found = version_key(version), None
    for number, known in enumerate(versions):
        if version_key(known) <= wanted:
            found = number
    return found
