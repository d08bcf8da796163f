"""Which hardware carries a load: machines tried one by one, and put in order.

Every machine is planned as `plan --hardware` plans it. Where one machine is too little, up to
MOST_MACHINES equal ones share the load.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

from infra_gen.model.facts import Facts
from infra_gen.model.machine import Machine
from infra_gen.model.offer import Offer, shape_of
from infra_gen.model.plan import GIB
from infra_gen.model.spec import Spec
from infra_gen.plan.candidates import engine_order, smallest_bytes
from infra_gen.plan.choose import choose
from infra_gen.plan.evaluated import Evaluated
from infra_gen.plan.places import Groups, Missed, Placed, Ranking, Why, key_of, miss_order, order

MOST_MACHINES = 16
_ELSEWHERE = "the target does not run on it"

FactsOf = Callable[[Machine], Facts | None]


class Search:
    """Plans machines for one load; of machines that plan alike only the first one.

    `facts_of` gives the facts for a machine, None where the target does not run on it.
    `most_devices` bounds the devices of several machines together.
    """

    def __init__(self, facts_of: FactsOf, spec: Spec, most_devices: int | None = None) -> None:
        """Keep the question; nothing is planned yet."""
        self._facts_of, self._spec, self._most_devices = facts_of, spec, most_devices
        self._known: dict[tuple[Machine, int], Evaluated | tuple[Why, str]] = {}
        self._least: dict[str, int | None] = {}

    def rank(self, offers: Iterable[Offer], limit: int | None = None) -> Ranking:
        """The first `limit` places, null: all; each group has one.

        Offers are tried in the order of their places, so the search ends when enough are found:
        what was not tried by then is neither placed nor missed.
        """
        placed: list[Placed] = []
        missed: list[Missed] = []
        groups = Groups(offers)
        for offer in groups.in_order:
            if limit is not None and sum(order(p) < key_of(offer) for p in placed) >= limit:
                break
            if groups.settled(offer):
                continue
            found = self._planned(offer, self._spec)
            if isinstance(found, Evaluated) and found.carries:
                placed.append(Placed(offer, 1, found))
                groups.settle(offer)
            elif groups.is_last(offer):
                shared = self.place(groups.of(offer))
                (placed if isinstance(shared, Placed) else missed).append(shared)  # type: ignore[arg-type]
        missed.sort(key=miss_order)
        return Ranking(tuple(sorted(placed, key=order)[:limit]), tuple(missed))

    def first(self, offers: Iterable[Offer]) -> Placed | None:
        """The first, in the order of a ranking without prices, of which one machine is enough.

        What has a price comes first.
        """
        for offer in Groups(offers).in_order:
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
        for offer, machines in self._guesses(tried):
            shared = self._several(offer, machines)
            if shared:
                return shared
        if tried:
            return self._overloaded(*max(tried, key=lambda pair: pair[1].users_supported or 0))
        why, told = self._refused(group[-1])
        return Missed(group[-1], why, told)

    def _refused(self, offer: Offer) -> tuple[Why, str]:
        found = self._planned(offer, self._spec)
        return ("load", "") if isinstance(found, Evaluated) else found

    def _planned(self, offer: Offer, spec: Spec) -> Evaluated | tuple[Why, str]:
        key = shape_of(offer.machine), spec.load.users
        if key not in self._known:
            facts = self._facts_of(offer.machine)
            self._known[key] = ("no plan", _ELSEWHERE) if facts is None else self._plan(facts, spec)
        found, host = self._known[key], offer.machine.host_memory_gib
        if isinstance(found, Evaluated) and host is not None:
            needed = found.memory.host_needed_gib
            if needed > host:
                return "memory", f"{host:g} GiB of RAM, {needed:.0f} are needed to load the model"
        return found

    def _plan(self, facts: Facts, spec: Spec) -> Evaluated | tuple[Why, str]:
        """What is planned for one machine, or why it does not hold the model."""
        lacking = self._lacking_gib(facts)
        if lacking > 0:
            return "memory", f"{lacking:.1f} GiB short for the weights alone"
        choice = choose(facts, spec, None)
        best, closest = choice.best, choice.closest
        if best is not None:
            return best if best.speed_known else ("no plan", "its speed is not known")
        if closest is not None:
            return "memory", f"{closest.shortfall_gib:.1f} GiB short per device"
        return "no plan", "no engine loads the model there"

    def _lacking_gib(self, facts: Facts) -> float:
        """GiB by which the smallest weights exceed all memory; what needs no planning to be seen."""
        machine, sizes = facts.machine, []
        for engine in engine_order(self._spec, machine, None):
            if engine not in self._least:
                self._least[engine] = smallest_bytes(facts, self._spec, engine)
            size = self._least[engine]
            if size is not None:
                sizes.append(size / GIB)
        return min(sizes, default=0.0) - machine.visible_gib * machine.devices

    def _guesses(self, tried: Sequence[tuple[Offer, Evaluated]]) -> list[tuple[Offer, int]]:
        """How many of each offer may be enough by what one carries; in the order of their places."""
        users = self._spec.load.users
        found = [
            (o, max(2, math.ceil(users / n))) for o, one in tried if (n := one.users_supported)
        ]
        return sorted(found, key=lambda guess: key_of(*guess))

    def _several(self, offer: Offer, guess: int) -> Placed | None:
        """So many machines that share the load evenly, or one more; None where that is too little."""
        most = self._most_machines(offer)
        for machines in range(guess, min(guess + 1, most) + 1):
            found = self._planned(offer, _shared(self._spec, machines))
            if isinstance(found, Evaluated) and found.carries:
                return Placed(offer, machines, found)
        return None

    def _overloaded(self, offer: Offer, found: Evaluated) -> Missed:
        """Why what holds the model does not carry the load, and several of it neither."""
        carried, users = found.users_supported or 0, self._spec.load.users
        if not carried:
            return Missed(offer, "load", _alone(found))
        machines = math.ceil(users / carried)
        told = f"carries {carried} of {users} users, about {machines} machines would do"
        return Missed(offer, "load", told, carried)

    def _most_machines(self, offer: Offer) -> int:
        if self._most_devices is None:
            return MOST_MACHINES
        return min(MOST_MACHINES, self._most_devices // offer.machine.devices)


def _shared(spec: Spec, machines: int) -> Spec:
    users = math.ceil(spec.load.users / machines)
    return spec.model_copy(update={"load": spec.load.model_copy(update={"users": users})})


def _alone(found: Evaluated) -> str:
    point = found.loaded.point(1) if found.loaded else None
    told = "one request alone misses the target"
    if point and point.tpot_ms and point.ttft_ms:
        told += f": {point.ttft_ms:.0f} ms to the first token, {point.tpot_ms:.1f} ms a token"
    return told
