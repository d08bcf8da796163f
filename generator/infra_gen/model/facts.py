"""Facts: all that a plan may know, gathered before planning starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from infra_gen.model.calibration import Calibration
from infra_gen.model.engine import EngineInfo
from infra_gen.model.llm import ModelPreset
from infra_gen.model.machine import Machine
from infra_gen.model.target import TargetKind
from infra_gen.model.workload import Workload


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """A preset, or what was read elsewhere dressed as one.

    `folder` and what follows it: a local folder with config.json. `file`: a GGUF file on this host
    as the spec names it (of several parts the first), `file_names` its parts in order without
    their folder, `file_bytes` the sum of its tensors, `file_quantization` llama.cpp's name. `hub`:
    read from the Hugging Face Hub, where `preset.checkpoints` pin the commit. `repo`: a repository
    that a preset lists or that is named like a preset, where that name and not the preset's was
    asked for; `preset.checkpoints` are then its own. `guessed`: why its shapes are believed to be
    the preset's, where only its name says so.
    """

    preset: ModelPreset
    folder: str | None = None
    folder_quantization: str | None = None
    folder_bytes: int | None = None
    file: str | None = None
    file_names: tuple[str, ...] = ()
    file_bytes: int | None = None
    file_quantization: str | None = None
    hub: bool = False
    repo: str | None = None
    guessed: str | None = None

    @property
    def reference(self) -> str:
        """What spec and lock write to mean this model."""
        named = self.file or self.folder or self.repo
        return named or (self.preset.hf_id if self.hub else self.preset.id)

    @property
    def file_folder(self) -> str | None:
        """The folder of `file`, named the same way."""
        if self.file is None:
            return None
        return self.file.rpartition("/")[0] or ("/" if self.file.startswith("/") else ".")

    @property
    def is_preset(self) -> bool:
        """Whether the presets hold all of it: nothing else has to be kept for a later check."""
        return not (self.folder or self.file or self.hub or self.guessed)


@dataclass(frozen=True, slots=True)
class Facts:
    """`models` is one model, or every preset when the spec leaves the choice to infra-gen.

    `target` is where the deployment will run. `load_stated` is False where nobody said how many
    people there are: the engine's own limits hold then, and the question is how many they carry.
    """

    machine: Machine
    models: tuple[ModelFacts, ...]
    auto_model: bool
    workload: Workload
    engines: Mapping[str, EngineInfo]
    target: TargetKind
    calibration: Calibration
    load_stated: bool = True

    def preset(self, model_id: str) -> ModelPreset | None:
        """The model of that id, None when it is none of these."""
        return next((m.preset for m in self.models if m.preset.id == model_id), None)
