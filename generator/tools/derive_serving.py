"""The public serving runs as a measurement table.

    python -m tools.derive_serving DUMP.csv OTHERS.csv

DUMP.csv is InferenceX's dump as NVIDIA's aiconfigurator ships it; tests/measurements/serving has
what it became. Rows of vLLM are kept, all of them, with the model's id as it is written there.
OTHERS.csv has further published runs; of those the ones with a constant number of requests, named
cards and no speculation are kept.
"""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "tests/measurements/serving"
COLUMNS = (
    "model", "hardware", "quantization", "tensor", "data", "expert", "concurrency", "input", "output",
    "ttft_ms", "tpot_ms", "version", "source",
)  # fmt: skip
# What vLLM calls the weights; of a repository that holds one kind only, that kind.
_QUANTIZATION = {"fp8": "fp8", "nvfp4": "nvfp4", "int4_wo": "w4a16"}
_OWN = {"openai/gpt-oss-120b": "mxfp4", "MiniMaxAI/MiniMax-M2.5": "fp8-block",
        "Qwen/Qwen3-235B-A22B-FP8": "fp8-block"}  # fmt: skip


def _quantization(found: Mapping[str, str]) -> str:
    mode = found["gemm_quant_mode"]
    own = _OWN.get(found["model_path"])
    return own if own and (mode == "fp8" or own == "mxfp4") else _QUANTIZATION[mode]


def _source(text: str) -> str:
    """The run, without the folders of whoever made the dump."""
    kept = []
    for part in text.split("; "):
        if part.startswith(("silicon_concurrency", "measured")):
            continue
        kept.append(re.sub(r"=\S*/", "=", part) if part.startswith("source_file") else part)
    return "InferenceX " + " ".join(kept)


def derived(found: Mapping[str, str]) -> dict[str, object]:
    """One row. `concurrency` is of one data-parallel copy, `hardware` all devices together."""
    tensor = int(found["tp_size"])
    devices = int(found["moe_tp_size"]) * int(found["moe_ep_size"])
    data = int(found["attention_dp_size"] or 1)
    if not found["attention_dp_size"]:
        tensor = max(tensor, devices)  # vLLM splits attention and experts alike
    total = re.search(r"silicon_concurrency=(\d+)", found["silicon_data_source"])
    requests = int(total[1]) if total else int(found["batch_size"]) * data
    return {
        "model": found["model_path"],
        "hardware": f"{found['system'].removesuffix('_sxm')}:{tensor * data}",
        "quantization": _quantization(found),
        "tensor": tensor,
        "data": data,
        "expert": "true" if int(found["moe_ep_size"]) > 1 else "",
        "concurrency": max(1, round(requests / data)),
        "input": found["isl"],
        "output": found["osl"],
        "ttft_ms": f"{float(found['silicon_ttft_ms']):.3f}",
        "tpot_ms": f"{float(found['silicon_tpot_ms']):.3f}",
        "version": found["backend_version"],
        "source": _source(found["silicon_data_source"]),
    }


def rows(dump: Path) -> Iterator[dict[str, object]]:
    """Every run of vLLM in the dump."""
    with dump.open(encoding="utf-8") as lines:
        for found in csv.DictReader(lines):
            if found["backend"] == "vllm":
                yield derived(found)


# Checkpoints that others' runs name, as a model and its quantization.
_OTHERS = {
    "Qwen3.6-27B": ("Qwen/Qwen3.6-27B", "bf16"),
    "Qwen3.6-27B-FP8": ("Qwen/Qwen3.6-27B", "fp8"),
    "Qwen3.6-27B-INT8-W8A8": ("Qwen/Qwen3.6-27B", "w8a8-int8"),
    "Qwen3.6-35B-A3B-AWQ-4bit": ("Qwen/Qwen3.6-35B-A3B", "awq-int4"),
    "gemma-4-12B-it-AWQ-INT4": ("google/gemma-4-12B-it", "awq-int4"),
    "gemma-4-12B-it-FP8-Dynamic": ("google/gemma-4-12B-it", "fp8"),
    "openai/gpt-oss-120b": ("openai/gpt-oss-120b", "mxfp4"),
    "Qwen/Qwen3-8B": ("Qwen/Qwen3-8B", "bf16"),
}
_CARDS = {"RTX 3090": "rtx-3090", "H100": "h100"}
_MOST = 64  # requests: beyond, the runs did not hold the number that they state


def _other(found: Mapping[str, str]) -> dict[str, object] | None:
    card = next((word for mark, word in _CARDS.items() if mark in found["gpu"]), None)
    named = _OTHERS.get(found["model"])
    time = found["mean_tpot_ms"] or found["median_tpot_ms"]
    plain = "'method'" not in found["extra_flags"] and "speculative" not in found["extra_flags"]
    steady = 0 < float(found["concurrency"] or 0) <= _MOST and found["input_len"]
    if not (card and named and time and plain and steady and found["engine"] == "vllm"):
        return None
    tensor = found["tp"] or "1"
    first = found["mean_ttft_ms"] or found["median_ttft_ms"]
    return {
        "model": named[0],
        "hardware": f"{card}:{tensor}",
        "quantization": named[1],
        "tensor": tensor,
        "data": 1,
        "expert": "",
        "concurrency": int(float(found["concurrency"])),
        "input": found["input_len"],
        "output": found["output_len"],
        "ttft_ms": first,
        "tpot_ms": time,
        "version": found["engine_version"],
        "source": found["source"],
    }


def others(table: Path) -> Iterator[dict[str, object]]:
    """Runs that are not InferenceX's, each once."""
    seen = set()
    with table.open(encoding="utf-8") as lines:
        for found in csv.DictReader(lines):
            row = _other(found)
            if row and tuple(row.values()) not in seen:
                seen.add(tuple(row.values()))
                yield row


def _write(name: str, found: Iterator[dict[str, object]]) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / name).open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(found)


def main(argv: Sequence[str] | None = None) -> int:
    """Write the tables."""
    named = sys.argv[1:] if argv is None else list(argv)
    if len(named) != 2:
        print(__doc__, file=sys.stderr)
        return 1
    _write("inferencex-vllm.csv", rows(Path(named[0])))
    _write("others-vllm.csv", others(Path(named[1])))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
