"""Facts: all that a plan may know, gathered before planning starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from infra_gen.model.calibration import Calibration
from infra_gen.model.engine import EngineInfo
from infra_gen.model.llm import ModelPreset
from infra_gen.model.plan import Machine
from infra_gen.model.workload import Workload


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """A preset, or a local folder dressed as one; the folder fields are set for the latter."""

    preset: ModelPreset
    folder: str | None = None
    folder_quantization: str | None = None
    folder_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """`models` is one model, or every preset when the spec leaves the choice to infra-gen."""

    machine: Machine
    models: tuple[ModelFacts, ...]
    auto_model: bool
    workload: Workload
    engines: Mapping[str, EngineInfo]
    calibration: Calibration
