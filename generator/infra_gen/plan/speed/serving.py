"""Many requests: prompts in chunks, a batch that the cache bounds, times per token and to the first.

All times in seconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from infra_gen.model.calibration_speed import Rates
from infra_gen.plan.speed.host import HostPart
from infra_gen.plan.speed.step import Limits, Step, step_s
from infra_gen.plan.speed.work import Work


@dataclass(frozen=True, slots=True)
class Engine:
    """What one device works with: shapes, limits, constants, tokens of one step, bytes of cache.

    `batched_tokens` is the most that one step takes; None: a prompt is read as a whole.
    `cache_bytes` is what running requests share; None: no bound. `host` is the CPU's part of each
    step, None where devices do it all.
    """

    work: Work
    limits: Limits
    rates: Rates
    batched_tokens: int | None = None
    cache_bytes: float | None = None
    host: HostPart | None = None
    _known: dict[Step, float] = field(default_factory=dict, compare=False, repr=False)

    def step_s(self, step: Step) -> float:
        """Seconds of one step; a plan asks for the same ones again and again."""
        if step not in self._known:
            taken = step_s(self.work, self.limits, self.rates, step)
            self._known[step] = taken + (self.host.step_s(step) if self.host else 0.0)
        return self._known[step]

    def running(self, requests: int, tokens: float) -> int:
        """Requests of `tokens` tokens that run at once; at least one."""
        each = self.work.request_bytes(tokens, self.batched_tokens or tokens)
        if self.cache_bytes is None or each <= 0:
            return requests
        return max(1, min(requests, int(self.cache_bytes // each)))

    def decode_s(self, sequences: float, context: float) -> float:
        """One step that gives each of `sequences` a token."""
        return self.step_s(Step(sequences, context))

    def prefill_s(self, prompts: int, tokens: int) -> float:
        """Read `prompts` prompts of `tokens` tokens that came together, one token each."""
        whole = prompts * tokens
        chunk = min(whole, self.batched_tokens or whole)
        full, rest = divmod(whole, chunk)
        total = full * self._chunk_s(chunk, tokens)
        return total + (self._chunk_s(rest, tokens) if rest else 0.0)

    def _chunk_s(self, chunk: int, tokens: int) -> float:
        return self.step_s(Step(0.0, 0.0, chunk, tokens, max(1.0, chunk / tokens)))

    def interference_s(self, running: int, tokens: int, context: float) -> float:
        """What reading one prompt adds to the steps of `running` others.

        The prompt's chunks travel with steps that would have run anyway, so weights are read once.
        """
        room = (self.batched_tokens or tokens + running) - running
        chunks = max(1, math.ceil(tokens / max(1, room)))
        with_prompt = Step(running, context, tokens / chunks, tokens, 1.0 / chunks)
        return chunks * (self.step_s(with_prompt) - self.decode_s(running, context))

    def waves_s(self, requests: int, tokens_in: int, tokens_out: int) -> float:
        """Decode `requests` that were read together, wave by wave where the cache is too small.

        Each wave writes all its tokens before the next one starts, and the next one's prompts are
        read again.
        """
        context = tokens_in + tokens_out / 2
        total, left = 0.0, requests
        while left > 0:
            wave = self.running(left, tokens_in + tokens_out)
            total += max(1, tokens_out - 1) * self.decode_s(wave, context)
            left -= wave
            if left > 0:
                total += self.prefill_s(self.running(left, tokens_in + tokens_out), tokens_in)
        return total

    def per_token_s(self, requests: int, tokens_in: int, tokens_out: int) -> float:
        """Mean time per token with `requests` in the system all the time.

        While one request writes `tokens_out` tokens, each of the other running ones is replaced
        once, so its share of all steps has the prompts of the others in it.
        """
        context = tokens_in + tokens_out / 2
        running = self.running(requests, tokens_in + tokens_out)
        step = self.decode_s(running, context)
        added = self.interference_s(running, tokens_in, context) if running > 1 else 0.0
        return step + added * (running - 1) / max(1, tokens_out)

    def first_token_s(self, requests: int, tokens_in: int, tokens_out: int) -> float:
        """Mean time to the first token: the way in, the prompts before it, its own prompt.

        Requests that the cache has no room for wait until one that runs has ended.
        """
        running = self.running(requests, tokens_in + tokens_out)
        prompt = self.prefill_s(1, tokens_in)
        before = self.rates.burst * (running - 1)
        first = self.rates.arrival_ms / 1e3 + prompt * (1 + before)
        if running > 1:
            first += self.decode_s(running, tokens_in + tokens_out / 2)
        waiting = requests - running
        if waiting > 0:
            residence = first + self.per_token_s(running, tokens_in, tokens_out) * tokens_out
            first += waiting / running * residence
        return first
