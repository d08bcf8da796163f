"""A model by preset, Hugging Face id, local folder or GGUF file."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from infra_gen.errors import SpecError, UsageError, did_you_mean
from infra_gen.knowledge import store
from infra_gen.knowledge.gguf_file import parts_of, read_gguf
from infra_gen.knowledge.hf_config import (
    POOLING_FILE,
    HfModel,
    Pooling,
    parse_json,
    read_model,
    read_pooling,
)
from infra_gen.knowledge.hub import HUB_ID, HubUnreadError, read_hub
from infra_gen.knowledge.repositories import find_by_name, find_repository
from infra_gen.knowledge.safetensors_files import weight_bytes
from infra_gen.model.facts import ModelFacts
from infra_gen.model.llm import ModelPreset
from infra_gen.model.sourced import Sourced

# The day a file is read has no meaning for its facts, and output may not depend on the clock: one
# fixed date for all that is read from disk. What is read from the Hub carries its commit's date.
_UNDATED = date(1970, 1, 1)
MODEL_FILE = ".infra-gen/model.json"  # beside the lock: see document_of
_LARGEST_DOCUMENT = 2**20


def resolve_model(text: str, base: Path, revision: str | None = None) -> ModelFacts:
    """The model that `text` names; relative paths are taken from `base`.

    A `revision` (of the lock) holds for ids of the Hub, which is asked for nothing else. Raises
    UsageError with close matches.
    """
    # Normalised first: `chat/../models` is `models` even before `chat` exists.
    place = Path(os.path.normpath(base / os.path.expanduser(text)))  # noqa: PTH111 - unknown users stay as they are
    if text.lower().endswith(".gguf"):
        return _from_gguf(place, text)
    if text.startswith(("/", "./", "../", "~")) or (place / "config.json").is_file():
        return _from_folder(place, text)
    found = store.canonical("models", text)
    if found:
        return ModelFacts(store.load("models", found, ModelPreset))
    listed = find_repository(text)
    if listed:
        return listed
    if HUB_ID.match(text) and not place.is_dir():
        return _from_hub(text, revision)
    by_name = find_by_name(text)
    if by_name:
        return by_name
    raise UsageError(
        f"unknown model {text!r}",
        hint=_close(text) + " A folder with config.json, a .gguf file and owner/name work too.",
    )


def _close(text: str) -> str:
    known = [*store.index()["models"], *store.index()["aliases"]["models"]]
    return did_you_mean(text.rsplit("/", 1)[-1], known)


def _from_hub(text: str, revision: str | None) -> ModelFacts:
    def taken(name: str) -> bool:
        return store.canonical("models", name) is not None

    try:
        return ModelFacts(read_hub(text, taken, revision), hub=True)
    except HubUnreadError as error:
        by_name = find_by_name(text)
        if by_name:
            return by_name
        raise _with_close(error, text) from error
    except UsageError as error:
        raise _with_close(error, text) from error


def _with_close(error: UsageError, text: str) -> UsageError:
    """The error, with presets of a close name where the repository was not read."""
    hint, close = error.hint, _close(text)
    # Where the repository itself was read, the name is no typo of a preset's.
    if error.where in (None, text) and close.startswith("did you mean"):
        hint = f"{hint}; {close}" if hint else close
    return UsageError(error.message, where=error.where or text, hint=hint)


def _named(text: str) -> str:
    """How the spec names a path: relative ones stay so, for other checkouts to work."""
    return text if text.startswith(("/", "~", ".")) else f"./{text}"


def _from_gguf(path: Path, text: str) -> ModelFacts:
    found = read_gguf(path, _UNDATED)
    first = parts_of(path)[0]
    folder, _, _ = _named(text).rpartition("/")
    return ModelFacts(
        preset=found.preset,
        file=f"{folder}/{first}",
        file_names=found.names,
        file_bytes=found.bytes,
        file_quantization=found.quantization,
    )


def _from_folder(folder: Path, text: str) -> ModelFacts:
    """`text` is how the spec names it."""
    config = folder / "config.json"
    if not config.is_file():
        files = sorted(path.name for path in folder.glob("*.gguf"))[:3] if folder.is_dir() else []
        hint = (
            "--model takes a preset, a Hugging Face id, a .gguf file, or a folder with config.json"
        )
        raise UsageError(
            "no config.json in this folder" if folder.is_dir() else "no such folder",
            where=str(folder),
            hint=f"name a file in it: {', '.join(files)}" if files else hint,
        )
    model = read_model(config, _UNDATED)
    return ModelFacts(
        preset=_dressed(model, folder),
        folder=_named(text),
        folder_quantization=model.quantization,
        folder_bytes=weight_bytes(folder),
    )


def _pooling(model: HfModel, folder: Path) -> Sourced[Pooling] | None:
    found = read_pooling(folder)
    if found:
        return Sourced(value=found, source=POOLING_FILE, checked=_UNDATED)
    if model.task == "rerank":
        return Sourced(value="rank", source="architectures in config.json", checked=_UNDATED)
    return None


def _dressed(model: HfModel, folder: Path) -> ModelPreset:
    unknown = "a local folder does not say"
    counted = "counted from config.json"
    name = re.sub(r"[^a-z0-9.-]+", "-", folder.name.lower()).strip("-.") or "model"
    pooling = _pooling(model, folder)
    # A folder of sentence-transformers embeds, whatever its class could do besides.
    task = "embed" if model.task == "generate" and pooling else model.task
    return ModelPreset(
        id=name,
        name=folder.name,
        hf_id=folder.name,
        task=task,
        pooling=pooling,
        released=Sourced(value=None, note=unknown),
        license=Sourced(value=None, note=unknown),
        gated=Sourced(value=False, assumed=True, note="the files are here already"),
        params_total=Sourced(value=model.params.total, assumed=True, note=counted),
        params_active=Sourced(value=model.params.active, assumed=True, note=counted),
        architecture=model.architecture,
    )


def document_of(facts: ModelFacts) -> dict[str, Any]:
    """`facts` as the JSON document that lies beside the lock.

    With it `check` and `update` render the same bytes on a machine that has neither the network
    nor the files. It holds no time and no absolute path that the spec does not name.
    """
    rest = {
        field.name: getattr(facts, field.name)
        for field in dataclasses.fields(facts)
        if field.name != "preset" and getattr(facts, field.name) not in (None, (), False)
    }
    preset = facts.preset.model_dump(mode="json")
    return {"schema": 1, "reference": facts.reference, **rest, "preset": preset}


def model_from_document(document: object, where: str) -> ModelFacts:
    """The model of a document that `document_of` made; `where` is its file.

    Raises SpecError when the document is not one.
    """
    hint = "infra-gen update --replan reads the model anew"
    if not isinstance(document, Mapping) or document.get("schema") != 1:
        raise SpecError("not a model document of schema 1", where=where, hint=hint)
    names = {field.name: field for field in dataclasses.fields(ModelFacts)}
    unknown = sorted(set(document) - set(names) - {"schema", "reference"})
    if unknown:
        raise SpecError(f"the unknown key {unknown[0]!r}", where=where, hint=hint)
    fields = {key: document[key] for key in names if key in document and key != "preset"}
    try:
        preset = ModelPreset.model_validate(document.get("preset"))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise SpecError(f"preset.{place}: {first['msg']}", where=where, hint=hint) from error
    for key, value in fields.items():
        if not _fits(key, value):
            raise SpecError(f"{key} is {value!r}", where=where, hint=hint)
    if "file_names" in fields:
        fields["file_names"] = tuple(fields["file_names"])
    facts = ModelFacts(preset, **fields)
    if facts.reference != document.get("reference"):
        raise SpecError("reference does not name the model in it", where=where, hint=hint)
    return facts


def _fits(key: str, value: object) -> bool:
    """Whether `value` is one that the field of ModelFacts can have."""
    if key == "hub":
        return isinstance(value, bool)
    if key in ("folder_bytes", "file_bytes"):
        return type(value) is int and value > 0
    if key == "file_names":
        return isinstance(value, list) and all(isinstance(v, str) and "/" not in v for v in value)
    return isinstance(value, str)


def stored_model(root: Path, reference: str) -> ModelFacts | None:
    """The model document of the deployment in `root`, None where it has none for `reference`.

    Raises SpecError when the file is there and wrong.
    """
    path = root / MODEL_FILE
    try:
        with path.open("rb") as stream:
            text = stream.read(_LARGEST_DOCUMENT)
        facts = model_from_document(parse_json(text, str(path)), str(path))
    except FileNotFoundError:
        return None
    except (OSError, UsageError) as error:
        raise SpecError(f"not readable: {error}", where=str(path)) from error
    return facts if facts.reference == reference else None
