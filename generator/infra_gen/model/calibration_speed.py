"""Constants of the speed model: shares of hardware limits that kernels reach, and fixed times.

`presets/calibration/speed/<engine>.yaml` holds them for one engine. A row is looked up by the name
nearest to the hardware: its family with the compute capability's major number (`blackwell-sm10`, a
data-centre card, `blackwell-sm12`, a workstation's), its family, its vendor, then `any`; so a card
that nobody measured gets its nearest relative's share and a wider band.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from pydantic import Field, model_validator

from infra_gen.model.machine import Machine
from infra_gen.model.sourced import Record, Sourced

ANY = "any"


class _Row(Record):
    source: str | None = None
    assumed: bool = False
    note: str | None = None

    @model_validator(mode="after")
    def _has_an_origin(self) -> _Row:
        if not (self.source or (self.assumed and self.note)):
            raise ValueError("a row needs a source, or assumed with a note")
        return self


class Kernels(_Row):
    """Matrices in one precision: shares of memory bandwidth and of tensor compute.

    `weights` and `matrices` are of layers that every token passes, `experts` and `expert_matrices`
    of grouped experts; `experts_assumed` says that no run with experts was at hand. `band` is the
    relative error that 9 of 10 predictions stay within.
    """

    hardware: str = Field(description="a family with -sm and a number, a family, a vendor, or any")
    precision: str = Field(description="a class of weights, such as bf16 or fp8, or any")
    weights: float = Field(gt=0, le=1)
    experts: float = Field(gt=0, le=1)
    matrices: float = Field(gt=0, le=1)
    expert_matrices: float = Field(gt=0, le=1)
    band: float = Field(gt=0)
    experts_assumed: bool = False


class Times(_Row):
    """What a step costs beside its matrices. Microseconds, and shares of hardware limits.

    `step_us` once, `layer_us` per layer, `expert_layer_us` more per layer with experts,
    `state_layer_us` more per layer with a recurrent state, `sequence_us` per request, and
    `stream_us` more per request where a server streams the answers. `launch_us`: the CPU needs
    that long to launch a layer where no graph was captured. `cache` is the share of bandwidth that
    attention reads keys and values with, `attention` that of compute in prefill.
    `link_us` and `link_share`: one all-reduce between devices. `read_gb_s` is the most that kernels
    read from any memory of this kind of device, null where only bandwidth bounds them.
    """

    hardware: str
    step_us: float = Field(ge=0)
    layer_us: float = Field(ge=0)
    expert_layer_us: float = Field(ge=0)
    state_layer_us: float = Field(ge=0)
    sequence_us: float = Field(ge=0)
    stream_us: float = Field(default=0.0, ge=0)
    launch_us: float = Field(ge=0)
    cache: float = Field(gt=0, le=1)
    attention: float = Field(gt=0, le=1)
    link_us: float = Field(ge=0)
    link_share: float = Field(gt=0, le=1)
    read_gb_s: float | None = Field(default=None, gt=0)


class EngineSpeed(Record):
    """`presets/calibration/speed/<engine>.yaml`."""

    id: str
    kernels: tuple[Kernels, ...]
    times: tuple[Times, ...]
    sharpness: Sourced[float] = Field(
        description="exponent of the norm that joins bytes and compute: 1 adds them, infinity is "
        "the larger of both"
    )
    expert_sharpness: Sourced[float] = Field(
        description="the same for experts: some get many tokens, others few, so it is softer"
    )
    coverage: Sourced[float] = Field(
        description="tokens choose experts as tokens ** coverage independent ones would"
    )
    arrival_ms: Sourced[float] = Field(description="a request before its first step: HTTP, tokens")
    burst: Sourced[float] = Field(
        description="share of the other requests' prompts that stand before a new one"
    )
    graph_tokens: Sourced[int] = Field(
        description="a step of more tokens than this has no captured graph; 0: none has one"
    )
    relay_us: Sourced[float] = Field(
        description="latency of an exchange among devices that reach each other through the host"
    )
    acceptance: Sourced[float] = Field(
        description="share of tokens guessed ahead that turn out right"
    )
    acceptance_spread: Sourced[float] = Field(
        description="how far that share may be off, for another draft or text"
    )
    measured: tuple[str, ...] = Field(
        default=(), description="versions among the measurements, as beginnings: 0.25. or b28"
    )
    unmeasured: Sourced[float] = Field(
        description="factor on the band for a version or hardware that no measurement is of"
    )


@dataclass(frozen=True, slots=True)
class Rates:
    """The constants of one engine, hardware and precision, as numbers."""

    weights: float
    experts: float
    matrices: float
    expert_matrices: float
    cache: float
    attention: float
    step_us: float
    layer_us: float
    expert_layer_us: float
    state_layer_us: float
    sequence_us: float
    stream_us: float
    launch_us: float
    link_us: float
    link_share: float
    read_gb_s: float | None
    sharpness: float
    expert_sharpness: float
    coverage: float
    arrival_ms: float
    burst: float
    graph_tokens: float
    relay_us: float
    acceptance: float
    acceptance_spread: float
    band: float
    measured: bool
    experts_measured: bool = False


_KERNEL_FIELDS = ("weights", "experts", "matrices", "expert_matrices", "band")
_TIME_FIELDS = tuple(f.name for f in fields(Rates) if f.name in Times.model_fields)
_COMMON_FIELDS = (
    "sharpness",
    "expert_sharpness",
    "coverage",
    "arrival_ms",
    "burst",
    "graph_tokens",
    "relay_us",
    "acceptance",
    "acceptance_spread",
)


def names_of(machine: Machine) -> tuple[str, ...]:
    """What rows may call this hardware, the narrowest name first."""
    capability = machine.compute_capability
    own = (f"{machine.family}-sm{capability.split('.')[0]}",) if capability else ()
    return (*own, machine.family, machine.vendor, ANY)


def _ranked(hardware: str, order: tuple[str, ...]) -> int | None:
    """How well a row fits: 0 for the narrowest name; None when it does not."""
    return order.index(hardware) if hardware in order else None


def _kernels(found: EngineSpeed, order: tuple[str, ...], precision: str) -> Kernels | None:
    """The row nearest in hardware; within it the precision, else `any`."""
    best: tuple[int, int, Kernels] | None = None
    for row in found.kernels:
        rank = _ranked(row.hardware, order)
        if rank is None or row.precision not in (precision, ANY):
            continue
        key = (rank, int(row.precision == ANY), row)
        if best is None or key[:2] < best[:2]:
            best = key
    return best[2] if best else None


def _times(found: EngineSpeed, order: tuple[str, ...]) -> Times | None:
    ranked = [(rank, row) for row in found.times
              if (rank := _ranked(row.hardware, order)) is not None]  # fmt: skip
    return min(ranked, key=lambda pair: pair[0])[1] if ranked else None


def rates(found: EngineSpeed, order: tuple[str, ...], precision: str) -> Rates | None:
    """The numbers for this hardware and precision; None where the engine was never described."""
    kernels, times = _kernels(found, order, precision), _times(found, order)
    if kernels is None or times is None:
        return None
    numbers: dict[str, Any] = {name: getattr(kernels, name) for name in _KERNEL_FIELDS}
    numbers.update({name: getattr(times, name) for name in _TIME_FIELDS})
    numbers.update({name: getattr(found, name).value or 0.0 for name in _COMMON_FIELDS})
    fitted = not kernels.assumed and kernels.hardware not in (order[-2], ANY)
    measured = fitted and kernels.precision == precision
    with_experts = measured and not kernels.experts_assumed
    return Rates(**numbers, measured=measured, experts_measured=with_experts)


def tokens_a_step(guesses: int, acceptance: float) -> float:
    """Tokens that a sequence gets in a step: its own, and guesses up to the first wrong one."""
    return float(sum(acceptance**guess for guess in range(guesses + 1)))


def band_of(
    found: EngineSpeed,
    numbers: Rates,
    version: str | None,
    *,
    experts: bool = False,
    guesses: int = 0,
) -> float:
    """Relative error to state: the fit's, wider for what was not measured and what is guessed."""
    known = version is not None and version.startswith(found.measured)
    fitted = numbers.experts_measured if experts else numbers.measured
    factor = 1.0 if known and fitted else found.unmeasured.value or 1.0
    likely = tokens_a_step(guesses, numbers.acceptance)
    fewest = tokens_a_step(guesses, max(0.0, numbers.acceptance - numbers.acceptance_spread))
    return min(1.0, numbers.band * factor + (likely / fewest - 1))


SpeedTables = tuple[EngineSpeed, ...]


def table_of(tables: SpeedTables, engine: str) -> EngineSpeed | None:
    """The constants of an engine."""
    return next((table for table in tables if table.id == engine), None)
