"""Reading and writing `infra-gen.yaml`: errors name file, line and key."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from infra_gen.errors import SpecError, UsageError, did_you_mean
from infra_gen.lifecycle.spec_document import Layer, merged, place, read_layers
from infra_gen.model.names import ENGINE_NAMES, TARGET_NAMES, one_of
from infra_gen.model.spec import Spec, reserved
from infra_gen.render.yamldoc import Noted, dump

_SCHEMA_LINE = "# yaml-language-server: $schema=.infra-gen/spec.schema.json\n"

_COMMENTS = {
    "name": "Names the folder, the containers and the API's model list.",
    "hardware": "A preset (infra-gen list hardware), several (2x4090, h100:8), or a profile's file.",
    "model": "A preset, Hugging Face id, folder or .gguf file. auto: the best rated that holds the load.",
    "engine": f"{', '.join(ENGINE_NAMES)}, or {{name, version}}. auto: what fits hardware and users.",
    "target": f"{one_of(TARGET_NAMES)}. auto: launchd on Apple machines, else compose.",
    "load": "Who uses it. A user is a person in an active session.",
    "quantization": "A checkpoint's quantization, such as fp8, awq-int4 or Q4_K_M.",
    "image": "build: image/Dockerfile on the pinned official image. official: that image as it is.",
    "serve": "Who can connect and how. exposure: loopback, lan or public (then also host and tls).",
    "storage": "Where model files lie, and how many GiB they may take. auto: a volume, or models/.",
    "monitoring": "Prometheus with alert rules, Grafana. false, or {dashboards, gpu, ..._port}.",
    "offline": "No network: {mirror, model_path}.",
    "gpu_fraction": "Share of each GPU's memory for this deployment.",
    "engine_args": "Raw engine flags: checked against the engine's own table, and they win.",
    "patches": "Changes of rendered files: {file, op, path, value}, as JSON patches.",
    "packs": "Cookiecutter templates of yours: {source, answers}.",
    "allow": "Rules this deployment may break: {rule, reason}.",
}


@contextmanager
def blamed(path: Path | None) -> Iterator[None]:
    """What a spec read from `path` asks in vain is that file's error, not the command line's."""
    try:
        yield
    except UsageError as error:
        if path is None:
            raise
        where = f"{_line_of(path, error.where)}: {error.where}" if error.where else str(path)
        raise SpecError(error.message, where=where, hint=error.hint) from error


def _line_of(path: Path, dotted: str) -> str:
    """file:line of a key of the spec in `path`; the file alone where it is no key of it."""
    keys = tuple(dotted.split("."))
    with suppress(SpecError):
        layers = read_layers(path)
        if any(keys[0] in layer.plain for layer in layers):
            return place(layers, keys)
    return str(path)


def spec_sha256(spec: Spec) -> str:
    """Hash of what the spec says; comments and key order do not count."""
    document = spec.model_dump(mode="json")
    if not spec.packs:
        del document["packs"]  # specs without packs keep the hash that their locks know
    text = json.dumps(document, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def spec_text(spec: Spec) -> str:
    """The spec as a commented file: every key that a user may want to turn."""
    document: dict[str, Any] = spec.model_dump(mode="json", exclude_none=True, by_alias=True)
    if not spec.packs:
        del document["packs"]
    document["load"] = {k: v for k, v in document["load"].items() if v is not None}
    shown = {
        key: Noted(value, "\n" + _COMMENTS[key]) if key in _COMMENTS else value
        for key, value in document.items()
    }
    return _SCHEMA_LINE + dump(shown)


def read_spec(path: Path) -> Spec:
    """The spec in `path`, over what it extends. SpecError with line and key for whatever is wrong."""
    return spec_and_bases(path)[0]


def spec_and_bases(path: Path, text: str | None = None) -> tuple[Spec, tuple[str, ...]]:
    """The spec, and the files that it extends as seen from its folder, nearest first.

    `text` stands in for what the file says.
    """
    layers = read_layers(path, text)
    return spec_of(layers), bases_of(layers)


def bases_of(layers: Sequence[Layer]) -> tuple[str, ...]:
    """The files under the nearest one, as seen from its folder."""
    folder = layers[0].path.parent
    return tuple(os.path.relpath(layer.path, folder) for layer in layers[1:])


def spec_of(layers: Sequence[Layer]) -> Spec:
    """What the layers say together, validated. SpecError with line and key."""
    document = merged(layers)
    version = document.get("version")
    if isinstance(version, bool):
        raise SpecError(f"version: {version} is not 1", where=place(layers, ("version",)))
    if isinstance(version, int) and version > 1:
        raise SpecError(
            f"spec version {version} is newer than this infra-gen reads (1)",
            where=place(layers, ("version",)),
            hint="upgrade infra-gen",
        )
    _refuse_reserved(document, layers)
    try:
        return Spec.model_validate(document)
    except ValidationError as error:
        raise _spec_error(error, layers) from error


def _refuse_reserved(document: Mapping[str, Any], layers: Sequence[Layer]) -> None:
    flat: dict[tuple[str, ...], Any] = {(k,): v for k, v in document.items()}
    for key, value in document.items():
        if isinstance(value, Mapping):
            flat.update({(key, inner): v for inner, v in value.items()})
    for keys, value in flat.items():
        dotted = ".".join(str(k) for k in keys)
        purpose = reserved(dotted, value if isinstance(value, str) else None)
        if purpose and value is not None:
            raise SpecError(
                f"{dotted} is reserved for {purpose}, which this version does not build yet",
                where=place(layers, keys),
                hint=f"remove {dotted}",
            )


def _known_keys(loc: tuple[Any, ...]) -> list[str]:
    """Keys of the record that `loc` points into."""
    record: type[BaseModel] = Spec
    for _, inner in _walk(loc[:-1]):
        record = inner or record
    return list(record.model_fields)


def _records_in(annotation: Any) -> list[type[BaseModel]]:
    """The records that an annotation names, also inside a union or tuple."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [record for inner in get_args(annotation) for record in _records_in(inner)]


def _walk(loc: Sequence[Any]) -> Iterator[tuple[str, type[BaseModel] | None]]:
    """The keys that a user wrote on the way to `loc`, each with the record that it holds.

    Pydantic names union members on the way; they are no keys.
    """
    records: list[type[BaseModel]] = [Spec]
    for part in loc:
        if isinstance(part, int):
            yield str(part), None
            continue
        named = [record for record in records if record.__name__ == part]
        if named:
            records = named
            continue
        holder = next((record for record in records if part in record.model_fields), None)
        if holder is None and (part in _UNION_WORDS or "[" in part):
            continue
        field = holder.model_fields[part] if holder else None
        if field:
            records = _records_in(field.annotation) + [
                record for extra in field.metadata for record in _records_in(extra)
            ]
        yield part, records[0] if field and records else None


_UNION_WORDS = frozenset({"str", "int", "float", "bool", "constrained-str", "constrained-int"})


def key_path(loc: Sequence[Any]) -> str:
    """Pydantic's place of an error as the keys that a user wrote."""
    return ".".join(key for key, _ in _walk(loc))


def complaint(error: Mapping[str, Any]) -> str:
    """One validation error in words."""
    message = str(error["msg"]).removeprefix("Value error, ")
    return f"{message}, got {error['input']!r:.80}"


def placed(error: Mapping[str, Any]) -> Mapping[str, Any]:
    """The error at the key that it is about.

    A check over several keys of a record begins its message with the key at fault, `port: ...`.
    """
    message = str(error["msg"]).removeprefix("Value error, ")
    key, colon, rest = message.partition(": ")
    given = error["input"]
    if error["type"] != "value_error" or not colon or not isinstance(given, Mapping):
        return error
    return {**error, "loc": (*error["loc"], key), "msg": rest, "input": given.get(key)}


def _spec_error(error: ValidationError, layers: Sequence[Layer]) -> SpecError:
    errors = error.errors()
    # Of a union (engine: name or mapping) the shortest complaint is about the form that was written.
    first = placed(min(errors, key=lambda e: (e["type"] != "extra_forbidden", len(e["loc"]))))
    loc = tuple(first["loc"])
    dotted = key_path(loc)
    where = place(layers, tuple(dotted.split(".")))
    if first["type"] == "extra_forbidden":
        hint = did_you_mean(str(loc[-1]), _known_keys(loc))
        return SpecError(f"unknown key {dotted!r}", where=where, hint=hint)
    if first["type"] == "missing":
        return SpecError(f"{dotted} is missing", where=where, hint=f"add {dotted}: ...")
    return SpecError(f"{dotted}: {complaint(first)}", where=where)
