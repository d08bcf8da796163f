"""What a snapshot must pass before it may become part of a table."""

from __future__ import annotations

from collections.abc import Iterator

from infra_gen.model.engine_table import SECTIONS
from tools.tables.records import Guard, Record, Snapshot, TableError, spellings

_SMALL = 20  # names: in a section of fewer, one is a large share


def check(version: str, snapshot: Snapshot, guard: Guard, before: Snapshot | None = None) -> None:
    """Raise TableError, with all that is wrong, where the snapshot is not to be believed.

    `before` is the snapshot of the release before it, None for the first of a table.
    """
    problems = [*_malformed(snapshot), *_lost(snapshot, guard), *_small(snapshot, guard)]
    if before is not None:
        allowed = guard.known_jumps.get(version, ())
        problems += [p for s, p in _jumps(snapshot, before, guard.may_change) if s not in allowed]
    if problems:
        raise TableError(f"{version}: " + "; ".join(problems))


def _names(records: list[Record], section: str) -> list[str]:
    if section == "flags":
        return [text for record in records for text in spellings(record)]
    return [str(record["name"]) for record in records]


def _malformed(snapshot: Snapshot) -> Iterator[str]:
    for section, records in snapshot.items():
        if section not in SECTIONS:
            yield f"unknown section {section}"
            continue
        seen: set[str] = set()
        for name in _names(records, section):
            if name in seen:
                yield f"{section}: {name} is there twice"
            seen.add(name)
        if section in ("flags", "fields", "env"):
            for record in records:
                if ("default" in record) == (record.get("default_known") is False):
                    yield f"{section}: {record['name']} neither has a default nor says so"


def _lost(snapshot: Snapshot, guard: Guard) -> Iterator[str]:
    for section, wanted in guard.sentinels.items():
        lost = sorted(set(wanted) - set(_names(snapshot.get(section, []), section)))
        if lost:
            yield f"{section}: lost {', '.join(lost)}"


def _small(snapshot: Snapshot, guard: Guard) -> Iterator[str]:
    for section, least in guard.at_least.items():
        found = len(snapshot.get(section, []))
        if found < least:
            yield f"{section}: {found} found, at least {least} expected"


def _jumps(snapshot: Snapshot, before: Snapshot, share: float) -> Iterator[tuple[str, str]]:
    for section, records in before.items():
        old = set(_names(records, section))
        new = set(_names(snapshot.get(section, []), section))
        changed = len(old ^ new)
        if len(old) >= _SMALL and changed > share * len(old):
            gone, come = len(old - new), len(new - old)
            yield section, f"{section}: {gone} of {len(old)} names gone and {come} new at once"
