"""The choice among candidates, with the runners-up and why they were passed over."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from infra_gen.model.facts import Facts
from infra_gen.model.lock import Resolved
from infra_gen.model.plan import Alternative
from infra_gen.model.spec import Spec
from infra_gen.plan.candidates import Candidate, candidates
from infra_gen.plan.evaluate import Evaluated, evaluate

# `auto` takes a model only if it usually writes faster than people read: adults read 238 words
# a minute (Brysbaert 2019, Journal of Memory and Language 109), about 1.33 tokens a word.
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


def _typical_tpot(found: Evaluated) -> float:
    """Milliseconds a token as a rule; infinite where that is not known or nothing is written."""
    point = found.performance.typical
    return point.tpot_ms if point and point.tpot_ms is not None else math.inf


def _lacks(found: Evaluated, spec: Spec, facts: Facts) -> str | None:
    """What keeps this one from winning, or None."""
    if not found.fits:
        return f"does not fit: {found.shortfall_gib:.1f} GiB short per device"
    carried = found.performance.users_supported
    if carried is not None and carried < spec.load.users:
        return f"carries {carried} of {spec.load.users} users"
    tpot = _typical_tpot(found)
    read_along = (facts.auto_model or spec.model == "auto") and facts.workload.task == "generate"
    if read_along and tpot > AUTO_TPOT_MS:
        speed = "speed unknown" if math.isinf(tpot) else f"{tpot:.0f} ms a token as a rule"
        return f"too slow to read along: {speed}, auto wants {AUTO_TPOT_MS:.0f}"
    return None


class _Search:
    """Walks the candidates once and remembers what it passed."""

    def __init__(self) -> None:
        self.passed: list[Alternative] = []
        self.fallback: Evaluated | None = None
        self.closest: Evaluated | None = None

    def note(self, candidate: Candidate, why: str) -> None:
        """Keep the last ones: in order of preference those are the near misses."""
        self.passed.append(Alternative(*_label(candidate), why_not=why))
        del self.passed[:-_MOST_ALTERNATIVES]

    def keep(self, found: Evaluated) -> None:
        """The best miss: of those that fit the most users, then the fastest."""
        if not found.fits:
            if self.closest is None or found.shortfall_gib < self.closest.shortfall_gib:
                self.closest = found
            return
        if self.fallback is None or _merit(found) > _merit(self.fallback):
            self.fallback = found


def _merit(found: Evaluated) -> tuple[int, float]:
    return (found.performance.users_supported or 0, -_typical_tpot(found))


def reason_of(found: Evaluated, spec: Spec, facts: Facts) -> str:
    """Why it was taken, told from its own numbers: a lock renders the same words again."""
    lacking = _lacks(found, spec, facts)
    return "holds the load" if lacking is None else f"comes closest ({lacking})"


def choose(facts: Facts, spec: Spec, pins: Resolved | None) -> Choice:
    """The first candidate that holds the load; else the best that fits; else none."""
    search = _Search()
    for candidate in candidates(facts, spec, pins):
        if candidate.illegal:
            search.note(candidate, candidate.illegal)
            continue
        found = evaluate(candidate, facts, spec, pins)
        why = None if pins and found.fits else _lacks(found, spec, facts)
        if why is None:
            return Choice(found, tuple(search.passed), reason_of(found, spec, facts), None)
        search.note(candidate, why)
        search.keep(found)
    best = search.fallback
    passed = tuple(search.passed)
    if best:
        label = _label(best.candidate)
        passed = tuple(a for a in passed if (a.engine, a.model, a.quantization) != label)
    reason = reason_of(best, spec, facts) if best else ""
    return Choice(best, passed, reason, search.closest)


def nearest_plans(facts: Facts, spec: Spec, everything: Facts) -> tuple[str, ...]:
    """Plans that would fit, as words to type: more devices, then a smaller model.

    `everything` holds all models for the same machine.
    """
    found: list[str] = []
    for devices in (2, 4, 8):
        if devices <= facts.machine.devices:
            continue
        larger = replace(facts, machine=replace(facts.machine, devices=devices))
        choice = choose(larger, spec, None)
        if choice.best:
            base = facts.machine.id.split(":")[0]
            found.append(f"--hardware {base}:{devices} ({_words(choice.best)})")
            break
    smaller = choose(replace(everything, auto_model=True), spec.model_copy(
        update={"quantization": "auto", "engine": "auto"}), None)  # fmt: skip
    if smaller.best:
        name = smaller.best.candidate.model.preset.id
        found.append(f"--model {name} ({_words(smaller.best)})")
    return tuple(found)


def _words(found: Evaluated) -> str:
    engine, model, quantization = _label(found.candidate)
    return f"{model} {quantization} on {engine}"
