"""What a search over hardware finds: places in a ranking, their order, and what was missed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from infra_gen.model.offer import Offer
from infra_gen.plan.evaluated import Evaluated

Why = Literal["load", "memory", "no plan"]
_WHYS: tuple[Why, ...] = ("load", "memory", "no plan")  # the nearest miss first


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
    """Hardware that does not carry the load, the largest machine of its kind.

    `carried` is how many users it would.
    """

    offer: Offer
    why: Why
    told: str
    carried: int = 0


@dataclass(frozen=True, slots=True)
class Ranking:
    """What carries the load, best first, and what does not."""

    placed: tuple[Placed, ...]
    missed: tuple[Missed, ...]


Key = tuple[bool, float, int, int, float, float, float, str]


def key_of(offer: Offer, machines: int = 1) -> Key:
    """The place in a ranking of that many machines, smallest first.

    With prices the price of an hour; without, or where equal: fewer devices, fewer machines, less
    memory, less bandwidth, less RAM of the host, the name. What has no price comes after what has
    one.
    """
    price = offer.price_per_hour
    devices, memory, bandwidth = size_of(offer)
    return (
        price is None, (price or 0.0) * machines, devices * machines, machines,
        memory * machines, bandwidth, offer.machine.host_memory_gib or 0.0, offer.machine.id,
    )  # fmt: skip


def order(placed: Placed) -> Key:
    """The place in a ranking: see `key_of`."""
    return key_of(placed.offer, placed.machines)


def size_of(offer: Offer) -> tuple[int, float, float]:
    """Devices, their memory in GiB, bandwidth in GB/s."""
    machine = offer.machine
    return machine.devices, machine.visible_gib * machine.devices, machine.bandwidth_gb_s


class Groups:
    """Offers in the order of their places, and which groups need no further look."""

    def __init__(self, offers: Iterable[Offer]) -> None:
        """Sort them."""
        self.in_order = sorted(offers, key=key_of)
        self._members: dict[str, list[Offer]] = {}
        for offer in self.in_order:
            self._members.setdefault(offer.group, []).append(offer)
        self._settled: set[str] = set()

    def of(self, offer: Offer) -> Sequence[Offer]:
        """All of its group."""
        return self._members[offer.group]

    def is_last(self, offer: Offer) -> bool:
        """Whether nothing else of its group is left to try."""
        return self._members[offer.group][-1] is offer

    def settle(self, offer: Offer) -> None:
        """Its group has a place."""
        self._settled.add(offer.group)

    def settled(self, offer: Offer) -> bool:
        """Whether its group has a place."""
        return offer.group in self._settled


def miss_order(miss: Missed) -> tuple[int, int, Key]:
    """Nearest misses first, of those the first in a ranking."""
    return _WHYS.index(miss.why), -miss.carried, key_of(miss.offer)
