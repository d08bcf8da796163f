"""How far predicted speeds are from measured ones: python tests/benchmarks/accuracy/speed.py

For each engine: errors on runs of a model on a kind of hardware that the constants were not fitted
to (each by a fit to all others), errors of the constants as they are, and of rows left out of the
fit. `--quick` leaves the first out: it takes minutes.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3] / "generator"))

from tools import fit_speed

if __name__ == "__main__":
    asked = [] if "--quick" in sys.argv else ["--split"]
    for engine in ("vllm", "llama.cpp"):
        print(f"\n{engine}, milliseconds, errors in percent")
        fit_speed.main([engine, *asked])
