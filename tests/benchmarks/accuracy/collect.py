"""Every measured row beside what the plan says of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from tests.benchmarks.accuracy import ask, llamacpp_rows, reading, vllm_rows
from tests.benchmarks.accuracy.folds import Fold
from tests.benchmarks.accuracy.question import Measured
from tests.benchmarks.accuracy.score import Scored

FITTED, APART = "fitted", "not fitted"
# Sizes and times of dense models and of those with experts are told apart, beside all together.
_SORTED = frozenset({"decode step", "serving TPOT"})


def measured() -> list[Measured]:
    """Every row of every table."""
    return [*vllm_rows.everything(), *llamacpp_rows.everything()]


def _scored(row: Measured, found: ask.Answer, part: str) -> Iterator[Scored]:
    at = " ".join(":".join(map(str, load)) for load in row.loads)
    if isinstance(found, str):
        yield Scored((row.engine, row.quantity, part), row.run, at, row.value, None, why=found)
        return
    value = reading.predicted(found, row)
    speed = reading.is_speed(row)
    band = float(found["performance"]["error_band"]) if speed else None
    why = ""
    if value is None:
        why = "the plan does not predict it" if found["fits"] else "planned as not fitting there"
    names = [row.quantity]
    if row.quantity in _SORTED:
        names.append(f"{row.quantity}, {reading.sort_of(found)}")
    for name in names:
        yield Scored((row.engine, name, part), row.run, at, row.value, value, band, why)


def shipped(rows: Iterable[Measured]) -> list[Scored]:
    """All rows by the constants as they are; those of the fit and the others apart."""
    found: list[Scored] = []
    for row, answer in ask.answers(rows):
        found += _scored(row, answer, FITTED if row.fitted else APART)
    return found


def held_out(rows: Iterable[Measured], folds: Iterable[Fold]) -> list[Scored]:
    """Rows of each fold by constants that never saw them."""
    everything = [row for row in rows if row.fitted and reading.is_speed(row)]
    found: list[Scored] = []
    for fold in folds:
        mine = [row for row in everything if fold.tests(row)]
        with ask.constants(fold.table):
            for row, answer in ask.answers(mine):
                found += _scored(row, answer, f"held out by {fold.split}")
    return found


def reasons(rows: Iterable[Measured]) -> dict[str, int]:
    """Why rows are not in a fit, and how many for each reason."""
    counted = Counter(
        f"{row.engine} {row.quantity}: {row.why_not}" for row in rows if not row.fitted
    )
    return dict(sorted(counted.items()))


def out_of_memory() -> list[tuple[str, bool | str]]:
    """Starts that ran out of memory, and whether they are planned as fitting; why not asked."""
    found: list[tuple[str, bool | str]] = []
    for run, question in vllm_rows.failed().items():
        answer = ask.answer(question)
        found.append((run, answer if isinstance(answer, str) else bool(answer["fits"])))
    return found


def process_differences(rows: Iterable[Measured]) -> list[str]:
    """One row of each group through a process of its own: those whose documents differ."""
    first: dict[tuple[str, str], Measured] = {}
    for row in rows:
        first.setdefault((row.engine, row.quantity), row)
    return [
        f"{engine} {quantity}: {row.run}"
        for (engine, quantity), row in first.items()
        if ask.answer(row.question, row.loads) != ask.process_answer(row.question, row.loads)
    ]
