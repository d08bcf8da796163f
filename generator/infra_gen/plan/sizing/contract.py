"""What planning asks of an engine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from infra_gen.model.calibration import Calibration
from infra_gen.model.engine import EngineInfo
from infra_gen.model.llm import Architecture, ModelPreset, Parsers, Task
from infra_gen.model.machine import Machine
from infra_gen.model.plan import Limits, Memory, Parallelism, Placement, Weights
from infra_gen.plan.memory import Shape

Split = tuple[Parallelism, str | None]


@dataclass(frozen=True, slots=True)
class Ask:
    """What the limits are made from: `requests` at once in one copy, `context` tokens each.

    `requests` is None where no load is stated: the limits are the engine's own.
    """

    machine: Machine
    info: EngineInfo
    calibration: Calibration
    arch: Architecture
    task: Task
    context: int
    requests: int | None


class Settings(Protocol):
    """The user's own flags of one engine, as far as planning understands them.

    `context`, `tensor`, `quantization`: None where the user set none. `fixed_requests`: how many
    requests run at once is the user's. `names` are the flags that are counted; `warnings` say what
    of the others is not.
    """

    @property
    def context(self) -> int | None:
        """Tokens of one request."""

    @property
    def fit_context(self) -> bool:
        """Whether the engine takes the longest context that fits."""

    @property
    def tensor(self) -> int | None:
        """Devices of one copy."""

    @property
    def quantization(self) -> str | None:
        """What weights are made into while they load."""

    @property
    def fixed_requests(self) -> bool:
        """Whether the user said how many requests run at once."""

    @property
    def placed(self) -> bool:
        """Whether the user said what of the model lies on the CPU."""

    @property
    def names(self) -> frozenset[str]:
        """The flags that were understood, as written."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is not counted, in words."""

    def on(self, limits: Limits) -> Limits:
        """The limits with the user's in place of the planned ones."""

    def on_shape(self, shape: Shape) -> Shape:
        """What memory depends on beside the limits."""

    def on_split(
        self, split: Parallelism, machine: Machine, arch: Architecture, /
    ) -> tuple[Parallelism, str | None]:
        """How one copy is spread, as the user has it, and why it cannot be."""


class Sizing(Protocol):
    """What a module in this package must have.

    `calibrated_as` is the engine whose speed and memory constants hold. `reserves_slots`: the cache
    of every slot is taken at start, so as many are planned as memory holds; otherwise requests share
    what is there. `borrows_speed`: those constants are of another program, as none of its own are.
    `gives_room`: places for requests that do not come cost little, so as many are planned as the
    device carries, not only as many as are expected.
    """

    name: str
    calibrated_as: str
    reserves_slots: bool
    borrows_speed: bool
    gives_room: bool

    def settings(self, engine_args: Mapping[str, str | int | float | bool]) -> Settings:
        """What the user's own flags set; nothing from values that the engine would not read."""

    def placements(self, arch: Architecture, machine: Machine) -> Sequence[Placement]:
        """Ways to leave a part of the model to the CPU, ever more of it; none where it cannot."""

    def problem(self, weights: Weights, machine: Machine, info: EngineInfo) -> str | None:
        """Why the engine cannot run these weights there, or None."""

    def splits(
        self, arch: Architecture, quantization: str, machine: Machine, tensor: int | None
    ) -> Iterator[Split]:
        """Ways to spread one copy, best first, with why not; `tensor` fixes a lock's choice."""

    def limits(self, ask: Ask) -> Limits:
        """The engine's own limits."""

    def memory_of(
        self, machine: Machine, arch: Architecture, shape: Shape, calibration: Calibration
    ) -> Memory:
        """The fullest device of one copy."""

    def shortfall(self, mem: Memory, context: int) -> float:
        """GiB a device lacks for the weights and one sequence of full context; 0 when it fits."""

    def served_name(self, preset: ModelPreset, weights: Weights, asked: str | None) -> str:
        """The model's name in the API; UsageError where the engine cannot give the one asked for."""

    def parsers(self, preset: ModelPreset) -> Parsers | None:
        """How the engine is told to read tool calls and reasoning, None where it needs no telling."""
