"""What vLLM reported: memory at its start, single steps, and serving under load."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from tests.benchmarks.accuracy import tables
from tests.benchmarks.accuracy.question import Measured, Question, settings

from infra_gen.model.plan import GIB
from tools import fit_vllm_memory

FITTED_STARTS: frozenset[str] = fit_vllm_memory.FIT
STEP_KINDS = {"step": "decode step", "prefill": "prefill"}
PROMPTS_OF_A_BATCH = 8  # fewer prompts at once are too short to be timed well
_NOT_TAKEN = {"use": "no: not among the rows of the fit"}
LOW_LOAD = 8  # requests at once up to which a time to the first token holds no queue


def _start_question(row: Mapping[str, Any]) -> Question:
    """As the run was started; what nobody set is the engine's own, as in a plan without users."""
    given = dict(row["settings"])
    if row.get("given_cache"):  # its log does not say what else was set: only the blocks count
        given["kv-cache-memory-bytes"] = int(row["kv_gib"] * GIB)
    return Question(
        hardware=row["hardware"],
        model=row["preset"],
        engine="vllm",
        version=row["version"],
        quantization=row.get("quantization"),
        settings=settings(**{name.replace("-", "_"): value for name, value in given.items()}),
    )


def starts(key: str = "rows") -> dict[str, Mapping[str, Any]]:
    """Starts by name; with `out_of_memory` those that failed."""
    found: dict[str, Mapping[str, Any]] = {}
    for document in tables.documents("vllm"):
        for row in document.get(key, ()):
            if "preset" in row and "settings" in row:
                found[str(row["run"])] = row
    return found


def memory() -> Iterator[Measured]:
    """Weights and capacity of every start, as far as it states them."""
    for run, row in starts().items():
        # A tower for images that a run left out is in the preset.
        if "(text only)" in row.get("config", ""):
            continue
        question = _start_question(row)
        start = Measured(
            engine="vllm",
            quantity="weights",
            run=run,
            value=row.get("weights_gib", 0.0),
            question=question,
            fitted=run in FITTED_STARTS,
            why_not="no constant was read off this start",
            model=row["preset"],
            gpu=tables.kind_of(row["hardware"]),
            source=row.get("source", "own run"),
        )
        if "weights_gib" in row:
            yield start
        context = row["settings"].get("max-model-len")
        if row.get("given_cache"):
            tokens = row.get("kv_tokens")
            if tokens:
                yield replace(start, quantity="KV tokens of a known cache", value=tokens)
        elif "max_concurrency" in row and context:
            value = row["max_concurrency"] * context
            yield replace(start, quantity="KV capacity", value=value)
        elif "kv_tokens" in row:
            yield replace(start, quantity="KV tokens", value=row["kv_tokens"])


def failed() -> dict[str, Question]:
    """Starts that ran out of memory."""
    return {run: _start_question(row) for run, row in starts("out_of_memory").items()}


def steps() -> Iterator[Measured]:
    """Decode steps, and prefills of eight prompts or more."""
    for row in tables.lines_of("speed/vllm.csv"):
        requests = int(row["concurrency"])
        quantity = STEP_KINDS.get(row["kind"])
        if quantity is None or (quantity == "prefill" and requests < PROMPTS_OF_A_BATCH):
            continue
        yield Measured(
            engine="vllm",
            quantity=quantity,
            run=f"{row['model']} {row['hardware']} {row['quantization']}",
            value=float(row["ms"]),
            question=Question(
                hardware=row["hardware"],
                model=row["model"],
                engine="vllm",
                version=tables.version_of(row["version"]),
                quantization=row["quantization"],
                settings=settings(
                    tensor_parallel_size=row["tensor"],
                    max_num_batched_tokens=row["batched_tokens"] or None,
                    max_num_seqs=tables.requests_default(
                        row["hardware"], tables.version_of(row["version"])
                    ),
                ),
            ),
            loads=((requests, int(row["input"]), int(row["output"])),),
            fitted=row["use"] == "fit",
            why_not=row["use"].removeprefix("no: "),
            model=row["model"],
            gpu=tables.kind_of(row["hardware"]),
            source=row["source"],
        )


def _used() -> dict[tuple[str, ...], dict[str, str]]:
    """The rows that a fit could take, by what tells serving runs apart."""
    return {_same(row, row["kind"], row["ms"]): row for row in tables.lines_of("speed/vllm.csv")}


def _same(row: Mapping[str, str], kind: str, ms: str) -> tuple[str, ...]:
    hardware = row["hardware"].removesuffix(":1")
    return (kind, hardware, row["input"], row["output"], row["concurrency"], f"{float(ms):.2f}")


def _serving_question(row: Mapping[str, str]) -> Question:
    data = row["data"] if row["data"] != "1" else None
    return Question(
        hardware=row["hardware"],
        model=row["model"],
        engine="vllm",
        version=tables.version_of(row["version"]),
        quantization=row["quantization"],
        settings=settings(
            tensor_parallel_size=row["tensor"],
            data_parallel_size=data,
            enable_expert_parallel=True if row["expert"] else None,
            max_num_seqs=tables.requests_default(
                row["hardware"], tables.version_of(row["version"])
            ),
        ),
    )


def serving() -> Iterator[Measured]:
    """Time per token of every public run, and to the first token where the load is low."""
    used = _used()
    for row in tables.lines_of("serving/inferencex-vllm.csv"):
        requests = int(row["concurrency"])
        for quantity, kind in (("serving TPOT", "tpot"), ("TTFT at low load", "ttft")):
            if kind == "ttft" and requests > LOW_LOAD:
                continue
            mine = used.get(_same(row, kind, row[f"{kind}_ms"]), _NOT_TAKEN)
            yield Measured(
                engine="vllm",
                quantity=quantity,
                run=f"{row['model']} {row['hardware']} {row['quantization']}",
                value=float(row[f"{kind}_ms"]),
                question=_serving_question(row),
                loads=((requests, int(row["input"]), int(row["output"])),),
                fitted=mine["use"] == "fit",
                why_not=mine["use"].removeprefix("no: "),
                model=mine.get("model", row["model"]),
                gpu=tables.kind_of(row["hardware"]),
                source=row["source"],
            )


def elsewhere() -> Iterator[Measured]:
    """Time per token of other published runs: other cards, other versions, in no fit."""
    for row in tables.lines_of("serving/others-vllm.csv"):
        yield Measured(
            engine="vllm",
            quantity="serving TPOT, other runs",
            run=f"{row['model']} {row['hardware']} {row['quantization']}",
            value=float(row["tpot_ms"]),
            question=_serving_question(row),
            loads=((int(row["concurrency"]), int(row["input"]), int(row["output"])),),
            why_not="other cards and versions, kept for this comparison",
            model=row["model"],
            gpu=tables.kind_of(row["hardware"]),
            source=row["source"],
        )


def everything() -> Iterator[Measured]:
    """All rows of vLLM."""
    yield from memory()
    yield from steps()
    yield from serving()
    yield from elsewhere()
