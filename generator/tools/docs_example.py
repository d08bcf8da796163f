"""The worked example of docs/explanation/sizing.md: plain arithmetic from the presets.

It shares no code with infra_gen.plan on purpose. tests/unit/test_docs.py compares its results with
the plan's, so a formula that changes on one side only is found.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from infra_gen.knowledge import store
from infra_gen.model.calibration import known
from infra_gen.model.calibration_memory import VllmMemory, at_version
from infra_gen.model.calibration_speed import rates, table_of
from infra_gen.model.hardware import DevicePreset
from infra_gen.model.llm import Architecture, ModelPreset
from tools.docs_example_speed import Times, peak

_GIB, _MIB = 2**30, 2**20
_BETWEEN = re.compile(r"(<!-- example -->\n).*?(<!-- end of example -->)", re.DOTALL)
USERS, DEVICES, VERSION = 40, 2, "0.33.0"
_BATCHED, _BLOCK = 2048, 16  # vLLM's defaults for such a card: tokens a step, tokens a block
_BITS = 4.156  # awq-int4, scales and zero points included
_COUNTED = ("tokens", "bytes", "blocks", "requests")


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the example: a symbol, the formula with numbers in it, the result and its unit."""

    symbol: str
    formula: str
    value: float
    unit: str

    def row(self) -> str:
        """The step as a table row."""
        digits = 0 if self.unit in _COUNTED else 3
        shown = f"{self.value:,.{digits}f}".replace(",", " ")
        return f"| {self.symbol} | {self.formula} | {shown} {self.unit} |"


def _gap(number: float) -> str:
    return f"{number:,.0f}".replace(",", " ")


class _Steps(dict[str, Step]):
    """The lines by symbol; calling it adds one and gives its value back."""

    def __call__(self, symbol: str, formula: str, value: float, unit: str) -> float:
        self[symbol] = Step(symbol, formula, value, unit)
        return value


def _segments(arch: Architecture) -> float:
    """Bytes between the quantized matrices and the whole segments of 2 MiB that they get."""
    heads, keys = arch.heads * arch.head_dim / DEVICES, arch.kv_heads * arch.head_dim / DEVICES
    width = arch.intermediate_size / DEVICES
    found = 0.0
    for columns in (heads + 2 * keys, heads, 2 * width, width):
        size = arch.hidden_size * columns * math.floor(_BITS) / 8  # without scales
        found += math.ceil(size / 2 / _MIB) * 2 * _MIB - size
    return arch.layers * found


def _graphs(step: _Steps, held: VllmMemory, arch: Architecture, requests: int) -> float:
    """What vLLM expects CUDA graphs to take, for `requests` at once."""
    sizes = [1, 2, 4, *range(8, 2 * requests + 1, 8)]
    whole = sum(1 for size in sizes if size <= requests)
    first, full = known(held.graphs.first_mib_per_request), known(held.graphs.full_mib)
    piece = known(held.graphs.piece_mib_per_layer)
    mib = first * requests + (len(sizes) - 1) * piece * arch.layers + (whole - 1) * full
    return step(
        "G",
        f"({first} x {requests} + {len(sizes) - 1} x {piece} x {arch.layers} + "
        f"{whole - 1} x {full}) / 2^10",
        mib / 1024, "GiB",
    )  # fmt: skip


def _memory(step: _Steps, card: DevicePreset, model: ModelPreset, requests: int) -> None:
    arch, held = model.architecture, store.calibration().vllm_memory
    if held is None:
        raise ValueError("the calibration holds no constants of vLLM's memory")
    visible = (card.visible_gib.value if card.visible_gib else None) or 0.0
    reserved, driver = (
        card.reserved_gib.value or 0.0,
        round(visible * known(held.driver_context_share), 3),
    )
    most = at_version(held.default_fraction, VERSION).value
    share = step(
        "f", f"min({most}, ({visible} - {reserved} - {driver}) / {visible}, cut to two digits)",
        min(most, math.floor((visible - reserved - driver) / visible * 100) / 100), "",
    )  # fmt: skip
    norms, rotary = (
        (2 * arch.layers + 1) * arch.hidden_size * 2,
        arch.head_dim * arch.max_context * 2,
    )
    size, waste = _checkpoint(model), _segments(arch)
    loaded = (size - norms) / DEVICES + norms + rotary + waste
    w = step(
        "W", f"({_gap(size)} / {DEVICES} + {_gap(norms / 2)} + {_gap(rotary)} + {_gap(waste)}) / 2^30",
        loaded / _GIB, "GiB",
    )  # fmt: skip
    act = step(
        "A", f"({_gap(arch.vocab_size)} x {arch.hidden_size} x 2 / {DEVICES} + {_BATCHED} x "
        f"{arch.hidden_size} x 4) / 2^30",
        (arch.vocab_size * arch.hidden_size * 2 / DEVICES + _BATCHED * arch.hidden_size * 4) / _GIB,
        "GiB",
    )  # fmt: skip
    rest = step("R", "two devices", known(held.outside_torch_gib.pair), "GiB")
    graphs = _graphs(step, held, arch, requests)
    kv = step(
        "KV", f"{share} x {visible} - {w:.3f} - {act:.3f} - {rest} - {graphs:.3f}",
        share * visible - w - act - rest - graphs, "GiB",
    )  # fmt: skip
    token = step(
        "b", f"{arch.layers} x 2 x {arch.kv_heads // DEVICES} x {arch.head_dim} x 2",
        arch.layers * 2 * (arch.kv_heads // DEVICES) * arch.head_dim * 2, "bytes",
    )  # fmt: skip
    chat = store.workload("chat")
    long_in, long_out = chat.input_tokens.high, chat.output_tokens.high
    context = step(
        "C", f"({long_in} + {long_out}), rounded up to whole 1024",
        math.ceil((long_in + long_out) / 1024) * 1024, "tokens",
    )  # fmt: skip
    blocks = step(
        "B", f"{kv:.3f} x 2^30 / ({_BLOCK} x {_gap(token)}), cut",
        kv * _GIB // (_BLOCK * token), "blocks",
    )  # fmt: skip
    whole = step(
        "n", f"{_gap(blocks)} / ({_gap(context)} / {_BLOCK})", blocks / (context / _BLOCK),
        "requests of full context",
    )  # fmt: skip
    step("T", f"{whole:.3f} x {_gap(context)}", whole * context, "tokens")


def _checkpoint(model: ModelPreset) -> int:
    return next(c.bytes.value or 0 for c in model.checkpoints if c.quantization == "awq-int4")


def _times(card: DevicePreset, model: ModelPreset, token_bytes: int) -> Times:
    table = table_of(store.calibration().speed, "vllm")
    found = rates(table, (card.family, card.vendor, "any"), "int4") if table else None
    if found is None:
        raise ValueError("the calibration holds no speed of vLLM")
    size = _checkpoint(model)
    return Times(card, model.architecture, found, DEVICES, size, token_bytes, _BATCHED)


def _speed(step: _Steps, times: Times) -> None:
    """Times of median requests, and the peak of the closed loop."""
    chat, rates_ = store.workload("chat"), times.rates
    low_in, low_out = chat.input_tokens.low, chat.output_tokens.low
    context = low_in + low_out / 2
    layers = step(
        "layers", f"{_gap(times.body_bytes)} / {DEVICES} / ({times.bandwidth / 1e6:g} x {rates_.weights})",
        times.body_bytes / DEVICES / (times.bandwidth * rates_.weights), "ms",
    )  # fmt: skip
    step(
        "exchange(1)", f"{times.arch.layers} x 2 x ({rates_.link_us:g} us + bytes / link)",
        times.exchange(1), "ms",
    )  # fmt: skip
    step(
        "step(1)", f"{layers:.3f} + head + exchange + cache of {context:g} tokens + fixed times",
        times.step(1, context), "ms",
    )  # fmt: skip
    first = step(
        "prefill(1)", f"2 x {_gap(times.body_params)} x {low_in} / {DEVICES} / "
        f"({times.compute / 1e9:g} x {rates_.matrices}) + head + exchange + attention + fixed times",
        times.prefill(low_in), "ms",
    )  # fmt: skip
    step(
        "TTFT(1)", f"{rates_.arrival_ms:g} + {first:.3f}",
        times.first_token(1, low_in, low_out), "ms",
    )  # fmt: skip
    mean_in, mean_out = round(chat.input_tokens.mean), round(chat.output_tokens.mean)

    def residence_s(running: int) -> float:
        writes = times.per_token(running, mean_in, mean_out) * chat.output_tokens.mean
        return (times.first_token(running, mean_in, mean_out) + writes) / 1e3

    most = peak(USERS, chat.think_s.value or 0.0, residence_s)
    step(
        "P",
        f"not exceeded 95 % of the time, by the chances of 0 to {USERS} requests",
        most,
        "requests",
    )
    busy = step(
        f"step({most})", f"step(1) with {most} x the cache, {most} x the tokens",
        times.step(most, context), "ms",
    )  # fmt: skip
    read = times.step(most, context, low_in) - busy
    step(
        f"TPOT({most})", f"{busy:.3f} + {times.streams(most):.3f} + {read:.3f} x {most - 1} / {low_out}",
        times.per_token(most, low_in, low_out), "ms",
    )  # fmt: skip
    step(f"TTFT({most})", f"{rates_.arrival_ms:g} + {first:.3f} x (1 + {rates_.burst:g} x {most - 1}) + "
         f"{busy:.3f}", times.first_token(most, low_in, low_out), "ms")  # fmt: skip


def _everybody(step: _Steps) -> float:
    """Tokens in the cache when all people have a request running, 95 times of 100 no more."""
    chat = store.workload("chat")
    mean = chat.input_tokens.mean + chat.output_tokens.mean
    variance = chat.input_tokens.variance + chat.output_tokens.variance
    return step(
        f"cache({USERS})",
        f"{USERS} x {mean:.0f} + 1.645 x sqrt({USERS}) x {math.sqrt(variance):.0f}",
        math.ceil(USERS * mean + 1.6448536 * math.sqrt(variance * USERS)), "tokens",
    )  # fmt: skip


def steps() -> dict[str, Step]:
    """2 x RTX 4090, Qwen3 32B awq-int4, 40 users of the workload chat, by symbol."""
    card = store.load("hardware", "rtx-4090", DevicePreset)
    model = store.load("models", "qwen3-32b", ModelPreset)
    arch = model.architecture
    token = arch.layers * 2 * (arch.kv_heads // DEVICES) * arch.head_dim * 2
    speed, found = _Steps(), _Steps()
    _speed(speed, _times(card, model, token))
    # A place for each of the people, in multiples of eight: the cache holds all their requests.
    _memory(found, card, model, math.ceil(USERS / 8) * 8)
    if _everybody(found) > found["T"].value:
        raise ValueError("the cache holds fewer requests than there are people")
    return {**found, **speed}


def example() -> str:
    """The example as a Markdown table."""
    rows = [step.row() for step in steps().values()]
    return "\n".join(["| Symbol | With numbers | Result |", "|---|---|---|", *rows]) + "\n"


def filled(text: str) -> str:
    """`text` with the example between its two marks, where it has them."""
    if "<!-- example -->" not in text:
        return text
    return _BETWEEN.sub(lambda found: f"{found[1]}\n{example()}\n{found[2]}", text)
