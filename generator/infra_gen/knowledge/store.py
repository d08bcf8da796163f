"""Presets by name. One generated index is read at start; a preset is validated when asked for.

The index (`presets/index.json`, made by `generator/tools/build_index.py`) exists because parsing
hundreds of YAML files would cost more than everything else `infra-gen` does. A preset that is not in
the index yet (a contributor's new file), or was edited since, is read from its YAML.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from infra_gen.errors import PresetError, UsageError, did_you_mean
from infra_gen.model.calibration import Calibration
from infra_gen.model.calibration_memory import VllmMemory
from infra_gen.model.calibration_speed import EngineSpeed
from infra_gen.model.hardware import DevicePreset, InstancePreset
from infra_gen.model.llm import ModelPreset
from infra_gen.model.sourced import Record
from infra_gen.model.workload import Workload
from infra_gen.resources import data_dir, in_checkout

R = TypeVar("R", bound=Record)

KINDS: Mapping[str, type[Record]] = {
    "hardware": DevicePreset,
    "instances": InstancePreset,
    "models": ModelPreset,
    "workloads": Workload,
    "calibration": Calibration,
    "calibration/speed": EngineSpeed,
    "calibration/memory": VllmMemory,
}
# What lies in the folder of each engine, and is in the index too.
OF_ENGINES = {"engines": "engine.yaml", "constraints": "constraints.yaml"}


@lru_cache(maxsize=1)
def index() -> dict[str, dict[str, Any]]:
    """The raw presets: kind -> id -> document.

    Beside them `aliases`: kind -> alias -> id, and `digests`: kind -> id -> that of its YAML.
    """
    path = data_dir("presets") / "index.json"
    loaded: dict[str, dict[str, Any]] = json.loads(path.read_text("utf-8"))
    return loaded


def names(kind: str) -> list[str]:
    """Every id of that kind, sorted."""
    return sorted(index()[kind])


def preset_path(kind: str, name: str) -> Path:
    """Where the YAML of a preset is, whether or not there is one."""
    presets = data_dir("presets")
    if kind in OF_ENGINES:
        return presets / "engines" / name / OF_ENGINES[kind]
    return presets / kind / f"{name}.yaml"


def file_digest(path: Path) -> str:
    """What the index remembers of a YAML file, to tell whether it was edited since."""
    return hashlib.sha256(path.read_text("utf-8").encode()).hexdigest()[:16]


@lru_cache(maxsize=1)
def _index_written() -> float:
    """When the index was written; infinite in an installed package, whose presets nobody edits."""
    return (data_dir("presets") / "index.json").stat().st_mtime if in_checkout() else math.inf


def _edited(kind: str, name: str) -> bool:
    """Whether the YAML says something else than the index holds.

    A new clone writes its files in any order, so a later time alone says nothing.
    """
    written, path = _index_written(), preset_path(kind, name)
    if math.isinf(written) or not path.is_file() or path.stat().st_mtime <= written:
        return False
    known: str | None = index().get("digests", {}).get(kind, {}).get(name)
    return file_digest(path) != known


def document(kind: str, name: str) -> dict[str, Any] | None:
    """The raw preset of that id: the index's, or its YAML's where that is new or was edited."""
    found: dict[str, Any] | None = index().get(kind, {}).get(name)
    return found if found is not None and not _edited(kind, name) else _from_yaml(kind, name)


def _from_yaml(kind: str, name: str) -> dict[str, Any] | None:
    path = preset_path(kind, name)
    if "/" in name or not path.is_file():
        return None
    return read_preset(path)


def read_preset(path: Path) -> dict[str, Any]:
    """The raw preset in that file. PresetError when it is no YAML mapping."""
    try:
        found = read_yaml(path)
    except Exception as error:
        if not type(error).__module__.startswith("ruamel"):
            raise  # ruamel is imported only inside `read_yaml`, so its errors are told by name
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "unreadable"
        raise PresetError(f"not valid YAML: {problem}", where=f"{path}{line}") from error
    if not isinstance(found, dict):
        raise PresetError("the preset is not a mapping of keys", where=str(path))
    return found


def validated(record: type[R], document: object, path: Path) -> R:
    """The preset of that file as its record. PresetError names the file and the key."""
    try:
        return record.model_validate(document)
    except ValidationError as error:
        first, more = error.errors()[0], error.error_count() - 1
        key = ".".join(str(part) for part in first["loc"]) or "the preset"
        others = f" ({more} more)" if more else ""
        raise PresetError(
            f"{key}: {first['msg'].removeprefix('Value error, ')}{others}",
            where=str(path),
            hint="correct the file, then run `make index`",
        ) from error


def read_yaml(path: Path) -> dict[str, Any]:
    """One YAML mapping from disk, plain Python values."""
    from ruamel.yaml import YAML  # noqa: PLC0415  (imported only when a preset is not indexed)

    document: dict[str, Any] = YAML(typ="safe", pure=True).load(path.read_text("utf-8"))
    return document


def canonical(kind: str, name: str) -> str | None:
    """The id that `name` (an id or alias, any case) stands for, or None."""
    wanted = name.lower()
    if wanted in index()[kind]:
        return wanted
    alias: str | None = index()["aliases"].get(kind, {}).get(wanted)
    if alias is None and _from_yaml(kind, wanted) is not None:
        return wanted
    return alias


def load(kind: str, name: str, record: type[R]) -> R:
    """The preset of that id or alias, validated; UsageError with close matches otherwise."""
    found = canonical(kind, name)
    if found is None:
        known = [*index()[kind], *index()["aliases"].get(kind, {})]
        raise UsageError(f"unknown {_SINGULAR[kind]} {name!r}", hint=did_you_mean(name, known))
    return validated(record, document(kind, found), preset_path(kind, found))


_SINGULAR = {
    "hardware": "hardware",
    "instances": "instance",
    "models": "model",
    "workloads": "workload",
}


@lru_cache(maxsize=1)
def calibration() -> Calibration:
    """The constants that plans use."""
    kind = "calibration/speed"
    speed = tuple(load(kind, name, EngineSpeed) for name in names(kind))
    own = {"speed": speed, "vllm_memory": load("calibration/memory", "vllm", VllmMemory)}
    return load("calibration", "roofline", Calibration).model_copy(update=own)


@lru_cache(maxsize=1)
def models() -> tuple[ModelPreset, ...]:
    """Every model preset, for `auto`."""
    return tuple(load("models", name, ModelPreset) for name in names("models"))


def workload(name: str) -> Workload:
    """A workload preset by name."""
    return load("workloads", name, Workload)
