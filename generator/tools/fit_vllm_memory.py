"""Read the constants of vLLM's memory off measured start-ups, and say how well they do elsewhere.

    python generator/tools/fit_vllm_memory.py

Data: tests/measurements/vllm/h100-0.25.0.json. Constants are read off the runs in FIT and compared
with presets/calibration/memory/vllm.yaml; the runs in neither list are left out of both parts.
Nothing random: no seed. Terms that come from vLLM's sources (bytes a logit, workspaces, block
sizes) are not fitted; the sampler's bytes are solved for here only to check them.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "generator"))

from infra_gen.knowledge import store  # noqa: E402
from infra_gen.model.calibration import known  # noqa: E402
from infra_gen.model.llm import ModelPreset  # noqa: E402
from infra_gen.model.plan import GIB  # noqa: E402
from infra_gen.plan.memory import Shape  # noqa: E402
from infra_gen.plan.sizing import vllm_memory, vllm_memory_peak  # noqa: E402
from infra_gen.plan.sizing.vllm_memory_release import release_of  # noqa: E402
from infra_gen.plan.sizing.vllm_memory_stage import stages  # noqa: E402

# Three dense, mixed and hybrid models and two of experts; the test part has other models, another
# type of weights and another batch.
FIT = frozenset({"llama8b-l", "qwen8b-b2k", "oss20b", "nemo30b", "qwen30b"})
TEST = frozenset({"qwen8b-fp8", "gemma12b", "dsv2lite"})

CONSTANTS = vllm_memory.constants_of(store.calibration())


def rows(part: frozenset[str]) -> list[dict[str, Any]]:
    """The measured runs of that part."""
    path = ROOT / "tests/measurements/vllm/h100-0.25.0.json"
    return [r for r in json.loads(path.read_text("utf-8"))["rows"] if r["run"] in part]


def shape_of(row: Mapping[str, Any]) -> Shape:
    """What the run was started with."""
    given = row["settings"]
    own = "mxfp4" if row["preset"].startswith("gpt-oss") else "bf16"
    return Shape(
        weight_bytes=int(row["weights_gib"] * GIB),
        tensor=1,
        layer_split=1,
        context=given["max-model-len"],
        max_num_seqs=given["max-num-seqs"],
        max_num_batched_tokens=given["max-num-batched-tokens"],
        kv_dtype=given.get("kv-cache-dtype", "auto"),
        quantization=given.get("quantization", own),
        version=row["version"],
    )


def graph_constants(part: list[dict[str, Any]]) -> Iterator[tuple[str, float, float]]:
    """Name, value read off, value in the calibration, for what CUDA graphs take."""
    parts = [(r, r["graph_parts"]) for r in part if "graph_parts" in r]
    layers = {
        r["run"]: store.load("models", r["preset"], ModelPreset).architecture.layers for r in part
    }
    held = CONSTANTS.graphs
    each = [p["pieces"]["each_mib"] / layers[r["run"]] for r, p in parts]
    yield "piece_mib_per_layer", statistics.median(each), known(held.piece_mib_per_layer)
    yield "full_mib", max(p["whole"]["each_mib"] for _, p in parts), known(held.full_mib)
    first = [
        max(p["pieces"]["first_mib"], p["whole"]["first_mib"])
        / min(r["settings"]["max-num-seqs"], held.largest.value or 0)
        for r, p in parts
    ]
    yield "first_mib_per_request", statistics.median(first), known(held.first_mib_per_request)
    ratios = [r["graph_gib"] / r["graph_estimate_gib"] for r, _ in parts if "graph_gib" in r]
    yield "taken_over_estimate", max(ratios), known(held.taken_over_estimate)


def sampler_constant(part: list[dict[str, Any]]) -> Iterator[tuple[str, float, float]]:
    """Bytes a logit, where the sampler is the fullest moment of the first runner."""
    for row in part:
        arch, shape = store.load("models", row["preset"], ModelPreset).architecture, shape_of(row)
        release = release_of(CONSTANTS, arch, shape)
        if release.second or not release.fused:
            continue
        planned = vllm_memory_peak.sampler(arch, shape, release, CONSTANTS)
        if planned < vllm_memory_peak.forward(arch, shape, release):
            continue
        logits = min(shape.max_num_seqs, shape.max_num_batched_tokens) * arch.vocab_size
        rest = planned - logits * known(CONSTANTS.logit_bytes.fused)
        rest += (CONSTANTS.matmul_workspace_mib.value or 0) * 2**20
        value = (row["activation_gib"] * GIB - rest) / logits
        yield f"fused ({row['run']})", value, known(CONSTANTS.logit_bytes.fused)


def errors(part: list[dict[str, Any]]) -> Iterator[tuple[str, float, float]]:
    """Run, error of the peak and error of all that is not weights or cache, in GiB."""
    for row in part:
        arch, shape = store.load("models", row["preset"], ModelPreset).architecture, shape_of(row)
        release = release_of(CONSTANTS, arch, shape)
        (whole,) = stages(arch.layers, 1)
        peak = vllm_memory_peak.peak(arch, shape, release, CONSTANTS, whole) / GIB
        outside = known(CONSTANTS.outside_torch_gib.single)
        taken = row["activation_gib"] + row["non_torch_gib"]
        yield row["run"], peak - row["activation_gib"], peak + outside - taken


def main() -> int:
    """Print constants and errors; change nothing."""
    part = rows(FIT)
    print(f"{'constant':28} {'read off':>9} {'held':>9}")
    single = max(row["non_torch_gib"] for row in part)
    held = known(CONSTANTS.outside_torch_gib.single)
    for name, value, now in (
        ("outside_torch_gib.single", single, held),
        *graph_constants(part),
        *sampler_constant(part),
    ):
        print(f"{name:28} {value:9.3f} {now:9.3f}")
    for label, names in (("fit", FIT), ("test", TEST)):
        print(f"\n{label:28} {'peak GiB':>9} {'all GiB':>9}")
        for run, peak, total in errors(rows(names)):
            print(f"{run:28} {peak:+9.3f} {total:+9.3f}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
