"""llama.cpp's planned memory beside what it printed: python tests/benchmarks/accuracy/llamacpp_memory.py

Parts and their total, for every load in tests/measurements/llama.cpp/memory.csv. Nothing in the
formulas is fitted, so there is nothing to hold out.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3] / "generator"))

from tools import fit_llamacpp

if __name__ == "__main__":
    fit_llamacpp.main(sys.argv[1:])
