"""Presets by name. One generated index is read at start; a preset is validated when asked for.

The index (`presets/index.json`, made by `generator/tools/build_index.py`) exists because parsing
fifty YAML files would cost more than everything else `infra-gen` does. A preset that is not in the
index yet (a contributor's new file) is read from its YAML.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from infra_gen.errors import UsageError, did_you_mean
from infra_gen.model.calibration import Calibration
from infra_gen.model.hardware import DevicePreset, InstancePreset
from infra_gen.model.llm import ModelPreset
from infra_gen.model.sourced import Record
from infra_gen.model.workload import Workload
from infra_gen.resources import data_dir

R = TypeVar("R", bound=Record)

KINDS: Mapping[str, type[Record]] = {
    "hardware": DevicePreset,
    "instances": InstancePreset,
    "models": ModelPreset,
    "workloads": Workload,
    "calibration": Calibration,
}


@lru_cache(maxsize=1)
def index() -> dict[str, dict[str, Any]]:
    """The raw presets: kind -> id -> document, plus `aliases`: kind -> alias -> id."""
    path = data_dir("presets") / "index.json"
    loaded: dict[str, dict[str, Any]] = json.loads(path.read_text("utf-8"))
    return loaded


@lru_cache(maxsize=1)
def knowledge_sha256() -> str:
    """Hash over everything that planning and rendering read: presets, tables, templates."""
    digest = hashlib.sha256()
    for kind in ("presets", "templates"):
        root = data_dir(kind)
        for path in sorted(p for p in root.rglob("*") if p.is_file()):
            if kind == "presets" and path.suffix == ".yaml" and path.name != "engine.yaml":
                continue  # what the index holds already
            digest.update(path.relative_to(root).as_posix().encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def names(kind: str) -> list[str]:
    """Every id of that kind, sorted."""
    return sorted(index()[kind])


def _from_yaml(kind: str, name: str) -> dict[str, Any] | None:
    path = data_dir("presets") / kind / f"{name}.yaml"
    if "/" in name or not path.is_file():
        return None
    return read_yaml(path)


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
    document = index()[kind].get(found) or _from_yaml(kind, found)
    try:
        return record.model_validate(document)
    except ValidationError as error:
        raise ValueError(f"presets/{kind}/{found}.yaml is wrong: {error}") from error


_SINGULAR = {
    "hardware": "hardware",
    "instances": "instance",
    "models": "model",
    "workloads": "workload",
}


@lru_cache(maxsize=1)
def calibration() -> Calibration:
    """The constants that plans use."""
    return load("calibration", "roofline", Calibration)


@lru_cache(maxsize=1)
def models() -> tuple[ModelPreset, ...]:
    """Every model preset, for `auto`."""
    return tuple(load("models", name, ModelPreset) for name in names("models"))


def workload(name: str) -> Workload:
    """A workload preset by name."""
    return load("workloads", name, Workload)
