"""Compare llama.cpp's memory with what it printed when it loaded models.

    python -m tools.fit_llamacpp FILE.csv

FILE has the columns of tests/measurements/llama.cpp/memory.csv, which is read if none is named.
Nothing is fitted: the formulas hold no constant that a measurement could move.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from infra_gen.knowledge import store
from infra_gen.model.llm import Architecture, ModelPreset
from infra_gen.plan.sizing import llamacpp_cache, llamacpp_memory, llamacpp_weights

FOLDER = Path(__file__).parents[2] / "tests" / "measurements" / "llama.cpp"
_MIB = 2**20
_PARTS = ("weights", "cache", "compute", "total")


def architecture_of(name: str) -> Architecture:
    """A preset's architecture, or one of the first LLaMA models, by `llama-LAYERS-HIDDEN-HEADS`."""
    if not name.startswith("shape:"):
        return store.load("models", name, ModelPreset).architecture
    numbers = [int(n) for n in name.removeprefix("shape:").split("-")]
    layers, hidden, heads, kv_heads, vocabulary = numbers
    like = store.load("models", "llama-3.1-8b-instruct", ModelPreset).architecture
    group = like.layer_groups[0].model_copy(update={"layers": layers})
    shape = {"layers": layers, "hidden_size": hidden, "heads": heads, "kv_heads": kv_heads}
    more = {"vocab_size": vocabulary, "layer_groups": (group,)}
    return like.model_copy(update=shape | more)


def predicted(found: dict[str, str]) -> dict[str, float]:
    """MiB of each part, whole model."""
    arch = architecture_of(found["model"])
    context, slots = int(found["context"]), int(found["slots"])
    devices, ubatch = int(found["devices"]), int(found["ubatch"])
    file_bytes = float(found["file_gib"]) * 2**30
    flash = found["flash_attention"] == "on"
    parts = {
        "weights": llamacpp_weights.device_weight_bytes(arch, found["quantization"], file_bytes),
        "cache": llamacpp_cache.cache_bytes(
            arch, context // slots, slots, found["cache_type"], ubatch=ubatch
        ),
        "compute": llamacpp_memory.compute_bytes(
            arch,
            llamacpp_cache.padded(context // slots),
            ubatch,
            flash_attention=flash,
            pipelined=devices > 1,
        ),
    }
    return {name: size / _MIB for name, size in parts.items()}


def compared(path: Path) -> Iterator[tuple[str, str, float, float]]:
    """(row, part, measured MiB, predicted MiB), for the parts that a row has."""
    with path.open(encoding="utf-8") as lines:
        for found in csv.DictReader(lines):
            sizes = predicted(found)
            known = [name for name in _PARTS[:-1] if found[f"{name}_mib"]]
            label = f"{found['model']} {found['quantization']} {found['context']}/{found['slots']}"
            for name in known:
                yield label, name, float(found[f"{name}_mib"]), sizes[name]
            if len(known) == len(_PARTS) - 1:
                whole = sum(float(found[f"{name}_mib"]) for name in known)
                yield label, "total", whole, sum(sizes.values())


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point."""
    named = sys.argv[1:] if argv is None else list(argv)
    path = Path(named[0]) if named else FOLDER / "memory.csv"
    found = list(compared(path))
    for part in _PARTS:
        off = sorted(abs(guess / real - 1) for _, name, real, guess in found if name == part)
        if off:
            print(
                f"{part:8} n={len(off):4} median {100 * off[len(off) // 2]:.2f} % "
                f"p90 {100 * off[int(0.9 * len(off))]:.2f} % max {100 * off[-1]:.2f} %"
            )
    worst = sorted(found, key=lambda row: -abs(row[3] / row[2] - 1))[:8]
    for label, part, real, guess in worst:
        print(f"  {label} {part}: {real:.1f} MiB, predicted {guess:.1f}")


if __name__ == "__main__":
    main()
