"""Fit the constants of the speed model to measurements, and say how far off it is.

    python -m tools.fit_speed vllm            # errors of the constants as they are
    python -m tools.fit_speed vllm --split    # each model x hardware by a fit to all others
    python -m tools.fit_speed vllm --write    # fit on all rows, write presets/calibration/speed

Rows come from tests/measurements/speed/<engine>.csv; those with another `use` than `fit` are left
out of the fit and shown apart. Nothing is drawn at random.
"""

from __future__ import annotations

import argparse
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from infra_gen.knowledge import store
from infra_gen.model.calibration_speed import EngineSpeed, band_of, names_of, rates
from infra_gen.resources import data_dir
from tools.fit_numeric import least_squares
from tools.fit_speed_rows import Row, predicted_ms, rows_of
from tools.fit_speed_table import Constant, constants_of, speaks_of, text_of, with_values

Groups = dict[tuple[str, ...], list[float]]
_REPORTED = ("step", "prefill", "tpot", "ttft")
# Runs that time one thing alone count more; a time to the first token hangs on the load generator
# too and must not bend the others.
_WEIGHT = {"step": 4.0, "prefill": 4.0, "tpot": 1.0, "ttft": 0.3}
_PRIOR = 0.2  # pull towards where a constant starts afresh, for those that few rows decide


def fitted(table: EngineSpeed, rows: Sequence[Row], rounds: int = 10) -> EngineSpeed:
    """The table with its constants fitted to `rows`: robust least squares of log ratios."""
    constants = constants_of(table, rows)
    start = [math.log(c.start) for c in constants]
    centre = [math.log(c.fresh) for c in constants]
    bounds = [(math.log(c.low), math.log(c.high)) for c in constants]
    touched = [{i for i, r in enumerate(rows) if speaks_of(table, c, r)} for c in constants]

    def off_by(point: list[float], index: int, before: Sequence[float] | None) -> list[float]:
        trial = with_values(table, constants, [math.exp(v) for v in point])
        known: dict[object, object] = {}
        off = [
            before[i]
            if before is not None and i not in touched[index]
            else _WEIGHT[row.kind] * math.log(predicted_ms(trial, row, known) / row.ms)
            for i, row in enumerate(rows)
        ]
        return off + [_PRIOR * (v - s) for v, s in zip(point, centre, strict=True)]

    found = least_squares(
        lambda point: off_by(point, 0, None),
        start,
        bounds,
        rounds=rounds,
        robust=len(rows),
        along=off_by,
    )
    return with_values(table, constants, [math.exp(v) for v in found])


def errors(table: EngineSpeed, rows: Iterable[Row]) -> list[tuple[Row, float]]:
    """Relative errors of the table as it is."""
    known: dict[object, object] = {}
    return [(row, predicted_ms(table, row, known) / row.ms - 1) for row in rows]


def quantile(values: Sequence[float], share: float) -> float:
    """The value that `share` of them do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def line(name: str, off: Sequence[float]) -> str:
    """n, median, p90 and maximum of the absolute error, and the bias, in percent."""
    size = [abs(v) for v in off]
    return (
        f"{name:58} n={len(off):4} median {100 * quantile(size, 0.5):5.1f} "
        f"p90 {100 * quantile(size, 0.9):6.1f} max {100 * max(size):7.1f} "
        f"bias {100 * sum(off) / len(off):+6.1f}"
    )


def report(title: str, off: Iterable[tuple[Row, float]], *, every: bool) -> None:
    """Print the groups, kinds in the order of a request."""
    print(title)
    found = grouped(off)
    keys = [k for k in found if every or len(k) == 2]
    for key in sorted(keys, key=lambda k: (_REPORTED.index(k[0]), len(k), k)):
        print("  " + line(" ".join(key), found[key]))


def covered(table: EngineSpeed, off: Iterable[tuple[Row, float]]) -> dict[str, float]:
    """Share of rows of each kind that lie inside the band which a plan states for them."""
    inside: dict[str, list[bool]] = defaultdict(list)
    for row, error in off:
        numbers = rates(table, names_of(row.machine), row.precision)
        if numbers is not None:
            moe = row.preset.architecture.moe is not None
            band = band_of(table, numbers, row.version or None, experts=moe)
            inside[row.kind].append(abs(error) <= band)
    return {kind: sum(found) / len(found) for kind, found in inside.items()}


def report_covered(table: EngineSpeed, off: Iterable[tuple[Row, float]]) -> None:
    """Print those shares."""
    shares = covered(table, off)
    said = ", ".join(f"{k} {100 * shares[k]:.0f} %" for k in _REPORTED if k in shares)
    print(f"  inside the stated band: {said}")


def split_test(
    table: EngineSpeed, rows: Sequence[Row], *, devices: bool
) -> list[tuple[Row, float]]:
    """Relative errors of rows that the constants were not fitted to.

    All runs of one model on one kind of hardware are left out together, with `devices` only those
    on as many devices. Those whose hardware and precision no other run has cannot be tested, and
    are left out here.
    """
    start = table.model_copy(update=_untouched(table))
    found: list[tuple[Row, float]] = []
    for apart in sorted({row.told_apart(devices=devices) for row in rows}):
        learnt = [row for row in rows if row.told_apart(devices=devices) != apart]
        known = {(*row.group, row.kind == "prefill") for row in learnt}
        tested = [
            row
            for row in rows
            if row.told_apart(devices=devices) == apart
            and (*row.group, row.kind == "prefill") in known
        ]
        if tested:
            trial, memo = fitted(start, learnt), dict[object, object]()
            found += [(r, predicted_ms(trial, r, memo) / r.ms - 1) for r in tested]
    return found


def grouped(off: Iterable[tuple[Row, float]]) -> Groups:
    """Errors by (kind, dense or moe) and by (kind, model, hardware, quantization)."""
    found: Groups = defaultdict(list)
    for row, error in off:
        sort = "moe" if row.preset.architecture.moe else "dense"
        found[row.kind, sort].append(error)
        found[row.kind, row.model, row.hardware.split(":")[0], row.quantization].append(error)
    return found


def _untouched(table: EngineSpeed) -> dict[str, object]:
    """Every fitted constant where a fit starts, so that nothing is remembered."""
    constants: list[Constant] = constants_of(table, ())
    fresh = with_values(table, constants, [c.fresh for c in constants])
    return {name: getattr(fresh, name) for name in ("kernels", "times", *Constant.COMMON)}


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("engine", choices=["vllm", "llama.cpp"])
    parser.add_argument("--split", action="store_true")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--every", action="store_true", help="each model and hardware")
    asked = parser.parse_args(argv)
    table = store.load("calibration/speed", asked.engine, EngineSpeed)
    everything = rows_of(asked.engine)
    rows = [row for row in everything if row.use == "fit"]
    print(f"{len(rows)} rows of {len(everything)} fitted, the others left out")
    held = split_test(table, rows, devices=False) if asked.split or asked.write else []
    if asked.split:
        report("held out: a model on a kind of hardware", held, every=asked.every)
        report_covered(table, held)
        fewer = split_test(table, rows, devices=True)
        report("held out: a model on so many devices", fewer, every=asked.every)
    if asked.write:
        table = fitted(table, rows)
        path = data_dir("presets") / "calibration" / "speed" / f"{asked.engine}.yaml"
        Path(path).write_text(text_of(table, held, errors(table, rows)), encoding="utf-8")
    report("all rows of the fit", errors(table, rows), every=asked.every)
    report_covered(table, errors(table, rows))
    report("left out", errors(table, [r for r in everything if r.use != "fit"]), every=asked.every)


if __name__ == "__main__":
    main()
