"""Which hardware carries a load: machines tried one by one, and put in order.

Every machine is planned as `plan --hardware` plans it. Where one machine is too little, up to
MOST_MACHINES equal ones share the load.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from infra_gen.model.facts import Facts
from infra_gen.model.offer import Offer, shape_of
from infra_gen.model.plan import GIB, Machine
from infra_gen.model.spec import Spec
from infra_gen.plan.candidates import candidates
from infra_gen.plan.choose import choose
from infra_gen.plan.evaluated import Evaluated
from infra_gen.plan.weights import loaded_bytes

MOST_MACHINES = 16
# The planned memory of vLLM never holds more than what is visible; a tenth is for what loading drops.
_LEAST_SHARE = 0.9

FactsOf = Callable[[Machine], Facts | None]
Why = Literal["memory", "load", "no plan"]


@dataclass(frozen=True, slots=True)
class Placed:
    """Hardware that carries the load: `machines` equal ones, each as `found` plans it."""

    offer: Offer
    machines: int
    found: Evaluated

    @property
    def devices(self) -> int:
        """Devices of all machines."""
        return self.machines * self.offer.machine.devices

    @property
    def price_per_hour(self) -> float | None:
        """What an hour of all machines costs."""
        one = self.offer.price_per_hour
        return None if one is None else one * self.machines

    @property
    def users_supported(self) -> int | None:
        """The most users of all machines together."""
        one = self.found.users_supported
        return None if one is None else one * self.machines


@dataclass(frozen=True, slots=True)
class Missed:
    """Hardware that does not carry the load, the largest machine of its kind."""

    offer: Offer
    why: Why
    told: str


@dataclass(frozen=True, slots=True)
class Ranking:
    """What carries the load, best first, and what does not."""

    placed: tuple[Placed, ...]
    missed: tuple[Missed, ...]


def order(placed: Placed) -> tuple[bool, float, int, int, float, float, str]:
    """The place in a ranking, smallest first.

    With prices the price of an hour; without, or where equal: fewer devices, fewer machines, less
    memory, less bandwidth, the name. What has no price comes after what has one.
    """
    machine, price = placed.offer.machine, placed.price_per_hour
    size = _size(placed.offer)
    return price is None, price or 0.0, placed.devices, placed.machines, *size[1:], machine.id


def _size(offer: Offer) -> tuple[int, float, float]:
    machine = offer.machine
    return machine.devices, machine.visible_gib * machine.devices, machine.bandwidth_gb_s


class Search:
    """Plans machines for one load; of machines that plan alike only the first one.

    `facts_of` gives the facts for a machine, None where the target does not run on it.
    """

    def __init__(self, facts_of: FactsOf, spec: Spec) -> None:
        """Keep the question; nothing is planned yet."""
        self._facts_of, self._spec = facts_of, spec
        self._known: dict[tuple[Machine, int], Evaluated | tuple[Why, str]] = {}

    def rank(self, offers: Iterable[Offer]) -> Ranking:
        """All offers tried; one place for each group."""
        placed: list[Placed] = []
        missed: list[Missed] = []
        ordered = sorted(offers, key=lambda o: (o.group, o.machine.devices))
        for _, group in groupby(ordered, key=lambda o: o.group):
            found = self.place(tuple(group))
            (placed if isinstance(found, Placed) else missed).append(found)  # type: ignore[arg-type]
        missed.sort(key=lambda miss: (_WHYS.index(miss.why), _size(miss.offer), miss.offer.group))
        return Ranking(tuple(sorted(placed, key=order)), tuple(missed))

    def first(self, offers: Iterable[Offer]) -> Placed | None:
        """The first, in the order of a ranking without prices, of which one machine is enough."""
        for offer in sorted(offers, key=lambda o: (*_size(o), o.machine.id)):
            found = self._planned(offer, self._spec)
            if isinstance(found, Evaluated) and found.carries:
                return Placed(offer, 1, found)
        return None

    def place(self, group: Sequence[Offer]) -> Placed | Missed:
        """The smallest of a group that carries the load; else the fewest equal ones together.

        `group` is in order of size and not empty.
        """
        tried: list[tuple[Offer, Evaluated]] = []
        for offer in group:
            found = self._planned(offer, self._spec)
            if isinstance(found, Evaluated):
                if found.carries:
                    return Placed(offer, 1, found)
                tried.append((offer, found))
        shared = [p for offer, found in tried if (p := self._several(offer, found))]
        if shared:
            return min(shared, key=order)
        if tried:
            return _overloaded(*tried[-1], self._spec)
        why, told = self._refused(group[-1])
        return Missed(group[-1], why, told)

    def _refused(self, offer: Offer) -> tuple[Why, str]:
        found = self._planned(offer, self._spec)
        return ("load", "") if isinstance(found, Evaluated) else found

    def _planned(self, offer: Offer, spec: Spec) -> Evaluated | tuple[Why, str]:
        key = shape_of(offer.machine), spec.load.users
        if key not in self._known:
            self._known[key] = _plan(self._facts_of(offer.machine), spec)
        return self._known[key]

    def _several(self, offer: Offer, one: Evaluated) -> Placed | None:
        """The fewest machines that share the load evenly, or None."""
        users = self._spec.load.users
        if not one.users_supported:
            return None
        # What one carries was found with all users asking; for its share it may be a little more.
        guess = math.ceil(users / one.users_supported)
        for machines in range(max(2, guess - 1), min(guess + 1, MOST_MACHINES) + 1):
            found = self._planned(offer, _shared(self._spec, machines))
            if isinstance(found, Evaluated) and found.carries:
                return Placed(offer, machines, found)
        return None


_WHYS: tuple[Why, ...] = ("load", "memory", "no plan")


def _plan(facts: Facts | None, spec: Spec) -> Evaluated | tuple[Why, str]:
    """What is planned for one machine, or why it does not hold the model."""
    if facts is None:
        return "no plan", "the target does not run on it"
    lacking = _lacking_gib(facts, spec)
    if lacking is None:
        return "no plan", "no engine loads the model there"
    if lacking > 0:
        return "memory", f"{lacking:.1f} GiB short for the weights alone"
    choice = choose(facts, spec, None)
    best, closest = choice.best, choice.closest
    if best is not None:
        return best if best.speed_known else ("no plan", "its speed is not known")
    if closest is not None:
        return "memory", f"{closest.shortfall_gib:.1f} GiB short per device"
    return "no plan", "no engine loads the model there"


def _lacking_gib(facts: Facts, spec: Spec) -> float | None:
    """GiB by which the smallest checkpoint exceeds all memory; None where nothing loads any."""
    sizes = [
        min(c.weights.bytes, loaded_bytes(c.model.preset, c.weights))
        for c in candidates(facts, spec, None)
        if not c.illegal
    ]
    if not sizes:
        return None
    machine = facts.machine
    return min(sizes) * _LEAST_SHARE / GIB - machine.visible_gib * machine.devices


def _shared(spec: Spec, machines: int) -> Spec:
    users = math.ceil(spec.load.users / machines)
    return spec.model_copy(update={"load": spec.load.model_copy(update={"users": users})})


def _overloaded(offer: Offer, found: Evaluated, spec: Spec) -> Missed:
    carried = found.users_supported or 0
    if carried:
        told = f"carries {carried} of {spec.load.users} users, {MOST_MACHINES} of it too few"
        return Missed(offer, "load", told)
    point = found.loaded.point(1) if found.loaded else None
    told = "one request alone misses the target"
    if point and point.tpot_ms and point.ttft_ms:
        told += f": {point.ttft_ms:.0f} ms to the first token, {point.tpot_ms:.1f} ms a token"
    return Missed(offer, "load", told)
