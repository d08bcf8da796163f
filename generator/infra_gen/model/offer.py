"""What can be had to run a model on: a machine, who rents it out, and its price."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

from pydantic import ConfigDict, Field

from infra_gen.model.machine import Machine
from infra_gen.model.sourced import Record


@dataclass(frozen=True, slots=True)
class Offer:
    """One machine of a ranking.

    `group`: of one group only the first machine that suffices is ranked, such as 2 of a card where
    1 is too little. `provider` is null for hardware by its own name; `rented_as` are instances that
    are the same machine. `price_per_hour` is that of the whole machine; null where not known.
    """

    machine: Machine
    group: str
    provider: str | None = None
    rented_as: tuple[str, ...] = ()
    price_per_hour: float | None = None


def shape_of(machine: Machine) -> Machine:
    """The machine without what does not change a plan: names, and the host of a GPU."""
    bare = replace(machine, id="", name="", assumptions=(), min_driver=None, host_memory_gib=None)
    return replace(bare, cpu_cores=None) if machine.is_gpu else bare


Price = Annotated[float, Field(ge=0, allow_inf_nan=False, strict=True)]


class Prices(Record):
    """The file of `infra-gen plan --prices`: what an hour costs, by what `--hardware` takes.

    The price of a device (`h100`) is that of one; of a counted word (`h100:8`) and of an instance
    (`p5.48xlarge`) that of the whole machine. Instances and counted words come first.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", title="infra-gen plan --prices")

    currency: str = Field(pattern=r"^[A-Z]{3}$", description="three letters, such as USD")
    prices: dict[str, Price] = Field(min_length=1, description="hardware -> price of an hour")
