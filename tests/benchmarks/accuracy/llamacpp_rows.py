"""What llama.cpp reported: buffers when it loads a model, and llama-bench."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from tests.benchmarks.accuracy import tables
from tests.benchmarks.accuracy.question import Load, Measured, Question, settings

# Where a log does not name its device in a column of its own, its source's path does.
_DEVICES = {
    "strix": "strix-halo-128gb", "3090": "rtx-3090", "4090": "rtx-4090", "A6000": "rtx-a6000",
    "M1max": "apple-m1-max-64gb", "M2ultra": "apple-m2-ultra-192gb", "H100": "h100-pcie",
    "A100": "a100-80gb", "L40S": "l40s", "A40": "a40", "4000_Ada": "rtx-4000-ada",
    "6000_Ada": "rtx-6000-ada", "5000_Ada": "rtx-5000-ada",
}  # fmt: skip
# Old models that the tables name by layers, width, heads, cached heads and vocabulary.
_SHAPES = {
    "shape:32-4096-32-32-32000": "llama-2-7b", "shape:40-5120-40-40-32000": "llama-2-13b",
    "shape:80-8192-64-8-32000": "llama-2-70b", "shape:60-6656-52-52-32000": "llama-30b",
    "shape:80-8192-64-64-32000": "llama-65b",
}  # fmt: skip
_MIB_OF_A_GIB = 1024


def _hardware(row: Mapping[str, str]) -> str | None:
    if row.get("hardware"):
        return row["hardware"]
    return next((word for mark, word in _DEVICES.items() if mark in row["source"]), None)


def _loading(row: Mapping[str, str]) -> Question | None:
    hardware = _hardware(row)
    if hardware is None or row["devices"] != "1":
        return None
    return Question(
        hardware=hardware,
        model=_SHAPES.get(row["model"], row["model"]),
        engine="llama.cpp",
        quantization=row["quantization"],
        settings=settings(
            ctx_size=row["context"],
            parallel=row["slots"],
            ubatch_size=row["ubatch"] or None,
            flash_attn=row["flash_attention"] or None,
            cache_type_k=row["cache_type"],
            cache_type_v=row["cache_type"],
        ),
    )


def memory() -> Iterator[Measured]:
    """Cache of every load, and weights, cache and compute buffer together where all are printed."""
    for number, row in enumerate(tables.lines_of("llama.cpp/memory.csv"), 1):
        question = _loading(row)
        if question is None:
            continue
        parts = [row[name] for name in ("weights_mib", "cache_mib", "compute_mib")]
        load = Measured(
            engine="llama.cpp",
            quantity="KV",
            run=f"line {number}: {row['model']} {row['quantization']} {row['context']}",
            value=float(row["cache_mib"] or 0) / _MIB_OF_A_GIB,
            question=question,
            why_not="nothing is fitted to memory",
            model=row["model"],
            gpu=question.hardware,
            source=row["source"],
        )
        if row["cache_mib"]:
            yield load
        if all(parts):
            total = sum(map(float, parts)) / _MIB_OF_A_GIB
            yield replace(load, quantity="total memory", value=total)


def _bench(row: Mapping[str, str]) -> tuple[str, tuple[Load, ...]]:
    """The quantity and where to read it; tokens read after others are a difference of two."""
    tokens, out = int(row["input"]), int(row["output"])
    if row["kind"] == "step":
        return "decode", ((1, max(1, tokens), out),)
    if not out:
        return "prefill", ((1, tokens, 1),)
    return "prefill", ((1, tokens + out, 1), (1, out, 1))


def speed() -> Iterator[Measured]:
    """llama-bench: a token after so many others, and reading a prompt."""
    for row in tables.lines_of("speed/llama.cpp.csv"):
        quantity, loads = _bench(row)
        yield Measured(
            engine="llama.cpp",
            quantity=quantity,
            run=f"{row['model']} {row['quantization']} {row['hardware']} {row['version']}",
            value=float(row["ms"]),
            question=Question(
                hardware=row["hardware"],
                model=row["model"],
                engine="llama.cpp",
                quantization=row["quantization"],
                settings=settings(ubatch_size=row["batched_tokens"] or None),
            ),
            loads=loads,
            fitted=row["use"] == "fit",
            why_not=row["use"].removeprefix("no: "),
            model=row["model"],
            gpu=tables.kind_of(row["hardware"]),
            source=row["source"],
        )


def everything() -> Iterator[Measured]:
    """All rows of llama.cpp."""
    yield from memory()
    yield from speed()
