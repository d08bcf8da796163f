"""Repositories of weights by name: which preset has their shapes, and what they hold."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from infra_gen.knowledge import store
from infra_gen.model.facts import ModelFacts
from infra_gen.model.llm import Checkpoint, ModelPreset, Sibling
from infra_gen.model.sourced import Sourced

# How publishers end the names of quantized repositories, and infra-gen's word for each; the first
# that matches counts, so longer endings come first. Source: the repositories that the presets list.
_ENDINGS: tuple[tuple[str, str], ...] = (
    (r"(?:nv|w4a4-nv)fp4(?:[-_.](?:w4a4|w4a16|qad|fp8|v\d|fast))*", "nvfp4"),
    (r"mxfp4", "mxfp4"),
    (r"fp4", "nvfp4"),
    (r"fp8[-_.]?block", "fp8-block"),
    (r"fp8(?:[-_.](?:dynamic|static|kv|per-?tensor|hf))*", "fp8"),
    (r"(?:quantized[-_.])?(?:int8[-_.]?)?w8a8(?:[-_.](?:int8|dynamic))*", "w8a8-int8"),
    (r"int8", "w8a8-int8"),
    (r"(?:quantized[-_.]|qat[-_.])?w4a16(?:[-_.](?:ct|g\d+|asym))*", "w4a16"),
    (r"awq(?:[-_.](?:int4|4bit|w4a16))?", "awq-int4"),
    (r"(?:gptq|auto-?round)(?:[-_.](?:int4|4bit))?", "gptq-int4"),
    (r"(?:int4|4bit)[-_.](?:awq)", "awq-int4"),
    (r"(?:int4|4bit)[-_.](?:gptq|auto-?round)", "gptq-int4"),
    (r"(?:unsloth[-_.])?bnb[-_.]4bit|nf4", "bnb-nf4"),
    (r"int4", "w4a16"),
    (r"bf16", "bf16"),
    (r"fp16", "fp16"),
)
_ENDING = [(re.compile(rf"^(.+?)[-_.](?:{end})$", re.IGNORECASE), to) for end, to in _ENDINGS]


def find_repository(text: str) -> ModelFacts | None:
    """The model of a repository that a preset lists, by `owner/name` or by its name alone.

    In any case of letters. The preset's own repository stands for the whole preset; any other one
    for what it holds itself. A name without an owner counts where one repository alone has it.
    """
    found = _listed(text.lower())
    return _facts(*found) if found else None


def preset_with(text: str) -> str | None:
    """The id of the preset that lists this repository, None where none does."""
    found = _listed(text.lower())
    return found[0] if found else None


def _listed(wanted: str) -> Found | None:
    found = _by_repository().get(wanted)
    if found is None and "/" not in wanted:
        owners = _by_name().get(wanted, ())
        found = owners[0] if len(owners) == 1 else None
    return found


def find_by_name(text: str) -> ModelFacts | None:
    """The model whose name is `text` less the word for its quantization, None where there is none.

    For repositories that no preset lists, when there is nobody to ask: `owner/Qwen3-8B-FP8-dynamic`
    is believed to have the shapes of Qwen3-8B, in fp8. What is believed is said in `guessed`.
    """
    name = text.rsplit("/", 1)[-1]
    for pattern, quantization in _ENDING:
        match = pattern.match(name)
        base = _named(match[1]) if match else None
        if base:
            return _believed(base, text, quantization)
    same = _named(name) if "/" in text else None
    return _believed(same, text, None) if same else None


def _named(name: str) -> ModelPreset | None:
    """The preset that a bare name means: its id, an alias, or the name of a repository."""
    found = store.canonical("models", name)
    if found:
        return store.load("models", found, ModelPreset)
    facts = find_repository(name)
    return facts.preset if facts else None


def _believed(preset: ModelPreset, text: str, quantization: str | None) -> ModelFacts:
    """`preset` as the repository `text`, sized from its shapes."""
    why = (
        f"no preset lists {text} and its config.json was not read: by its name it is taken for "
        f"{preset.name}" + (f" in {quantization}" if quantization else "")
    )
    own = tuple(c for c in preset.checkpoints if c.format == "safetensors")
    held = quantization or next((c.quantization for c in own if c.official), preset.dtype)
    if "/" not in text:
        # No owner: any published files of that kind, else what the engine can make itself.
        listed = tuple(c for c in own if c.quantization.removesuffix("-block") == held)
        if listed:
            return ModelFacts(preset.model_copy(update={"checkpoints": listed}), repo=text)
        return ModelFacts(preset, repo=text, guessed=why)
    made = _unlisted(preset, text, held, why)
    return ModelFacts(_as_repository(preset, text, (made,)), repo=text, guessed=why)


def _unlisted(preset: ModelPreset, repo: str, quantization: str, why: str) -> Checkpoint:
    arch = preset.architecture
    return Checkpoint(
        format="safetensors",
        quantization=quantization,
        repo=repo,
        bytes=Sourced(value=None, note=why),
        official=False,
        source=arch.source,
        checked=arch.checked,
    )


def _sibling_checkpoints(preset: ModelPreset, sibling: Sibling) -> Iterator[Checkpoint]:
    yield from sibling.checkpoints
    if not any(c.repo == sibling.repo for c in sibling.checkpoints):
        yield Checkpoint(
            format="safetensors",
            quantization=preset.dtype,
            repo=sibling.repo,
            bytes=Sourced(value=None, note="no public file listing of this repository was found"),
            official=True,
            source=sibling.source,
            checked=sibling.checked,
        )


Found = tuple[str, str, str | None]  # preset, repository, and the sibling that it belongs to


@lru_cache(maxsize=1)
def _by_repository() -> dict[str, Found]:
    """Every listed repository in lower case."""
    found: dict[str, Found] = {}
    for name, document in store.index()["models"].items():
        for sibling in document.get("siblings", ()):
            for checkpoint in sibling.get("checkpoints", ()):
                found[checkpoint["repo"].lower()] = (name, checkpoint["repo"], sibling["repo"])
            found[sibling["repo"].lower()] = (name, sibling["repo"], sibling["repo"])
        for checkpoint in document.get("checkpoints", ()):
            found[checkpoint["repo"].lower()] = (name, checkpoint["repo"], None)
    for name, document in store.index()["models"].items():
        found[document["hf_id"].lower()] = (name, document["hf_id"], None)
    return found


@lru_cache(maxsize=1)
def _by_name() -> dict[str, tuple[Found, ...]]:
    """The same without owners; of namesakes all, the presets' own first and alone."""
    names: dict[str, list[Found]] = {}
    for repo, found in sorted(_by_repository().items()):
        names.setdefault(repo.rsplit("/", 1)[-1], []).append(found)
    own = {document["hf_id"] for document in store.index()["models"].values()}
    mains = {name: [f for f in found if f[1] in own] for name, found in names.items()}
    return {name: tuple(mains[name] or found) for name, found in names.items()}


def _facts(name: str, repo: str, sibling: str | None) -> ModelFacts:
    preset = store.load("models", name, ModelPreset)
    if repo == preset.hf_id:
        return ModelFacts(preset)
    if sibling is None:
        held = tuple(c for c in preset.checkpoints if c.repo == repo)
        return ModelFacts(preset.model_copy(update={"checkpoints": held}), repo=repo)
    one = next(s for s in preset.siblings if s.repo == sibling)
    held = tuple(_sibling_checkpoints(preset, one))
    if repo != sibling:
        held = tuple(c for c in held if c.repo == repo)
    return ModelFacts(_as_repository(preset, repo, held), repo=repo)


def _as_repository(
    preset: ModelPreset, repo: str, checkpoints: tuple[Checkpoint, ...]
) -> ModelPreset:
    """The preset's shapes under another repository's name; what is known of its weights alone, not."""
    unknown = f"known of {preset.hf_id}, not of {repo}"
    name = re.sub(r"[^a-z0-9.-]+", "-", repo.rsplit("/", 1)[-1].lower()).strip("-.")
    return preset.model_copy(
        update={
            "id": name or preset.id,
            "name": repo.rsplit("/", 1)[-1],
            "hf_id": repo,
            "aliases": (),
            "license": Sourced[str](value=None, note=unknown),
            "gated": Sourced[bool](
                value=bool(preset.gated.value), assumed=True, note=f"as {preset.hf_id}"
            ),
            "released": Sourced[str](value=None, note=unknown),
            "quality": None,
            "checkpoints": checkpoints,
            "siblings": (),
        }
    )
