"""docs/reference/accuracy.md and its pictures, from the stored result of tests/benchmarks/accuracy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tools import accuracy_result, docs_scatter
from tools.docs_markdown import page, table

_COLOURS = {"fitted": "#8c959f", "not fitted": "#bf8700", "held out": "#0969da"}
# Picture: title, unit, and the quantities in it.
_PICTURES = {
    "vllm-memory": ("vLLM, KV capacity", "tokens", ("vllm/KV capacity", "vllm/KV tokens")),
    "vllm-steps": ("vLLM, decode step and prefill", "ms", ("vllm/decode step", "vllm/prefill")),
    "vllm-serving": ("vLLM, serving TPOT", "ms", ("vllm/serving TPOT",)),
    "llamacpp-speed": ("llama.cpp, decode", "ms", ("llama.cpp/decode",)),
}
_ABOUT = """Errors of planned against measured numbers, in percent of what was measured. The questions
were asked in the words of `infra-gen plan --json` (`--hardware`, `--model`, `--engine`,
`--engine-version`, `--quantization`, `--set`, `--point`)."""
_PARTS = """- **fitted**: constants were fitted to these rows.
- **not fitted**: they were not; [why](calibration.md#what-was-left-out-of-the-fits).
- **held out by model**, **by GPU**: the same fit made again without any run of that model, or on that
  kind of GPU; only where other runs of the same family, precision and kind remain.

`cover` is the share of rows that got an answer, `bias` the mean error, `over` the largest prediction above
what was measured, and `in band` the share of answered rows within the error that the plan states."""
_MEANINGS = {
    "weights": "GiB on one device",
    "KV capacity, KV tokens": "concurrency x context as vLLM prints it; tokens where it prints none",
    "decode step": "one step of a running batch",
    "prefill": "eight prompts or more sent together; llama.cpp: one, also after a long context",
    "serving TPOT": "mean time per token under a constant number of requests",
    "TTFT at low load": "mean time to the first token with at most eight requests",
    "KV, total memory": "llama.cpp's cache; weights, cache and compute buffer of the device",
    "decode": "llama-bench: one request, also after a long context",
}
_ELSEWHERE = """On other rows, which are not published, these were found: KV tokens of vLLM by
AIConfigurator, hf-mem and llmfit, median 14 to 26 %, at most 72 to 117 %; AIConfigurator's decode step
of dense models on one H100, median 5.9 %, at most 11 %, and its prefill 10 % and 26 %; its serving
TPOT, median 11 % (vLLM); llmfit's single-stream decode 37 %; a roofline with two constants 8.7 %, at
most 54 %. hf-mem reads the headers of checkpoints over the network, so it could not be asked here."""
_AGAIN = """```sh
python tests/benchmarks/accuracy --rows       # the table, and the worst rows
python tests/benchmarks/accuracy --write      # store it for this page, then: make docs
python tests/benchmarks/accuracy/peers NAME   # ask a peer again
```

Rows are in `tests/measurements/`, each with its source; where they come from is in the README of each
folder. A test fails when constants or measurements are newer than this result."""


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f}"


def _merits(record: Mapping[str, Any], *names: str) -> list[str]:
    return [str(record["rows"]), *(_percent(record[name]) for name in names)]


def _table_of(rows: list[dict[str, Any]], engine: str) -> str:
    names = ("cover", "median", "p90", "largest", "bias", "over", "inside")
    head = ["Quantity", "Part", "n", "cover", "median", "p90", "max", "bias", "over", "in band"]
    mine = [row for row in rows if row["engine"] == engine]
    return table(head, [[row["quantity"], row["part"], *_merits(row, *names)] for row in mine])


def _peers(rows: list[dict[str, Any]]) -> str:
    names = ("cover", "median", "p90", "largest", "bias")
    head = ["Quantity", "Who", "n", "cover", "median", "p90", "max", "bias"]
    return table(head, [[row["quantity"], row["who"], *_merits(row, *names)] for row in rows])


def _memory(failed: Mapping[str, Any]) -> str:
    wrong = failed["said_fits"]
    said = "none of them is" if not wrong else f"{', '.join(wrong)} is"
    return f"{failed['starts']} starts ran out of memory in reality; {said} planned as fitting."


def accuracy_page() -> str:
    """docs/reference/accuracy.md."""
    result = accuracy_result.stored()
    if not result:
        return page("Accuracy", "No result is stored yet.", _AGAIN)
    engines = dict.fromkeys(row["engine"] for row in result["table"])
    parts = [
        f"{_ABOUT}\n\nLast made on {result['date']}.",
        _PARTS,
        table(["Quantity", "What it is"], list(_MEANINGS.items())),
    ]
    for engine in engines:
        parts += [f"## {engine}", _table_of(result["table"], engine)]
        if engine == "vllm":
            parts.append(_memory(result["out_of_memory"]))
    pictures = [
        f"![{title}](../images/accuracy-{name}.svg)" for name, (title, *_) in _PICTURES.items()
    ]
    refused = [(count, f"`{why}`") for why, count in result["refused"].items()]
    return page(
        "Accuracy",
        *parts,
        "## Pictures\n\nGrey: fitted, amber: not fitted, blue: held out. The lane is within a fifth.",
        "\n".join(pictures),
        "## Peers\n\nOn the rows that a peer was asked, and infra-gen (by the constants as they are, so "
        "on some rows that they were fitted to) where the peer answered. Serving rows are a sample.",
        _peers(result["peers"]),
        _ELSEWHERE,
        "## Rows without an answer",
        table(["Rows", "Why"], refused) if refused else "Every row was answered.",
        "## Make it again\n\n" + _AGAIN,
    )


def _dots(points: Mapping[str, Any], quantities: tuple[str, ...]) -> list[docs_scatter.Dots]:
    found = []
    for name, colour in _COLOURS.items():
        pairs = [
            pair
            for key, held in points.items()
            for pair in held
            if key.rsplit("/", 1)[0] in quantities and key.rsplit("/", 1)[1].startswith(name)
        ]
        if pairs:
            found.append(docs_scatter.Dots(name, colour, pairs))
    return found


def pictures() -> dict[str, str]:
    """The SVG files, by path."""
    points = accuracy_result.stored().get("points", {})
    return {
        f"docs/images/accuracy-{name}.svg": docs_scatter.svg(title, unit, _dots(points, quantities))
        for name, (title, unit, quantities) in _PICTURES.items()
    }
