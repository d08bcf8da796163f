"""Many requests: prompts in chunks, a batch that the cache bounds, times per token and to the first.

All times in seconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from infra_gen.model.calibration_speed import Rates, tokens_a_step
from infra_gen.plan.speed.host import HostPart
from infra_gen.plan.speed.step import Limits, Step, draft_s, hop_s, step_s
from infra_gen.plan.speed.work import Work

# Steps that differ little are timed as one; this many kinds of them are told apart.
_KINDS = 8


@dataclass(frozen=True, slots=True)
class Engine:
    """What one device works with: shapes, limits, constants, tokens of one step, bytes of cache.

    `batched_tokens` is the most that one step takes; None: a prompt is read as a whole.
    `cache_bytes` is what running requests share on one device; None: no bound. `stages` of a
    pipeline hold the layers; each works on another part of the batch at the same time. `guesses` is
    how many tokens ahead are guessed and then checked in one step. `host` is
    the CPU's part of each step, None where devices do it all.
    """

    work: Work
    limits: Limits
    rates: Rates
    batched_tokens: int | None = None
    cache_bytes: float | None = None
    stages: int = 1
    guesses: int = 0
    host: HostPart | None = None
    _known: dict[Step, float] = field(default_factory=dict, compare=False, repr=False)

    def step_s(self, step: Step) -> float:
        """Seconds that a step takes through all layers; plans ask for the same ones again."""
        if step not in self._known:
            taken = step_s(self.work, self.limits, self.rates, step)
            if self.stages > 1:
                tokens = step.sequences + step.prompt_tokens
                taken += (self.stages - 1) * hop_s(self.work, self.limits, self.rates, tokens)
            self._known[step] = taken + (self.host.step_s(step) if self.host else 0.0)
        return self._known[step]

    def running(self, requests: int, tokens: float) -> int:
        """Requests of `tokens` tokens that run at once; at least one.

        Where requests come and go, those that run are half written on average.
        """
        each = self.work.request_bytes(tokens, self.batched_tokens or tokens) / self.stages
        if self.cache_bytes is None or each <= 0:
            return requests
        return max(1, min(requests, int(self.cache_bytes // each)))

    def served(self, requests: int, tokens_in: int, tokens_out: int) -> int:
        """Requests that are written at once where requests come and go; at least one.

        A batch has room for so many only that the prompts which follow them fit beside them.
        """
        running = self.running(requests, tokens_in + tokens_out / 2)
        if self.batched_tokens is None:
            return running
        fed = self.batched_tokens * self.stages * tokens_out / max(1, tokens_in + tokens_out)
        return max(1, min(running, int(fed)))

    @property
    def tokens_a_step(self) -> float:
        """Tokens that a sequence gets in a step."""
        return tokens_a_step(self.guesses, self.rates.acceptance)

    def decode_s(self, sequences: float, context: float) -> float:
        """Time in which each of `sequences` gets a token: its part of the batch in each stage."""
        return self._decode_step_s(sequences, context) / self.tokens_a_step

    def _decode_step_s(self, sequences: float, context: float) -> float:
        batch = math.ceil(sequences / self.stages)
        taken = self.step_s(Step(batch, context, guesses=self.guesses))
        if self.guesses:
            taken += self.guesses * draft_s(self.work, self.limits, self.rates, batch)
        return taken

    def prefill_s(self, prompts: int, tokens: int) -> float:
        """Read `prompts` prompts of `tokens` tokens that came together, one token each.

        Chunks follow each other through the stages of a pipeline.
        """
        whole = prompts * tokens
        if not whole:
            return 0.0
        chunk = min(whole, self.batched_tokens or whole)
        full, rest = divmod(whole, chunk)
        total = full * self._chunk_s(chunk, tokens)
        total += self._chunk_s(rest, tokens) if rest else 0.0
        filling = (self.stages - 1) * self._chunk_s(chunk, tokens)
        return (total + filling) / self.stages

    def _chunk_s(self, chunk: int, tokens: int) -> float:
        return self.step_s(Step(0.0, 0.0, chunk, tokens, max(1.0, chunk / tokens)))

    def interference_s(self, running: int, tokens: int, context: float) -> float:
        """What reading one prompt adds to the steps of `running` others.

        The prompt's chunks travel with steps that would have run anyway, so weights are read once.
        In a pipeline they hold one stage up at a time.
        """
        beside = math.ceil(running / self.stages)
        room = (self.batched_tokens or tokens + beside) - beside
        chunks = max(1, math.ceil(tokens / max(1, room)))
        alone = Step(beside, context, guesses=self.guesses)
        with_prompt = Step(beside, context, tokens / chunks, tokens, 1.0 / chunks, self.guesses)
        added = self.step_s(with_prompt) - self.step_s(alone)
        return chunks * added / self.stages

    def waves_s(self, requests: int, tokens_in: int, tokens_out: int) -> float:
        """Time for `requests` that came together, beyond that of their first tokens alone.

        Wave by wave where the cache is too small: each writes all its tokens before the next one
        starts, whose prompts are then read.
        """
        total, left = -self.prefill_s(requests, tokens_in), requests
        while left > 0:
            wave = self.running(left, tokens_in + tokens_out)
            total += self.together_s(wave, tokens_in, tokens_out)
            left -= wave
        return total

    def together_s(self, requests: int, tokens_in: int, tokens_out: int) -> float:
        """Read and answer `requests` that came together and that the cache has room for.

        While the last prompts are read the first answers are written, in the same steps: a chunk
        has fewer tokens of prompts then, and where a step multiplies all the time its tokens cost
        what they would not in steps that wait for memory. Those that began first end first.
        """
        context, steps = tokens_in + tokens_out / 2, max(1, tokens_out - 1)
        whole = requests * tokens_in
        budget = min(whole, self.batched_tokens or whole)
        if whole <= budget or self.stages > 1:
            read = self.prefill_s(requests, tokens_in)
            return read + steps * self.decode_s(requests, context)
        total, passed, done = 0.0, 0.0, 0.0  # seconds, steps, tokens of prompts read
        # As many write at once, at most, as begin while one of them writes its answer.
        most = budget * steps / (tokens_in + steps)
        stride = max(1.0, whole / (budget - most) / _KINDS)
        while done < whole:
            writing = min(done // tokens_in, most)
            room = budget - writing
            taken = min(stride, (whole - done) / room)
            step = Step(writing, context, room, tokens_in, room / tokens_in)
            total += taken * self.step_s(step)
            done, passed = done + taken * room, passed + taken
        return total + self._ending_s(requests, steps, passed, context)

    def _ending_s(self, requests: int, steps: int, reading: float, context: float) -> float:
        """Steps after the last prompt: all write, until the first that began has ended."""
        ramp = min(float(steps), reading)
        total = (steps - ramp) * self.decode_s(requests, context)
        most = requests * ramp / reading
        parts = min(_KINDS, max(1, round(most)))
        for part in range(parts):
            left = most * (part + 0.5) / parts
            total += ramp / parts * self.decode_s(max(1.0, left), context)
        return total

    def per_token_s(self, requests: int, tokens_in: int, tokens_out: int) -> float:
        """Mean time per token with `requests` in the system all the time.

        While one request writes `tokens_out` tokens, each of the other running ones is replaced
        once, so its share of all steps has the prompts of the others in it.
        """
        context = tokens_in + tokens_out / 2
        running = self.served(requests, tokens_in, tokens_out)
        step = self.decode_s(running, context)
        added = self.interference_s(running, tokens_in, context) if running > 1 else 0.0
        served = running * self.rates.stream_us / 1e6
        return step + served + added * (running - 1) / max(1, tokens_out)

    def first_token_s(self, requests: int, tokens_in: int, tokens_out: int) -> float:
        """Mean time to the first token: the way in, the prompts before it, its own prompt.

        Requests that cache or batch have no room for wait until one that runs has ended.
        """
        running = self.served(requests, tokens_in, tokens_out)
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
