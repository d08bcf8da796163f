"""Calibration: the constants of the speed and memory model, each with its source."""

from __future__ import annotations

from pydantic import Field, model_validator

from infra_gen.model.calibration_memory import VllmMemory
from infra_gen.model.calibration_speed import EngineSpeed
from infra_gen.model.sourced import Record, Sourced


class Efficiency(Record):
    """Share of a hardware limit that an engine reaches on `devices` devices of a vendor."""

    engine: str
    vendor: str
    devices: int
    value: float
    source: str | None = None
    assumed: bool = False
    note: str | None = None

    @model_validator(mode="after")
    def _has_an_origin(self) -> Efficiency:
        if not (self.source or (self.assumed and self.note)):
            raise ValueError("an efficiency needs a source, or assumed with a note")
        return self


class ByArchitecture(Record):
    """A constant for dense and for mixture-of-experts models."""

    dense: Sourced[float]
    moe: Sourced[float]


class ByDevices(Record):
    """A constant for one device and for several working together."""

    single: Sourced[float]
    parallel: Sourced[float]


class TgiMemory(Record):
    """What TGI takes beside weights and cache. `room`: the share of its share that it fills."""

    room: Sourced[float]
    activation_factor: Sourced[float]
    workspace_mib: Sourced[float]
    graph_gib: Sourced[float]
    runtime_gib: ByDevices


class HostSide(Record):
    """A host whose CPU works on a part of a model, where nothing better is known of it.

    `bandwidth_gb_s` of its memory, `tflops` of its cores; `link_gb_s` is how fast a device fetches
    weights from pages of a mapped file, which they do from `fetched_from` tokens in a batch on.
    `kept_gib` of its memory is for others.
    """

    bandwidth_gb_s: Sourced[float]
    tflops: Sourced[float]
    link_gb_s: Sourced[float]
    fetched_from: Sourced[int]
    kept_gib: Sourced[float]


class Calibration(Record):
    """`presets/calibration/<id>.yaml`."""

    id: str
    error_band: Sourced[float]
    decode_efficiency: tuple[Efficiency, ...]
    prefill_efficiency: tuple[Efficiency, ...]
    step_overhead_ms: ByArchitecture
    vllm_activation_factor: ByArchitecture
    vllm_graph_gib: Sourced[float]
    vllm_runtime_gib: ByDevices
    vllm_max_fraction: Sourced[float]
    tgi_wiggle_room: Sourced[float]
    tgi: TgiMemory
    host: HostSide
    llamacpp_runtime_gib: dict[str, Sourced[float]]
    llamacpp_compute_floor_tokens: Sourced[int]
    load_gb_s: dict[str, Sourced[float]]
    download_mb_s: Sourced[float]
    engine_init_s: dict[str, Sourced[float]]
    speed: tuple[EngineSpeed, ...] = Field(
        default=(), exclude=True, description="read from files of their own, never from this one"
    )
    vllm_memory: VllmMemory | None = Field(
        default=None, exclude=True, description="read from a file of its own, never from this one"
    )


def known(value: Sourced[float]) -> float:
    """The value of a constant that may not be null."""
    if value.value is None:
        raise ValueError("a calibration constant is null")
    return value.value


def efficiency(
    rows: tuple[Efficiency, ...], engine: str, vendor: str, devices: int
) -> float | None:
    """The share for the largest row not above `devices`, interpolated towards the next row.

    None when the engine was never described on that vendor.
    """
    mine = sorted((r.devices, r.value) for r in rows if (r.engine, r.vendor) == (engine, vendor))
    below = [row for row in mine if row[0] <= devices]
    if not below:
        return None
    above = [row for row in mine if row[0] > devices]
    low = below[-1]
    if low[0] == devices or not above:
        return low[1]
    high = above[0]
    share = (devices - low[0]) / (high[0] - low[0])
    return low[1] + share * (high[1] - low[1])
