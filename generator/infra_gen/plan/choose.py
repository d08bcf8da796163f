"""The choice among candidates, with the runners-up and why they were passed over."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, replace
from itertools import groupby

from infra_gen.model.facts import Facts
from infra_gen.model.lock import Resolved
from infra_gen.model.plan import Alternative
from infra_gen.model.spec import Spec
from infra_gen.plan.candidates import Candidate, candidates
from infra_gen.plan.evaluate import complete, outline, pinned, within_targets
from infra_gen.plan.evaluated import Evaluated

# `auto` takes a model only if it usually writes faster than people read, and a ranking hardware only
# if it always does: adults read 238 words a minute (Brysbaert 2019, Journal of Memory and Language
# 109), about 1.33 tokens a word.
AUTO_TPOT_MS = 190.0
_MOST_ALTERNATIVES = 6


@dataclass(frozen=True, slots=True)
class Choice:
    """The winner, or the nearest miss; `reason` says why it was taken."""

    best: Evaluated | None
    alternatives: tuple[Alternative, ...]
    reason: str
    closest: Evaluated | None


def _label(candidate: Candidate) -> tuple[str, str, str]:
    split = candidate.parallelism
    spread = f" over {split.tensor} devices" if split.tensor > 1 else ""
    return candidate.engine, candidate.model.preset.id, candidate.weights.quantization + spread


def _lacks(found: Evaluated, spec: Spec, facts: Facts) -> str | None:
    """What keeps this one from winning, or None."""
    if not found.fits:
        return f"does not fit: {found.shortfall_gib:.1f} GiB short per device"
    if not found.carries:
        return _too_few(found, spec)
    tpot = found.typical_tpot_ms
    read_along = (facts.auto_model or spec.model == "auto") and facts.workload.task == "generate"
    if read_along and tpot > AUTO_TPOT_MS:
        speed = "speed unknown" if math.isinf(tpot) else f"{tpot:.0f} ms a token as a rule"
        return f"too slow to read along: {speed}, auto wants {AUTO_TPOT_MS:.0f}"
    return None


def _too_few(found: Evaluated, spec: Spec) -> str:
    """How many users it carries instead, and the latency of one request where that is too much."""
    said = f"carries {found.users_supported} of {spec.load.users} users"
    if found.users_supported or found.loaded is None:
        return said
    alone, wanted = found.loaded.point(1), spec.load
    for name, reached, target in (
        ("to the first token", alone.ttft_ms, wanted.ttft_ms),
        ("a token", alone.tpot_ms, wanted.tpot_ms),
    ):
        if target and (reached is None or reached > target):
            have = "an unknown time" if reached is None else f"{reached:.3g} ms"
            return f"{have} {name} with one request alone, {target:g} ms are asked for"
    return said


class _Search:
    """Walks the candidates once and remembers what it passed."""

    def __init__(self, facts: Facts, spec: Spec) -> None:
        self.facts, self.spec = facts, spec
        # The last ones: in order of preference those are the near misses.
        self.passed: deque[tuple[Candidate, Evaluated | None]] = deque(maxlen=_MOST_ALTERNATIVES)
        self.fallback: Evaluated | None = None
        self.closest: Evaluated | None = None

    def tried(self, candidate: Candidate) -> Evaluated:
        """Its numbers; only an outline where that shows that it does not carry the load."""
        return self._completed(outline(candidate, self.facts, self.spec))

    def with_fewer(self, found: Evaluated) -> Evaluated | None:
        """The same with fewer requests at once, where that meets the targets."""
        fewer = within_targets(found, self.facts)
        return self._completed(fewer) if fewer else None

    def _completed(self, found: Evaluated) -> Evaluated:
        return complete(found, self.facts) if found.carries else found

    def wins(self, found: Evaluated) -> bool:
        """Whether it holds the load; otherwise it is kept as passed."""
        if _lacks_nothing(found, self.spec, self.facts):
            return True
        self.passed.append((found.candidate, found))
        self._keep(found)
        return False

    def _keep(self, found: Evaluated) -> None:
        """The best miss: of those that fit the most users, then the fastest."""
        if not found.fits:
            if self.closest is None or found.shortfall_gib < self.closest.shortfall_gib:
                self.closest = found
            return
        if self.fallback is None or _is_better(found, self.fallback):
            self.fallback = found

    def alternatives(self, but: Evaluated | None = None) -> tuple[Alternative, ...]:
        """What was passed over, with the reason; without the one that was taken after all."""
        taken = _label(but.candidate) if but else None
        told = {}
        for candidate, found in self.passed:
            why = candidate.illegal if found is None else _lacks(found, self.spec, self.facts)
            if _label(candidate) != taken:
                told[_label(candidate)] = why or ""
        return tuple(Alternative(*label, why_not=why) for label, why in told.items())


def _lacks_nothing(found: Evaluated, spec: Spec, facts: Facts) -> bool:
    # Telling the number of users costs more than whether those asked for are carried.
    return found.fits and found.carries and _lacks(found, spec, facts) is None


def _is_better(one: Evaluated, other: Evaluated) -> bool:
    """Whether it carries more users; as many, and comes closer to the targets, then is faster.

    Each is worked out only where the one before it does not decide.
    """
    mine, theirs = one.surely_supported, other.surely_supported
    if mine != theirs:
        return mine > theirs
    if one.missed_by != other.missed_by:
        return one.missed_by < other.missed_by
    return one.typical_tpot_ms < other.typical_tpot_ms


def reason_of(found: Evaluated, spec: Spec, facts: Facts) -> str:
    """Why it was taken, told from its own numbers: a lock renders the same words again."""
    lacking = _lacks(found, spec, facts)
    return "holds the load" if lacking is None else f"comes closest ({lacking})"


def _engine_and_model(candidate: Candidate) -> tuple[str, str]:
    return candidate.engine, candidate.model.preset.id


def choose(facts: Facts, spec: Spec, pins: Resolved | None) -> Choice:
    """The first candidate that holds the load; else the best that fits; else none.

    Of one model every checkpoint and split is tried with all requests at once, then, where a latency
    target was missed, with fewer at once while the others wait; only then the next model. With
    `pins`, a lock's choice, the one that it names.
    """
    search = _Search(facts, spec)
    for _, group in groupby(candidates(facts, spec, pins), key=_engine_and_model):
        passed: list[Evaluated] = []
        for candidate in group:
            if candidate.illegal:
                search.passed.append((candidate, None))
                continue
            found = pinned(candidate, facts, spec, pins) if pins else search.tried(candidate)
            if (pins and found.fits) or search.wins(found):
                return _chosen(found, search)
            passed.append(found)
        for found in [] if pins else passed:
            fewer = search.with_fewer(found)
            if fewer and search.wins(fewer):
                return _chosen(fewer, search)
    best = search.fallback and complete(search.fallback, facts)
    reason = reason_of(best, spec, facts) if best else ""
    return Choice(best, search.alternatives(best), reason, search.closest)


def _chosen(found: Evaluated, search: _Search) -> Choice:
    reason = reason_of(found, search.spec, search.facts)
    return Choice(found, search.alternatives(found), reason, None)


def smaller_model(spec: Spec, everything: Facts) -> tuple[str, ...]:
    """The best model that carries the load on the same machine, as words to type.

    `everything` is the machine with all models.
    """
    if spec.model == "auto":
        return ()
    free = spec.model_copy(update={"model": "auto", "quantization": "auto", "engine": "auto"})
    best = choose(replace(everything, auto_model=True), free, None).best
    if best is None or not best.carries:
        return ()
    engine, model, quantization = _label(best.candidate)
    return (f"--model {model} ({model} {quantization} on {engine})",)
