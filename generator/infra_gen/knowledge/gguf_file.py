"""A model that lies on disk as a GGUF file, in one part or several."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Literal

from infra_gen.errors import UsageError
from infra_gen.knowledge.gguf_header import Header, Listed, Metadata, Tensor, read_header
from infra_gen.knowledge.gguf_layers import ENCODERS, read_layers
from infra_gen.knowledge.hf_fields import one_line
from infra_gen.model.llm import ModelPreset, Task
from infra_gen.model.sourced import Sourced

Pooling = Literal["mean", "cls", "last", "rank"]
_PART = re.compile(r"^(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf$", re.IGNORECASE)
_MOST_PARTS = 1_000
_GUESSED = 1024  # added to general.file_type where the converter guessed it
# What other programs call the same type.
_TYPE_NAMES = {"MXFP4_MOE": "MXFP4"}
_POOLING: dict[int, Pooling] = {1: "mean", 2: "cls", 3: "last", 4: "rank"}


@dataclass(frozen=True, slots=True)
class GgufModel:
    """A model file: what is in it, its parts in order, and the bytes of its tensors."""

    preset: ModelPreset
    names: tuple[str, ...]
    bytes: int
    quantization: str


def parts_of(path: Path) -> tuple[str, ...]:
    """The names of all parts of the model that `path` is one of, in order."""
    match = _PART.match(path.name)
    if not match:
        return (path.name,)
    count = int(match["count"])
    if not 0 < count <= _MOST_PARTS:
        raise UsageError(f"a model in {count} parts", where=str(path))
    return tuple(
        f"{match['stem']}-{number:05d}-of-{count:05d}.gguf" for number in range(1, count + 1)
    )


def _library() -> ModuleType:
    try:
        import gguf  # type: ignore[import-not-found,import-untyped,unused-ignore]  # noqa: PLC0415
    except ImportError as error:
        raise UsageError(
            "reading GGUF files needs the gguf package",
            hint="pip install 'infra-gen[gguf]', or name a preset",
        ) from error
    return gguf  # type: ignore[no-any-return,unused-ignore]


def _sizes(library: ModuleType) -> dict[int, tuple[str, int, int]]:
    """Element type -> its name, elements a block, bytes a block."""
    return {
        int(kind): (kind.name, block, size)
        for kind, (block, size) in library.GGML_QUANT_SIZES.items()
    }


def _tensor_bytes(
    tensor: Tensor, sizes: Mapping[int, tuple[str, int, int]], where: str
) -> tuple[str, int]:
    if tensor.kind not in sizes:
        raise UsageError(
            f"tensor {tensor.name[:80]!r} has the element type {tensor.kind}, which the installed "
            "gguf package does not know",
            where=where,
            hint="pip install --upgrade gguf",
        )
    name, block, size = sizes[tensor.kind]
    if tensor.elements % block:
        raise UsageError(f"tensor {tensor.name[:80]!r} does not fill its blocks", where=where)
    return name, tensor.elements // block * size


def _weigh(header: Header, sizes: Mapping[int, tuple[str, int, int]], where: str) -> Counter[str]:
    """Bytes by element type. UsageError when the file ends before its tensors do."""
    found: Counter[str] = Counter()
    for tensor in header.tensors:
        name, length = _tensor_bytes(tensor, sizes, where)
        if header.data_start + tensor.offset + length > header.size:
            raise UsageError(
                "the file ends before its weights do", where=where,
                hint="its download is incomplete: fetch it again",
            )  # fmt: skip
        found[name] += length
    return found


def _quantization(meta: Metadata, library: ModuleType, weights: Counter[str]) -> str:
    """The name of general.file_type; where it says nothing, the type of most bytes."""
    number = meta.values.get("general.file_type")
    if isinstance(number, int):
        names = {int(kind): kind.name for kind in library.LlamaFileType}
        name = names.get(number & ~_GUESSED)
        if name:
            plain = str(name).removeprefix("MOSTLY_").removeprefix("ALL_")
            return _TYPE_NAMES.get(plain, plain)
    return weights.most_common(1)[0][0] if weights else "F16"


def _vocabulary(meta: Metadata, tensors: tuple[Tensor, ...]) -> int:
    tokens = meta.values.get("tokenizer.ggml.tokens")
    if isinstance(tokens, Listed) and tokens.count:
        return tokens.count
    shapes = [t.shape for t in tensors if t.name == "token_embd.weight" and len(t.shape) == 2]
    return shapes[0][1] if shapes else meta.positive("vocab_size")


def _params(meta: Metadata, tensors: tuple[Tensor, ...]) -> tuple[int, int]:
    """All parameters, and those that one token passes through."""
    total = sum(tensor.elements for tensor in tensors)
    experts = sum(tensor.elements for tensor in tensors if "_exps." in tensor.name)
    count = meta.whole("expert_count", 0)
    if not experts or not count:
        return total, total
    used = min(meta.whole("expert_used_count", count), count)
    return total, total - experts + experts * used // count


def _task(meta: Metadata) -> tuple[Task, Pooling | None]:
    pooling = _POOLING.get(meta.whole("pooling_type", 0))
    if pooling == "rank":
        return "rerank", pooling
    return ("embed" if pooling or meta.name in ENCODERS else "generate"), pooling


def _refuse_others(meta: Metadata) -> None:
    """Adapters, projectors and the like are GGUF files too."""
    kind = meta.values.get("general.type", "model")
    if kind != "model" or meta.name == "clip":
        raise UsageError(
            f"this GGUF file is not a model by itself (general.type {kind!r}, architecture "
            f"{meta.name!r})",
            where=meta.where,
            hint="name the file with the language model",
        )


def _text(meta: Metadata, key: str) -> str | None:
    value = meta.values.get(key)
    return (one_line(value) or None) if isinstance(value, str) else None


def _said(meta: Metadata, key: str, source: str, checked: date) -> Sourced[str]:
    value = _text(meta, key)
    if value is None:
        return Sourced(value=None, note=f"the file has no {key}")
    return Sourced(value=value, source=f"{key} in {source}", checked=checked)


def _preset(
    meta: Metadata, tensors: tuple[Tensor, ...], name: str, stem: str, checked: date
) -> ModelPreset:
    total, active = _params(meta, tensors)
    task, pooling = _task(meta)
    template = "tokenizer.chat_template"
    has_template = isinstance(meta.values.get(template), str)
    return ModelPreset(
        id=re.sub(r"[^a-z0-9.-]+", "-", stem.lower()).strip("-.") or "model",
        name=_text(meta, "general.name") or stem,
        hf_id=stem,
        task=task,
        pooling=Sourced(value=pooling, source=f"pooling_type in {name}", checked=checked)
        if pooling
        else None,
        chat_template=Sourced(value="in the GGUF file", source=name, checked=checked)
        if has_template
        else Sourced(value=None, note=f"the file has no {template}"),
        released=Sourced(value=None, note="a GGUF file does not say"),
        license=_said(meta, "general.license", name, checked),
        gated=Sourced(value=False, assumed=True, note="the file is here already"),
        params_total=Sourced(value=total, source=f"tensors of {name}", checked=checked),
        params_active=Sourced(value=active, source=f"tensors of {name}", checked=checked),
        architecture=read_layers(
            meta,
            _vocabulary(meta, tensors),
            tied=all(tensor.name != "output.weight" for tensor in tensors),
            checked=checked,
        ),
    )


def _headers(folder: Path, names: tuple[str, ...]) -> list[Header]:
    missing = [name for name in names if not (folder / name).exists()]
    if len(names) > 1 and missing:
        raise UsageError(
            f"{len(missing)} of {len(names)} parts are missing: {', '.join(missing[:4])}",
            where=str(folder),
            hint="all parts of a model must be in one folder",
        )
    return [read_header(folder / name) for name in names]


def read_gguf(path: Path, checked: date) -> GgufModel:
    """The model in `path` and its further parts; the weights themselves are not read.

    `checked` is the date that its facts carry. Raises UsageError naming the file for whatever is
    missing, damaged or not a model.
    """
    names = parts_of(path)
    headers = _headers(path.parent, names)
    first = str(path.with_name(names[0]))
    meta = Metadata(headers[0].values, first)
    _refuse_others(meta)
    declared = meta.values.get("split.count", 1)
    if isinstance(declared, int) and declared > 1 and declared != len(names):
        raise UsageError(
            f"one of {declared} parts by its metadata, {len(names)} by its name", where=first,
            hint="keep the names that llama.cpp gave the parts: -00001-of-00002.gguf",
        )  # fmt: skip
    library = _library()
    sizes = _sizes(library)
    weights: Counter[str] = Counter()
    for name, header in zip(names, headers, strict=True):
        weights += _weigh(header, sizes, str(path.with_name(name)))
    tensors = tuple(tensor for header in headers for tensor in header.tensors)
    if not tensors:
        raise UsageError("the file holds no weights", where=first)
    stem = _PART.match(names[0])
    plain = stem["stem"] if stem else Path(names[0]).stem
    return GgufModel(
        preset=_preset(meta, tensors, names[0], plain, checked),
        names=names,
        bytes=sum(weights.values()),
        quantization=_quantization(meta, library, weights),
    )
