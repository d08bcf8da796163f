"""A repository of models as a preset: what its files and its card say. Pure: reads nothing itself."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date

from infra_gen.errors import UsageError
from infra_gen.knowledge.hf_config import (
    MODELOPT_FILE,
    POOLING_FILE,
    HfModel,
    Pooling,
    model_of,
    parse_json,
    pooling_of,
)
from infra_gen.model.llm import Checkpoint, ModelPreset, Task
from infra_gen.model.sourced import Sourced

CONFIG_FILE = "config.json"
_ADAPTER_FILE = "adapter_config.json"
# The type in a GGUF file's name, as llama.cpp's users write it: Q4_K_M, IQ4_XS, UD-Q4_K_XL, F16.
_GGUF_TYPE = re.compile(
    r"(?:^|[-._/])((?:UD-)?(?:I?Q\d(?:_[A-Z0-9]+)*|TQ\d_0|MXFP4(?:_MOE)?|NVFP4|BF16|FP?16|FP?32))"
    r"(?=$|[-._/])",
    re.IGNORECASE,
)
_PLAIN_NAME = re.compile(r"^(?!.*\.\.)[A-Za-z0-9_][\w./+-]*$", re.ASCII)
_GGUF_PART = re.compile(r"-(\d{5})-of-(\d{5})$")
_SAME_TYPE = {"FP16": "F16", "FP32": "F32", "MXFP4_MOE": "MXFP4"}
_TASKS: dict[str, Task] = {
    "text-ranking": "rerank",
    "feature-extraction": "embed",
    "sentence-similarity": "embed",
}
# Element types that the Hub counts one by one; packed ones hold several weights in one element.
_WHOLE = ("BF16", "F16", "F32", "F8_E4M3", "F8_E4M3FN")


@dataclass(frozen=True, slots=True)
class RepoFile:
    """A file of a repository: bytes and hash where the Hub says them."""

    size: int | None
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Repository:
    """One repository at one commit. `checked` is the commit's date: its content never changes.

    `read` gives a small file's bytes. `params` are the counts of safetensors elements by type.
    """

    id: str
    commit: str
    url: str
    checked: date
    files: Mapping[str, RepoFile]
    read: Callable[[str], bytes]
    license: str | None = None
    gated: bool | None = None
    created: str | None = None
    pipeline: str | None = None
    base: str | None = None
    params: Mapping[str, int] | None = None
    template: str | None = None

    def sourced(self, value: object, what: str) -> dict[str, object]:
        """`value` with this commit as its source; null where the Hub does not say."""
        if value is None:
            return {"value": None, "note": f"{self.url} does not say {what}"}
        return {"value": value, "source": self.url, "checked": self.checked}


def gguf_files(files: Mapping[str, RepoFile]) -> dict[str, tuple[str, ...]]:
    """Files of each GGUF type in order. Of several models of one type the largest is taken."""
    stems: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name in sorted(files):
        plain = name[:-5]
        last = plain.rsplit("/", 1)[-1].lower()
        if not name.lower().endswith(".gguf") or "mmproj" in last or "imatrix" in last:
            continue
        if not _PLAIN_NAME.match(name):  # it becomes part of commands
            continue
        stem = _GGUF_PART.sub("", plain)
        types = _GGUF_TYPE.findall(stem)
        if types:
            kind = _SAME_TYPE.get(types[-1].upper(), types[-1].upper())
            stems[kind, stem].append(name)
    found: dict[str, tuple[str, ...]] = {}
    for (kind, _), names in sorted(stems.items()):
        complete = _complete(names)
        if complete and _bytes(files, complete) > _bytes(files, found.get(kind, ())):
            found[kind] = complete
    return found


def _complete(names: list[str]) -> tuple[str, ...] | None:
    """The parts in order, None when one of them is missing."""
    parts = [_GGUF_PART.search(name[:-5]) for name in names]
    wanted = max((int(part[2]) for part in parts if part), default=1)
    return tuple(names) if len(names) == wanted else None


def _bytes(files: Mapping[str, RepoFile], names: tuple[str, ...]) -> int:
    """Sum of the sizes that are known, -1 for no files."""
    return sum(files[name].size or 0 for name in names) if names else -1


def weight_files(files: Mapping[str, RepoFile]) -> tuple[str, ...]:
    """The safetensors that an engine reads: `consolidated` is a second copy, adapters are none."""
    return tuple(
        name
        for name in sorted(files)
        if name.endswith(".safetensors")
        and "/" not in name
        and not name.startswith(("consolidated", "adapter_"))
    )


def _sum_of(repo: Repository, names: tuple[str, ...]) -> Sourced[int]:
    sizes = [repo.files[name].size for name in names]
    known = [size for size in sizes if size is not None]
    if len(known) != len(sizes):
        note = f"{repo.url} does not say the size of every weight file"
        return Sourced(value=None, note=note)
    return Sourced(value=sum(known), source=repo.url, checked=repo.checked)


def _checkpoint(
    repo: Repository, kind: str, quantization: str, names: tuple[str, ...], *, official: bool
) -> Checkpoint:
    one = repo.files[names[0]].sha256 if len(names) == 1 else None
    return Checkpoint.model_validate(
        {
            "format": kind,
            "quantization": quantization,
            "repo": repo.id,
            "files": names if kind == "gguf" else (),
            "bytes": _sum_of(repo, names),
            "sha256": one,
            "revision": repo.commit if re.fullmatch(r"[0-9a-f]{40}", repo.commit) else None,
            "official": official,
            "source": repo.url,
            "checked": repo.checked,
        }
    )


def _checkpoints(repo: Repository, quantization: str | None) -> tuple[Checkpoint, ...]:
    own = repo.base is None
    found = []
    weights = weight_files(repo.files)
    if weights and quantization:
        found.append(_checkpoint(repo, "safetensors", quantization, weights, official=own))
    for kind, names in gguf_files(repo.files).items():
        found.append(_checkpoint(repo, "gguf", kind, names, official=own))
    if not found:
        adapter = _ADAPTER_FILE in repo.files
        raise UsageError(
            "an adapter, not a model" if adapter else "no safetensors or GGUF files",
            where=repo.url,
            hint="name the model that it adapts" if adapter else "name another repository",
        )
    return tuple(found)


def _model(repo: Repository) -> HfModel:
    where = f"{repo.url}: {CONFIG_FILE}"
    document = parse_json(repo.read(CONFIG_FILE), where)
    modelopt = None
    if MODELOPT_FILE in repo.files:
        modelopt = parse_json(repo.read(MODELOPT_FILE), f"{repo.url}: {MODELOPT_FILE}")
    return model_of(document, where, repo.checked, repo.url, modelopt)


def _pooling(repo: Repository, task: Task) -> Pooling | None:
    if POOLING_FILE in repo.files:
        return pooling_of(parse_json(repo.read(POOLING_FILE), f"{repo.url}: {POOLING_FILE}"))
    return "rank" if task == "rerank" else None


def _params(repo: Repository, model: HfModel) -> tuple[Sourced[int], Sourced[int]]:
    counted = "counted from config.json"
    active = Sourced[int](value=model.params.active, assumed=True, note=counted)
    total = Sourced[int](value=model.params.total, assumed=True, note=counted)
    stated = repo.params or {}
    if stated and all(kind in _WHOLE for kind in stated):
        total = Sourced[int](value=sum(stated.values()), source=repo.url, checked=repo.checked)
    return total, active


def preset_of(repo: Repository, base: Repository | None, ident: str) -> ModelPreset:
    """The preset of `repo`; where it has weights alone, `base` has the config.json.

    Raises UsageError naming the repository for whatever is missing or contradictory.
    """
    card = base or repo
    model = _model(card)
    embeds = POOLING_FILE in card.files
    task: Task = model.task
    if task == "generate":
        task = "embed" if embeds else _TASKS.get(card.pipeline or "", "generate")
    pooling = _pooling(card, task) if task != "generate" else None
    total, active = _params(card, model)
    fields = {
        "id": ident,
        "name": repo.id.rsplit("/", 1)[-1],
        "hf_id": repo.id,
        "task": task,
        "pooling": card.sourced(pooling, "how it pools") if pooling else None,
        "chat_template": card.sourced(card.template, "a chat template")
        if task == "generate"
        else None,
        "released": card.sourced(card.created, "when it was released"),
        "license": card.sourced(card.license or repo.license, "its license"),
        "gated": repo.sourced(repo.gated, "whether it is gated"),
        "params_total": total,
        "params_active": active,
        "dtype": "fp16" if model.quantization == "fp16" else "bf16",
        "architecture": model.architecture,
        "checkpoints": _checkpoints(repo, None if base else model.quantization),
    }
    return ModelPreset.model_validate(fields)
