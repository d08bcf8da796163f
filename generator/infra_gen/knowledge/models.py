"""A model by preset, Hugging Face id or local folder."""

from __future__ import annotations

import os
import re
from datetime import date
from pathlib import Path

from infra_gen.errors import UsageError, did_you_mean
from infra_gen.knowledge import store
from infra_gen.knowledge.hf_config import read_architecture, read_quantization
from infra_gen.model.facts import ModelFacts
from infra_gen.model.llm import Architecture, ModelPreset
from infra_gen.model.params import count_params
from infra_gen.model.sourced import Sourced

# The day a folder's config.json is read has no meaning for its facts, and output may not depend on
# the clock: one fixed date for all folders.
_UNDATED = date(1970, 1, 1)


def resolve_model(text: str, base: Path) -> ModelFacts:
    """The model that `text` names; relative folders are taken from `base`.

    Raises UsageError with close matches.
    """
    # Normalised first: `chat/../models` is `models` even before `chat` exists.
    folder = Path(os.path.normpath(base / os.path.expanduser(text)))  # noqa: PTH111 - unknown users stay as they are
    if text.startswith(("/", "./", "../", "~")) or (folder / "config.json").is_file():
        return _from_folder(folder, text)
    found = store.canonical("models", text) or _by_hf_id(text)
    if found:
        return ModelFacts(store.load("models", found, ModelPreset))
    if text.lower().endswith(".gguf"):
        raise UsageError(
            f"model {text!r}: GGUF files of your own are not read yet",
            hint="name a preset, or a folder that holds config.json",
        )
    known = [*store.index()["models"], *store.index()["aliases"]["models"]]
    raise UsageError(
        f"unknown model {text!r}",
        hint=did_you_mean(text.rsplit("/", 1)[-1], known) + " A folder with config.json works too.",
    )


def _by_hf_id(text: str) -> str | None:
    wanted = text.lower()
    for name, document in store.index()["models"].items():
        repos = [document["hf_id"], *(c["repo"] for c in document.get("checkpoints", ()))]
        if wanted in (repo.lower() for repo in repos):
            return str(name)
    return None


def _weight_bytes(folder: Path) -> int | None:
    """The shards an engine reads; `consolidated` files are a second copy of the same weights."""
    shards = [p for p in sorted(folder.glob("*.safetensors")) if "consolidated" not in p.name]
    return sum(p.stat().st_size for p in shards) or None


def _from_folder(folder: Path, text: str) -> ModelFacts:
    """`text` is how the spec names it: relative names stay so, for other checkouts to work."""
    config = folder / "config.json"
    if not config.is_file():
        raise UsageError(
            "no config.json in this folder" if folder.is_dir() else "no such folder",
            where=str(folder),
            hint="--model takes a preset, a Hugging Face id of a preset, or a folder with config.json",
        )
    architecture = read_architecture(config, _UNDATED)
    named = text if text.startswith(("/", "~", ".")) else f"./{text}"
    return ModelFacts(
        preset=_dressed(architecture, folder),
        folder=named,
        folder_quantization=read_quantization(config),
        folder_bytes=_weight_bytes(folder),
    )


def _dressed(architecture: Architecture, folder: Path) -> ModelPreset:
    unknown = "a local folder does not say"
    params = count_params(architecture)
    name = re.sub(r"[^a-z0-9.-]+", "-", folder.name.lower()).strip("-.") or "model"
    return ModelPreset(
        id=name,
        name=folder.name,
        hf_id=folder.name,
        released=Sourced(value=None, note=unknown),
        license=Sourced(value=None, note=unknown),
        gated=Sourced(value=False, assumed=True, note="the files are here already"),
        params_total=Sourced(value=params.total, assumed=True, note="counted from config.json"),
        params_active=Sourced(value=params.active, assumed=True, note="counted from config.json"),
        architecture=architecture,
    )
