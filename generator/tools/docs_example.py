"""The worked example of docs/explanation/sizing.md: plain arithmetic from the presets.

It shares no code with infra_gen.plan on purpose. tests/unit/test_docs.py compares its results with
the plan's, so a formula that changes on one side only is found.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

from infra_gen.knowledge import store
from infra_gen.model.calibration import known
from infra_gen.model.hardware import DevicePreset
from infra_gen.model.llm import ModelPreset

_GIB = 2**30
_BETWEEN = re.compile(r"(<!-- example -->\n).*?(<!-- end of example -->)", re.DOTALL)
USERS, DEVICES = 40, 2


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the example: a symbol, the formula with numbers in it, the result and its unit."""

    symbol: str
    formula: str
    value: float
    unit: str

    def row(self) -> str:
        """The step as a table row."""
        digits = 0 if self.unit in ("tokens", "bytes", "requests", "users") else 3
        shown = f"{self.value:,.{digits}f}".replace(",", " ")
        return f"| {self.symbol} | {self.formula} | {shown} {self.unit} |"


def _gap(number: float) -> str:
    return f"{number:,.0f}".replace(",", " ")


def steps() -> dict[str, Step]:
    """2 x RTX 4090, Qwen3 32B awq-int4, 40 users of the workload chat, by symbol."""
    card = store.load("hardware", "rtx-4090", DevicePreset)
    model = store.load("models", "qwen3-32b", ModelPreset)
    constants, workload = store.calibration(), store.workload("chat")
    arch, tp = model.architecture, DEVICES
    found: dict[str, Step] = {}

    def step(symbol: str, formula: str, value: float, unit: str) -> float:
        found[symbol] = Step(symbol, formula, value, unit)
        return value

    # memory
    visible, reserved = card.visible_gib.value if card.visible_gib else 0.0, card.reserved_gib.value
    single = known(constants.vllm_runtime_gib.single)
    parallel = known(constants.vllm_runtime_gib.parallel)
    visible, reserved = visible or 0.0, reserved or 0.0
    most = known(constants.vllm_max_fraction)
    share = step(
        "f", f"min({most}, ({visible} - {reserved} - {single}) / {visible}, cut to two digits)",
        min(most, math.floor((visible - reserved - single) / visible * 100) / 100), "",
    )  # fmt: skip
    weights = next(c.bytes.value or 0 for c in model.checkpoints if c.quantization == "awq-int4")
    w = step("W", f"{_gap(weights)} / {tp} / 2^30", weights / tp / _GIB, "GiB")
    batched, mlp = 2048, arch.intermediate_size // tp
    act = step(
        "A", f"({batched} x 3 x {mlp} x 2 + 2 x {batched} x {arch.hidden_size} x 2) / 2^30",
        known(constants.vllm_activation_factor.dense)
        * (batched * 3 * mlp * 2 + 2 * batched * arch.hidden_size * 2) / _GIB, "GiB",
    )  # fmt: skip
    graphs = known(constants.vllm_graph_gib)
    kv = step(
        "KV", f"{share} x {visible} - {w:.3f} - {act:.3f} - {parallel} - {graphs}",
        share * visible - w - act - parallel - graphs, "GiB",
    )  # fmt: skip
    token = step(
        "b", f"{arch.layers} x 2 x {arch.kv_heads // tp} x {arch.head_dim} x 2",
        arch.layers * 2 * (arch.kv_heads // tp) * arch.head_dim * 2, "bytes",
    )  # fmt: skip
    long_in, long_out = workload.input_tokens.high, workload.output_tokens.high
    context = step(
        "C", f"({long_in} + {long_out}), rounded up to whole 1024",
        math.ceil((long_in + long_out) / 1024) * 1024, "tokens",
    )  # fmt: skip
    whole = step(
        "n", f"{kv:.3f} x 2^30 / ({_gap(token)} x {_gap(context)})",
        kv * _GIB / (token * context), "requests of full context",
    )  # fmt: skip
    step("T", f"{whole:.3f} x {_gap(context)}", whole * context, "tokens")

    # speed
    eta = next(
        r.value for r in constants.decode_efficiency
        if (r.engine, r.vendor, r.devices) == ("vllm", "nvidia", tp)
    )  # fmt: skip
    bandwidth = card.bandwidth_gb_s.value or 0.0
    bw = step("BW", f"{bandwidth:g} x {tp} x {eta}", bandwidth * tp * eta, "GB/s")
    phi = next(
        r.value for r in constants.prefill_efficiency if (r.engine, r.vendor) == ("vllm", "nvidia")
    )
    tflops, over = card.fp16_tflops.value or 0.0, known(constants.step_overhead_ms.dense)
    fl = step("FL", f"{tflops:g} x {tp} x {phi}", tflops * tp * phi, "TFLOPS")
    low_in, low_out = workload.input_tokens.low, workload.output_tokens.low
    active = model.params_active.value or 0

    def decode(requests: int, tokens_in: float, tokens_out: float) -> float:
        moved = weights + requests * token * tp * (tokens_in + tokens_out / 2)
        return max(moved / bw / 1e6, 2 * active * requests / fl / 1e9) + over

    def prefill(tokens: float) -> float:
        attention = 2 * arch.layers * arch.heads * arch.head_dim * tokens**2
        return max((2 * active * tokens + attention) / fl / 1e9, weights / bw / 1e6) + over

    first = step(
        "prefill(1)", f"(2 x {_gap(active)} x {low_in} + attention) / FL + {over} ms",
        prefill(low_in), "ms",
    )  # fmt: skip
    peak = _peak(decode, prefill)
    one = step(
        "step(1)", f"({_gap(weights)} + {low_in + low_out / 2:g} x {_gap(token * tp)}) / BW + {over} ms",
        decode(1, low_in, low_out), "ms",
    )  # fmt: skip
    step("TTFT(1)", f"{first:.3f} + {one:.3f}", first + one, "ms")
    step("P", "the smallest load that is consistent with itself", peak, "requests")
    busy = step(
        f"step({peak})",
        f"({_gap(weights)} + {peak} x {low_in + low_out / 2:g} x {_gap(token * tp)}) / BW + {over} ms",
        decode(peak, low_in, low_out), "ms",
    )  # fmt: skip
    step(
        f"TPOT({peak})", f"{busy:.3f} + {first:.3f} x {peak - 1} / {low_out}",
        busy + first * (peak - 1) / low_out, "ms",
    )  # fmt: skip
    return found


def _peak(decode: Callable[[int, float, float], float], prefill: Callable[[float], float]) -> int:
    """Requests at once at the 95th percentile, by the closed loop."""
    workload = store.workload("chat")
    tokens_in, tokens_out = round(workload.input_tokens.mean), round(workload.output_tokens.mean)
    think, peak = workload.think_s.value or 0.0, 1
    while True:
        step, first = decode(peak, tokens_in, tokens_out), prefill(tokens_in)
        per_token = step + first * (peak - 1) / tokens_out
        seconds = (first + step + per_token * workload.output_tokens.mean) / 1e3
        busy = seconds / (seconds + think)
        total, following = (1 - busy) ** USERS, 0
        while total < 0.95:
            following += 1
            total += (
                math.comb(USERS, following) * busy**following * (1 - busy) ** (USERS - following)
            )
        if following <= peak:
            return peak
        peak = following


def example() -> str:
    """The example as a Markdown table."""
    rows = [step.row() for step in steps().values()]
    return "\n".join(["| Symbol | With numbers | Result |", "|---|---|---|", *rows]) + "\n"


def filled(text: str) -> str:
    """`text` with the example between its two marks, where it has them."""
    if "<!-- example -->" not in text:
        return text
    return _BETWEEN.sub(lambda found: f"{found[1]}\n{example()}\n{found[2]}", text)
