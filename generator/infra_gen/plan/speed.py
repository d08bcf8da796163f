"""Speed as a roofline: decoding moves bytes, prefill multiplies matrices.

Every constant comes from `presets/calibration`; see docs/explanation/sizing.md for the formulas.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from infra_gen.model.calibration import Calibration, efficiency, known
from infra_gen.model.llm import Architecture
from infra_gen.model.plan import Machine, Point
from infra_gen.plan.kv_cache import CACHED_KINDS


@dataclass(frozen=True, slots=True)
class SpeedModel:
    """What one replica needs to be timed. Bytes are of the whole replica, not of one device.

    `writes` is false for models that embed or rank: they read their input and are done.
    """

    machine: Machine
    engine: str
    devices: int
    tensor: bool
    weight_bytes: int
    params_total: int
    params_active: int
    arch: Architecture
    kv_bytes_per_token: int
    calibration: Calibration
    writes: bool = True
    bandwidth: float | None = field(init=False)
    flops: float | None = field(init=False)

    def __post_init__(self) -> None:
        """What every point asks for is worked out once."""
        object.__setattr__(self, "bandwidth", self._bandwidth())
        object.__setattr__(self, "flops", self._flops())

    def _bandwidth(self) -> float | None:
        """Bytes per second that decoding reaches.

        A layer split works device after device, so it has one device's bandwidth.
        """
        ranks = self.devices if self.tensor else 1
        share = efficiency(
            self.calibration.decode_efficiency, self.engine, self.machine.vendor, ranks
        )
        if share is None or self.machine.bandwidth_gb_s <= 0:
            return None
        return self.machine.bandwidth_gb_s * 1e9 * ranks * share

    def _flops(self) -> float | None:
        """Floating-point operations per second that prefill reaches."""
        share = efficiency(self.calibration.prefill_efficiency, self.engine, self.machine.vendor, 1)
        if share is None or not self.machine.fp16_tflops:
            return None
        ranks = self.devices if self.tensor else 1
        return self.machine.fp16_tflops * 1e12 * ranks * share

    def _weight_bytes_read(self, batch: int) -> float:
        """Weights that one step of `batch` tokens touches: all, or the experts that get a token."""
        moe = self.arch.moe
        if not moe or self.params_total <= self.params_active:
            return self.weight_bytes
        touched = 1 - (1 - moe.experts_per_token / moe.experts) ** batch
        single = moe.experts_per_token / moe.experts
        expert_share = (self.params_total - self.params_active) / (1 - single) / self.params_total
        return self.weight_bytes * (1 - expert_share + expert_share * touched)

    def _overhead_ms(self) -> float:
        constants = self.calibration.step_overhead_ms
        return known(constants.moe if self.arch.moe else constants.dense)

    def _context_bytes(self, tokens: float) -> float:
        """Cache bytes read for one sequence of `tokens`; windows cap their layers."""
        full = sum(g.layers for g in self.arch.layer_groups if g.kind == "full")
        cached = sum(g.layers for g in self.arch.layer_groups if g.kind in CACHED_KINDS) or 1
        read = self.kv_bytes_per_token * tokens * full / cached
        for group in self.arch.layer_groups:
            if group.window is not None:
                kept = min(tokens, group.window)
                read += self.kv_bytes_per_token * kept * group.layers / cached
        return read

    def decode_step_ms(self, batch: int, context_tokens: float) -> float | None:
        """Time of one step that gives each of `batch` sequences a token."""
        bandwidth = self.bandwidth
        if bandwidth is None:
            return None
        moved = self._weight_bytes_read(batch) + batch * self._context_bytes(context_tokens)
        flops = self.flops
        compute_s = 2 * self.params_active * batch / flops if flops else 0.0
        return max(moved / bandwidth, compute_s) * 1e3 + self._overhead_ms()

    def prefill_ms(self, prompts: int, tokens: int) -> float | None:
        """Time to read `prompts` prompts of `tokens` each, sent together."""
        flops, bandwidth = self.flops, self.bandwidth
        if flops is None or bandwidth is None:
            return None
        matrices = 2 * self._multiplied * tokens * prompts
        layers = sum(g.layers for g in self.arch.layer_groups if g.kind == self._attending)
        attention = 2 * layers * self.arch.heads * self.arch.head_dim * tokens**2 * prompts
        weights_s = self._weight_bytes_read(tokens * prompts) / bandwidth
        return max((matrices + attention) / flops, weights_s) * 1e3 + self._overhead_ms()

    @property
    def _multiplied(self) -> int:
        """Parameters that each token is multiplied with; looking a token up multiplies nothing."""
        if self.writes:
            return self.params_active
        return max(0, self.params_active - self.arch.vocab_size * self.arch.hidden_size)

    @property
    def _attending(self) -> str:
        """The kind of layer that looks at all tokens; an encoder's keep nothing, but look too."""
        encoder = all(group.kind == "none" for group in self.arch.layer_groups)
        return "none" if encoder else "full"

    def point(self, concurrency: int, input_tokens: int, output_tokens: int) -> Point:
        """Latency and throughput with `concurrency` requests running all the time.

        A new prompt is read while the others decode; its share of each step is what prefill of
        all requests costs, spread over the tokens they produce. Where nothing is written the answer
        is there when every input is read, and there are no further tokens.
        """
        if not self.writes:
            return self._reading(concurrency, input_tokens)
        step = self.decode_step_ms(concurrency, input_tokens + output_tokens / 2)
        first = self.prefill_ms(1, input_tokens)
        together = self.prefill_ms(concurrency, input_tokens)
        tpot = None
        if step is not None:
            shared = (first or 0.0) * (concurrency - 1) / max(1, output_tokens)
            tpot = step + shared
        ttft = None if first is None or step is None else first + step
        return Point(
            concurrency=concurrency,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            ttft_ms=ttft,
            tpot_ms=tpot,
            prefill_ms=together,
            decode_step_ms=step,
            output_tokens_per_s=None if not tpot else 1e3 * concurrency / tpot,
        )

    def _reading(self, concurrency: int, input_tokens: int) -> Point:
        together = self.prefill_ms(concurrency, input_tokens)
        return Point(
            concurrency=concurrency,
            input_tokens=input_tokens,
            output_tokens=1,
            ttft_ms=together,
            tpot_ms=None,
            prefill_ms=together,
            decode_step_ms=None,
            output_tokens_per_s=None,
        )

    def residence_s(
        self, concurrency: int, input_tokens: float, output_tokens: float
    ) -> float | None:
        """Seconds a mean request takes while `concurrency` run; None when decoding is unknown."""
        point = self.point(concurrency, round(input_tokens), round(output_tokens))
        if not self.writes:
            return None if point.ttft_ms is None else point.ttft_ms / 1e3
        if point.tpot_ms is None:
            return None
        return ((point.ttft_ms or 0.0) + point.tpot_ms * output_tokens) / 1e3
