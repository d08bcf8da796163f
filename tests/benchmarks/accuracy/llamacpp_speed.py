"""How far llama.cpp's predicted speed is off, by device and by quantization.

    python tests/benchmarks/accuracy/llamacpp_speed.py [--quick]

One stream: `step` is decoding, `prefill` reading a prompt. Each model on a kind of device is
predicted by constants fitted to all other rows; `--quick` takes the constants as they are.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3] / "generator"))

from infra_gen.knowledge import store
from infra_gen.model.calibration_speed import EngineSpeed, names_of
from tools import fit_speed
from tools.fit_speed_rows import Row, rows_of

BY: dict[str, Callable[[Row], str]] = {
    "kind": lambda _: "dense and experts",
    "architecture": lambda row: "experts" if row.preset.architecture.moe else "dense",
    "hardware": lambda row: names_of(row.machine)[0],
    "quantization": lambda row: row.quantization,
}


def tables(found: Iterable[tuple[Row, float]]) -> None:
    """One table for each way to group the rows."""
    rows = list(found)
    for title, name_of in BY.items():
        print(f"\nby {title}")
        groups: dict[tuple[str, str], list[float]] = defaultdict(list)
        for row, error in rows:
            groups[row.kind, name_of(row)].append(error)
        for key in sorted(groups, reverse=True):
            print("  " + fit_speed.line(" ".join(key), groups[key]))


def main() -> None:
    """Print the tables."""
    table = store.load("calibration/speed", "llama.cpp", EngineSpeed)
    rows = [row for row in rows_of("llama.cpp") if row.use == "fit"]
    if "--quick" in sys.argv:
        tables(fit_speed.errors(table, rows))
    else:
        tables(fit_speed.split_test(table, rows, devices=False))


if __name__ == "__main__":
    main()
