"""Where in the answer a quantity stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tests.benchmarks.accuracy.ask import Document
from tests.benchmarks.accuracy.question import Measured

_SPEED = frozenset({"decode step", "prefill", "serving TPOT", "TTFT at low load", "decode"})


def is_speed(row: Measured) -> bool:
    """Whether the stated error band is about this quantity."""
    return row.quantity.split(",")[0] in _SPEED


def _device(document: Document, *names: str) -> float:
    found = document["memory"]["per_device"]
    return float(sum(found[name] for name in names))


def _points(document: Document, row: Measured, field: str) -> float | None:
    """The value at the first load of the row, less that at the second where it has one."""
    known: dict[Any, float | None] = {
        (p["concurrency"], p["input_tokens"], p["output_tokens"]): p[field]
        for p in document["performance"]["points"]
    }
    values = [value for load in row.loads if (value := known.get(load)) is not None]
    if not values or len(values) < len(row.loads):
        return None
    return values[0] - sum(values[1:])


def _capacity(document: Document, row: Measured) -> float:
    """Requests of full context times the context that the run was started with."""
    context = next(int(v) for name, v in row.question.settings if name == "max-model-len")
    return float(document["memory"]["max_concurrency_at_context"]) * context


_READ: Mapping[str, Callable[[Document, Measured], float | None]] = {
    "weights": lambda d, _: _device(d, "weights_gib"),
    "KV capacity": _capacity,
    "KV tokens": lambda d, _: float(d["memory"]["kv_cache_tokens"]),
    "KV tokens of a known cache": lambda d, _: float(d["memory"]["kv_cache_tokens"]),
    "KV": lambda d, _: _device(d, "kv_cache_gib"),
    "total memory": lambda d, _: _device(d, "weights_gib", "kv_cache_gib", "activation_gib"),
    "decode step": lambda d, r: _points(d, r, "decode_step_ms"),
    "decode": lambda d, r: _points(d, r, "decode_step_ms"),
    "prefill": lambda d, r: _points(d, r, "prefill_ms"),
    "serving TPOT": lambda d, r: _points(d, r, "tpot_ms"),
    "TTFT at low load": lambda d, r: _points(d, r, "ttft_ms"),
}


def predicted(document: Document, row: Measured) -> float | None:
    """What the answer says of the row's quantity; None where it says nothing."""
    return _READ[row.quantity.split(",")[0]](document, row)


def sort_of(document: Document) -> str:
    """Dense or MoE, by whether a token passes all parameters."""
    model = document["model"]
    return "dense" if model["params_active"] == model["params_total"] else "MoE"
