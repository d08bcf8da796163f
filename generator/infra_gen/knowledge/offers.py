"""Every machine that the presets hold: devices in the usual counts, and rented instances."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import get_args

from infra_gen.errors import UsageError
from infra_gen.knowledge import store
from infra_gen.knowledge.machines import resolve_machine
from infra_gen.knowledge.prices import PriceTable
from infra_gen.model.hardware import DevicePreset, InstancePreset, Vendor
from infra_gen.model.machine import Machine
from infra_gen.model.offer import Offer, shape_of

COUNTS = (1, 2, 4, 8)  # how many devices of one kind machines have
PROVIDERS: tuple[str, ...] = get_args(InstancePreset.model_fields["provider"].annotation)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which machines to look at; None: any. `max_devices` is of all machines together."""

    vendor: str | None = None
    provider: str | None = None
    max_devices: int | None = None


def _check(wanted: Wanted) -> None:
    for option, value, known in (
        ("--vendor", wanted.vendor, get_args(Vendor)),
        ("--provider", wanted.provider, PROVIDERS),
    ):
        if value is not None and value not in known:
            raise UsageError(f"{option} {value!r} is unknown", hint="one of " + ", ".join(known))
    if wanted.max_devices is not None and wanted.max_devices < 1:
        raise UsageError(
            f"--max-devices {wanted.max_devices}: at least one device must do the work"
        )


def _devices(most: int | None) -> Iterator[Machine]:
    """Each device and memory size, in each count that one machine can have."""
    for name in store.names("hardware"):
        preset = store.load("hardware", name, DevicePreset)
        words = [f"{name}-{option.gib}gb" for option in preset.memory_options] or [name]
        for word in words:
            one = resolve_machine(word)
            for count in COUNTS:
                if count <= min(preset.max_per_node, most or count):
                    counted = f"{one.id}:{count}" if count > 1 else one.id
                    yield replace(one, id=counted, devices=count)


def _instances(most: int | None) -> Iterator[tuple[Machine, str]]:
    for name in store.names("instances"):
        preset = store.load("instances", name, InstancePreset)
        if most is None or preset.devices <= most:
            yield resolve_machine(name), preset.provider


def offers(wanted: Wanted, prices: PriceTable | None = None) -> tuple[Offer, ...]:
    """The machines to rank.

    An instance stands for itself when it has a price or is no machine that the devices make;
    otherwise it is named with them. Instances that differ in their host alone are one group. Raises
    UsageError for unknown names.
    """
    _check(wanted)
    prices = prices or PriceTable(None, {})
    bare = [] if wanted.provider else list(_devices(wanted.max_devices))
    shapes = {shape_of(machine) for machine in bare}
    priced: list[Offer] = []
    rented: dict[Machine, list[tuple[Machine, str]]] = {}
    for machine, provider in _instances(wanted.max_devices):
        price = prices.of(machine)
        if wanted.provider not in (None, provider):
            continue
        if price is not None:
            priced.append(Offer(machine, machine.id, provider, (), price))
        else:
            rented.setdefault(shape_of(machine), []).append((machine, provider))
    alone = [offer for shape, them in rented.items() if shape not in shapes for offer in _own(them)]
    names = {shape: tuple(m.id for m, _ in _by_host(them)) for shape, them in rented.items()}
    found = [*_bare(bare, names, prices), *priced, *alone]
    return tuple(o for o in found if wanted.vendor in (None, o.machine.vendor))


def _by_host(rented: Iterable[tuple[Machine, str]]) -> list[tuple[Machine, str]]:
    return sorted(rented, key=lambda one: (one[0].host_memory_gib or 0.0, one[0].id))


def _own(rented: Iterable[tuple[Machine, str]]) -> Iterator[Offer]:
    """Instances with the same devices: one group, in which the smaller host comes first."""
    ordered = _by_host(rented)
    for place, (machine, provider) in enumerate(ordered):
        larger = tuple(other.id for other, _ in ordered[place + 1 :])
        yield Offer(machine, f"as {ordered[0][0].id}", provider, larger)


def _bare(
    machines: Iterable[Machine], rented: Mapping[Machine, tuple[str, ...]], prices: PriceTable
) -> Iterator[Offer]:
    for machine in machines:
        # A counted machine with a price of its own competes with smaller ones of its kind.
        group = machine.id if prices.names(machine) else machine.id.split(":")[0]
        same = rented.get(shape_of(machine), ())
        yield Offer(machine, group, None, same, prices.of(machine))
