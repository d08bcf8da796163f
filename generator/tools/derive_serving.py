"""The public serving runs as a measurement table.

    python -m tools.derive_serving DUMP.csv

DUMP.csv is InferenceX's dump as NVIDIA's aiconfigurator ships it; tests/measurements/serving has
what it became. Rows of vLLM are kept, all of them, with the model's id as it is written there.
"""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

TABLE = Path(__file__).parents[2] / "tests/measurements/serving/inferencex-vllm.csv"
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


def main(argv: Sequence[str] | None = None) -> int:
    """Write the table."""
    named = sys.argv[1:] if argv is None else list(argv)
    if len(named) != 1:
        print(__doc__, file=sys.stderr)
        return 1
    TABLE.parent.mkdir(parents=True, exist_ok=True)
    with TABLE.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows(Path(named[0])))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
