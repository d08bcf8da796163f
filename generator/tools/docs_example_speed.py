"""The times of the worked example, by plain arithmetic: a dense model on devices that share its layers.

It shares no code with infra_gen.plan on purpose; see docs_example.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from infra_gen.model.calibration_speed import Rates
from infra_gen.model.hardware import DevicePreset
from infra_gen.model.llm import Architecture

_ELEMENT = 2  # bytes of what is not quantized, and of what devices exchange


@dataclass(frozen=True, slots=True)
class Times:
    """Shapes and constants of one device; all results in milliseconds.

    `token_bytes` is the cache of one token on one device, `batched` the most tokens of one step.
    """

    card: DevicePreset
    arch: Architecture
    rates: Rates
    devices: int
    weight_bytes: int
    token_bytes: int
    batched: int

    @property
    def bandwidth(self) -> float:
        """Bytes a millisecond."""
        return (self.card.bandwidth_gb_s.value or 0.0) * 1e6

    @property
    def compute(self) -> float:
        """16-bit operations a millisecond."""
        return (self.card.fp16_tflops.value or 0.0) * 1e9

    @property
    def head_params(self) -> int:
        """Parameters of the output projection."""
        return self.arch.vocab_size * self.arch.hidden_size

    @property
    def body_params(self) -> int:
        """Parameters of attention and MLP, all layers."""
        arch = self.arch
        attention = arch.hidden_size * arch.head_dim * 2 * (arch.heads + arch.kv_heads)
        return arch.layers * (attention + 3 * arch.hidden_size * arch.intermediate_size)

    @property
    def body_bytes(self) -> int:
        """Their bytes: the file without the table of embeddings and the head, both in 16 bits."""
        return self.weight_bytes - 2 * _ELEMENT * self.head_params

    def joined(self, first: float, second: float) -> float:
        """Two times that overlap in part."""
        power = self.rates.sharpness
        return float((first**power + second**power) ** (1 / power))

    def matrices(self, tokens: float, rows: float) -> float:
        """All layers for `tokens`, the head for `rows`."""
        rates, share = self.rates, 1 / self.devices
        found = 0.0
        for size, params, count in (
            (self.body_bytes, self.body_params, tokens),
            (_ELEMENT * self.head_params, self.head_params, rows),
        ):
            reading = size * share / (self.bandwidth * rates.weights)
            busy = 2 * params * share * count / (self.compute * rates.matrices)
            found += self.joined(reading, busy)
        return found

    def attention(self, requests: float, context: float) -> float:
        """Keys and values of all requests."""
        seen = requests * context
        reading = self.token_bytes * seen / (self.bandwidth * self.rates.cache)
        busy = self._pair_operations * seen / (self.compute * self.rates.attention)
        return self.joined(reading, busy)

    @property
    def _pair_operations(self) -> float:
        """One token against one other, all layers of one device."""
        return 4 * self.arch.heads / self.devices * self.arch.head_dim * self.arch.layers

    def exchange(self, tokens: float) -> float:
        """Two all-reduces of every layer."""
        if self.devices == 1:
            return 0.0
        wire = self.card.interconnect
        link = ((wire.gb_s.value if wire else None) or 0.0) * 1e6 * self.rates.link_share
        one = self.rates.link_us / 1e3 + tokens * self.arch.hidden_size * _ELEMENT / link
        return self.arch.layers * 2 * 2 * (self.devices - 1) / self.devices * one

    def step(self, requests: float, context: float, prompt: float = 0.0) -> float:
        """One step: a token for `requests` at `context` tokens each, and a whole prompt read."""
        rates, read = self.rates, 1 if prompt else 0
        tokens, rows = requests + prompt, requests + read
        fixed = rates.step_us + self.arch.layers * rates.layer_us + rows * rates.sequence_us
        found = fixed / 1e3 + self.matrices(tokens, rows) + self.exchange(tokens)
        if requests:
            found += self.attention(requests, context)
        found += self._pair_operations * prompt**2 / 2 / (self.compute * rates.attention)
        if tokens > rates.graph_tokens:
            found = max(found, self.arch.layers * rates.launch_us / 1e3)
        return found

    def prefill(self, tokens: float) -> float:
        """Read one prompt that fits one step."""
        if tokens > self.batched:
            raise ValueError(f"{tokens} tokens are more than one step of {self.batched}")
        return self.step(0, 0, tokens)

    def per_token(self, requests: int, tokens_in: float, tokens_out: float) -> float:
        """A step, what streaming costs, and the share of the others' prompts in it."""
        context = tokens_in + tokens_out / 2
        step = self.step(requests, context)
        added = self.step(requests, context, tokens_in) - step if requests > 1 else 0.0
        return step + self.streams(requests) + added * (requests - 1) / tokens_out

    def streams(self, requests: int) -> float:
        """What it costs to send every request its token."""
        return requests * self.rates.stream_us / 1e3

    def first_token(self, requests: int, tokens_in: float, tokens_out: float) -> float:
        """The way in, the prompts before it, its own, and a step of the others."""
        waits = 1 + self.rates.burst * (requests - 1)
        found = self.rates.arrival_ms + self.prefill(tokens_in) * waits
        if requests > 1:
            found += self.step(requests, tokens_in + tokens_out / 2)
        return found


def peak(users: int, think_s: float, residence_s: Callable[[int], float]) -> int:
    """Requests at once that are not exceeded 95 % of the time: chance by chance, from none on."""
    chances = [1.0]
    for running in range(1, users + 1):
        sent, ended = (users - running + 1) / think_s, running / residence_s(running)
        chances.append(chances[-1] * sent / ended)
    total, count = chances[0], 0
    while total < 0.95 * sum(chances):
        count += 1
        total += chances[count]
    return max(1, count)
