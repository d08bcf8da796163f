"""Calibration: the constants of planning, each with its source."""

from __future__ import annotations

from pydantic import Field

from infra_gen.model.calibration_memory import VllmMemory
from infra_gen.model.calibration_speed import EngineSpeed
from infra_gen.model.sourced import Record, Sourced


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
