"""llama.cpp's planned memory beside what it printed: python tests/benchmarks/accuracy/llamacpp_memory.py

First the formulas on every load in tests/measurements/llama.cpp/memory.csv, then what
`infra-gen plan --set ...` says of those loads whose model is a preset. Nothing in the formulas is
fitted, so there is nothing to hold out.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3] / "generator"))

from infra_gen import api
from infra_gen.cli.options import Asked, spec_from
from infra_gen.errors import DoesNotFitError, UsageError
from infra_gen.model.plan import Memory
from tools import fit_llamacpp

_ROOM = "h200:8"  # any machine that holds all of them: memory does not depend on the device


def planned(found: dict[str, str]) -> Memory:
    """What the planner says of a load."""
    flash = "on" if found["flash_attention"] == "on" else "off"
    devices = int(found["devices"])
    asked = Asked(
        hardware=_ROOM.replace("8", str(devices))
        if devices > 1
        else _ROOM.split(":", maxsplit=1)[0],
        model=found["model"],
        engine="llama.cpp",
        quantization=found["quantization"],
        set_args=(
            f"ctx-size={found['context']}",
            f"parallel={found['slots']}",
            f"ubatch-size={found['ubatch']}",
            f"cache-type-k={found['cache_type']}",
            f"cache-type-v={found['cache_type']}",
            f"flash-attn={flash}",
        ),
    )
    return api.plan(spec_from(asked), Path())[0].memory


def through_the_planner() -> Iterator[tuple[str, float, float]]:
    """(part, printed MiB, planned MiB) of each load that the planner takes."""
    with (fit_llamacpp.FOLDER / "memory.csv").open(encoding="utf-8") as lines:
        for found in csv.DictReader(lines):
            if found["model"].startswith("shape:"):
                continue
            try:
                memory = planned(found)
            except (DoesNotFitError, UsageError) as refused:
                print(f"  refused: {found['model']} {found['context']}: {refused}")
                continue
            cache = memory.kv_cache_tokens * memory.kv_bytes_per_token / 2**20
            devices = int(found["devices"])
            yield "cache", float(found["cache_mib"]), cache if devices > 1 else _mib(memory)
            if devices == 1 and found["weights_mib"] and found["compute_mib"]:
                parts = [float(found[f"{name}_mib"]) for name in ("weights", "cache", "compute")]
                whole = memory.weights_gib + memory.kv_cache_gib + memory.activation_gib
                yield "total", sum(parts), whole * 1024


def _mib(memory: Memory) -> float:
    return memory.kv_cache_gib * 1024


def main() -> None:
    """Print both tables."""
    fit_llamacpp.main(sys.argv[1:])
    print("\nthrough `infra-gen plan`, with the preset's own file")
    found = list(through_the_planner())
    for part in ("cache", "total"):
        off = sorted(abs(guess / real - 1) for name, real, guess in found if name == part)
        print(
            f"{part:8} n={len(off):4} median {100 * off[len(off) // 2]:.2f} % "
            f"p90 {100 * off[int(0.9 * len(off))]:.2f} % max {100 * off[-1]:.2f} %"
        )


if __name__ == "__main__":
    main()
