"""Constants fitted without the rows that they are tested on.

Two splits: every model left out in turn on all hardware, and every kind of device in turn with all
models. Groups go into at most FOLDS folds, drawn with SEED; a fold's fit has seen none of its groups.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tests.benchmarks.accuracy.question import Measured
from tests.benchmarks.accuracy.stored import FOLDS_FILE as STORED
from tests.benchmarks.accuracy.stored import sha256_of

from infra_gen.knowledge import store
from infra_gen.model.calibration_speed import EngineSpeed
from tools import fit_speed
from tools.fit_speed_rows import Row, rows_of

FOLDS, SEED = 10, 20261123
SPLITS = ("model", "GPU")
ENGINES = ("vllm", "llama.cpp")
Key = tuple[str, str, str, bool]
# What a fit follows from beside the engine's own constants and measurements.
_FORMULAS = ("generator/infra_gen/plan/speed", "generator/tools/fit_speed.py")


@dataclass(frozen=True, slots=True)
class Fold:
    """`left_out` names models or kinds of devices; `table` was fitted without them.

    `related` are rows (device, quantization, model, whether prompts are read) of a family, precision
    and kind that the fit did see others of: elsewhere nothing was learnt, and a plan would say so.
    """

    engine: str
    split: str
    left_out: tuple[str, ...]
    table: EngineSpeed
    related: frozenset[Key]

    def tests(self, row: Measured) -> bool:
        """Whether the row is one that this fold's constants must predict unseen."""
        name = row.model if self.split == "model" else row.gpu
        key = (row.gpu, row.question.quantization or "", row.model, row.quantity == "prefill")
        return row.engine == self.engine and name in self.left_out and key in self.related


def _name(row: Row, split: str) -> str:
    return row.model if split == "model" else row.hardware.split(":")[0]


def _dealt(names: Sequence[str]) -> list[tuple[str, ...]]:
    """The names in at most FOLDS hands."""
    mixed = sorted(names)
    random.Random(SEED).shuffle(mixed)
    count = min(FOLDS, len(mixed))
    return [tuple(sorted(mixed[start::count])) for start in range(count)]


def _related(rows: Sequence[Row], learnt: Sequence[Row]) -> frozenset[Key]:
    known = {(row.group, row.kind == "prefill") for row in learnt}
    return frozenset(
        (row.hardware.split(":")[0], row.quantization, row.model, row.kind == "prefill")
        for row in rows
        if (row.group, row.kind == "prefill") in known
    )


def folds(engine: str) -> Iterator[Fold]:
    """Fit each fold; seconds for llama.cpp and vLLM each."""
    shipped = store.load("calibration/speed", engine, EngineSpeed)
    start = shipped.model_copy(update=fit_speed._untouched(shipped))
    rows = [row for row in rows_of(engine) if row.use == "fit"]
    for split in SPLITS:
        for left_out in _dealt(sorted({_name(row, split) for row in rows})):
            learnt = [row for row in rows if _name(row, split) not in left_out]
            if not learnt:
                continue
            table = fit_speed.fitted(start, learnt)
            yield Fold(engine, split, left_out, table, _related(rows, learnt))


def _digest(engine: str) -> str:
    """What the folds of an engine belong to."""
    own = (f"presets/calibration/speed/{engine}.yaml", f"tests/measurements/speed/{engine}.csv")
    return f"{FOLDS} {sha256_of((*own, *_FORMULAS))}"


def current() -> tuple[list[Fold], list[str]]:
    """The folds, and the engines whose folds had to be fitted anew: something of theirs changed."""
    held = json.loads(STORED.read_text("utf-8")) if STORED.is_file() else {}
    found: list[Fold] = []
    anew = []
    for engine in ENGINES:
        if held.get("belongs_to", {}).get(engine) == _digest(engine):
            found += [loaded(fold) for fold in held["folds"] if fold["engine"] == engine]
        else:
            found += folds(engine)
            anew.append(engine)
    if anew:
        document = {
            "what": "constants fitted without the rows they are tested on; written by "
            "tests/benchmarks/accuracy",
            "seed": SEED,
            "belongs_to": {engine: _digest(engine) for engine in ENGINES},
            "folds": [_kept(fold) for fold in found],
        }
        STORED.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n", "utf-8")
    return found, anew


def _kept(fold: Fold) -> dict[str, Any]:
    return {
        "engine": fold.engine,
        "split": fold.split,
        "left_out": list(fold.left_out),
        "related": sorted(map(list, fold.related)),
        "table": fold.table.model_dump(mode="json", exclude_defaults=True),
    }


def loaded(held: dict[str, Any]) -> Fold:
    """A fold as it is stored."""
    return Fold(
        engine=held["engine"],
        split=held["split"],
        left_out=tuple(held["left_out"]),
        table=EngineSpeed.model_validate(held["table"]),
        related=frozenset(
            (gpu, kind, model, bool(reads)) for gpu, kind, model, reads in held["related"]
        ),
    )
