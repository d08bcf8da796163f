"""Speed as a roofline: decoding moves bytes, prefill multiplies matrices.

Every constant comes from `presets/calibration/speed`; see docs/explanation/sizing.md for the formulas.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from infra_gen.model.calibration import Calibration
from infra_gen.model.calibration_speed import Rates, band_of, names_of, rates, table_of
from infra_gen.model.llm import Architecture
from infra_gen.model.machine import Machine
from infra_gen.model.plan import HostShare, Point
from infra_gen.plan.speed.host import HOST_NAMES, HostPart, device_part, host_part
from infra_gen.plan.speed.precision import compute_tflops, precision_of, short_sum_tflops
from infra_gen.plan.speed.serving import Engine
from infra_gen.plan.speed.step import Limits
from infra_gen.plan.speed.work import Work, work_of

# Two devices on PCIe may write into each other's memory; vLLM's own exchange is for no more of them
# (vllm/distributed/device_communicators/custom_all_reduce.py).
_HOST_LINKS = ("pcie",)
_PAIR = 2


@dataclass(frozen=True)
class SpeedModel:
    """What one replica needs to be timed. Bytes are of the whole replica, not of one device.

    `writes` is false for models that embed or rank: they read their input and are done.
    `batched_tokens` is the most tokens of one step, `cache_bytes` the cache that one device has for
    all requests; None where they bound nothing. `stages` of a pipeline share the layers, `sharing`
    groups with a batch each share the experts, `guesses` tokens are guessed ahead. `on_host`: what
    the CPU works on. `borrowed`: the constants are of another engine. `constants` replaces the
    calibration's, for fitting.
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
    quantization: str = "bf16"
    version: str | None = None
    batched_tokens: int | None = None
    cache_bytes: float | None = None
    stages: int = 1
    sharing: int = 1
    guesses: int = 0
    on_host: HostShare = field(default_factory=HostShare)
    borrowed: bool = False
    constants: Rates | None = field(default=None, compare=False)

    @cached_property
    def rates(self) -> Rates | None:
        """The constants of this engine, hardware and precision; None when there are none."""
        if self.constants is not None:
            return self.constants
        table = table_of(self.calibration.speed, self.engine)
        if table is None:
            return None
        precision = precision_of(self.quantization, self.machine)
        return rates(table, names_of(self.machine), precision)

    @cached_property
    def error_band(self) -> float:
        """Relative error to state with every speed; 1 where nothing is known."""
        table = table_of(self.calibration.speed, self.engine)
        if table is None or self.rates is None or not self.arch.known:
            return 1.0
        experts = self.arch.moe is not None
        own = band_of(table, self.rates, self.version, experts=experts, guesses=self.guesses)
        if self.borrowed:
            own = min(1.0, own * (table.unmeasured.value or 1.0))
        return own if self._host_rates is None else max(own, self._host_rates.band)

    @cached_property
    def measured(self) -> bool:
        """Whether measurements of this engine on this family and precision are in the fit."""
        if self.rates is None or self.borrowed:
            return False
        return self.rates.experts_measured if self.arch.moe else self.rates.measured

    @cached_property
    def _host_rates(self) -> Rates | None:
        """The constants of the CPU that works on a part of the model; None where none does."""
        table = table_of(self.calibration.speed, self.engine)
        if table is None or self.on_host.none:
            return None
        return rates(table, HOST_NAMES, self.quantization)

    def _host(self, work: Work) -> HostPart | None:
        if self._host_rates is None:
            return None
        machine = self.machine
        return host_part(
            work,
            self.on_host,
            self.calibration.host,
            self._host_rates,
            shared_gb_s=None if machine.memory_kind == "discrete" else machine.bandwidth_gb_s,
        )

    @cached_property
    def _engine(self) -> Engine | None:
        machine, constants = self.machine, self.rates
        if constants is None or machine.bandwidth_gb_s <= 0:
            return None
        # A layer split works device after device, so it has one device's bandwidth and compute.
        ranks = self.devices if self.tensor else 1
        compute = compute_tflops(self.quantization, machine)
        plain = short_sum_tflops(self.quantization, machine)
        link = machine.interconnect_gb_s
        work = work_of(
            self.arch,
            tensor=ranks,
            weight_bytes=self.weight_bytes,
            cache_bytes_per_token=self.kv_bytes_per_token / ranks,
            quantization=self.quantization,
            writes=self.writes,
            data=self.sharing,
        )
        return Engine(
            work=device_part(work, self.on_host),
            host=self._host(work),
            limits=Limits(
                bandwidth=machine.bandwidth_gb_s * 1e9,
                compute=compute * 1e12 if compute else None,
                attention_compute=plain * 1e12 if plain else None,
                link=link * 1e9 if link else None,
                ranks=ranks,
                relayed=machine.interconnect in _HOST_LINKS and ranks * self.sharing > _PAIR,
            ),
            rates=constants,
            batched_tokens=self.batched_tokens,
            cache_bytes=self.cache_bytes,
            stages=self.stages,
            guesses=self.guesses,
        )

    def decode_step_ms(self, batch: int, context_tokens: float) -> float | None:
        """Time of one step that gives each of `batch` sequences a token."""
        engine = self._engine
        return None if engine is None else engine.decode_s(batch, context_tokens) * 1e3

    def prefill_ms(self, prompts: int, tokens: int) -> float | None:
        """Time to read `prompts` prompts of `tokens` each, sent together."""
        engine = self._engine
        if engine is None or not engine.limits.compute:
            return None
        return engine.prefill_s(prompts, tokens) * 1e3

    def point(self, concurrency: int, input_tokens: int, output_tokens: int) -> Point:
        """Latency and throughput with `concurrency` requests running all the time.

        Where nothing is written the answer is there when every input is read, and there are no
        further tokens.
        """
        if not self.writes:
            return self._reading(concurrency, input_tokens)
        engine = self._engine
        together = self.prefill_ms(concurrency, input_tokens)
        ttft = tpot = step = None
        if engine is not None:
            steps = max(1, output_tokens - 1)
            step = engine.waves_s(concurrency, input_tokens, output_tokens) / steps * 1e3
            tpot = engine.per_token_s(concurrency, input_tokens, output_tokens) * 1e3
            if together is not None:
                ttft = engine.first_token_s(concurrency, input_tokens, output_tokens) * 1e3
        rate = None
        if engine is not None and tpot:
            running = engine.served(concurrency, input_tokens, output_tokens)
            rate = 1e3 * running / tpot
            if ttft is not None:  # Little's law: so many are there, each for so long
                rate = 1e3 * concurrency * output_tokens / (ttft + output_tokens * tpot)
        return Point(
            concurrency=concurrency,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            ttft_ms=ttft,
            tpot_ms=tpot,
            prefill_ms=together,
            decode_step_ms=step,
            output_tokens_per_s=rate,
        )

    def times_ms(
        self, concurrency: int, input_tokens: int, output_tokens: int
    ) -> tuple[float | None, float | None]:
        """Time to the first token and per token as in `point`, without what else a point has."""
        if not self.writes:
            return self.prefill_ms(concurrency, input_tokens), None
        engine = self._engine
        if engine is None:
            return None, None
        tpot = engine.per_token_s(concurrency, input_tokens, output_tokens) * 1e3
        if not engine.limits.compute:
            return None, tpot
        return engine.first_token_s(concurrency, input_tokens, output_tokens) * 1e3, tpot

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
        engine = self._engine
        if engine is None:
            return None
        tokens_in, tokens_out = round(input_tokens), round(output_tokens)
        if not self.writes:
            read = self.prefill_ms(concurrency, tokens_in)
            return None if read is None else read / 1e3
        total = engine.per_token_s(concurrency, tokens_in, tokens_out) * output_tokens
        if engine.limits.compute:
            total += engine.first_token_s(concurrency, tokens_in, tokens_out)
        return total
