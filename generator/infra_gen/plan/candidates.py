"""What could be deployed: engine x model x checkpoint x split, in the order of preference.

The order is the choice: the first candidate that holds the load wins, so planning stops early and
every candidate passed over has a reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from infra_gen.model.engine import EngineInfo
from infra_gen.model.facts import Facts, ModelFacts
from infra_gen.model.llm import ModelPreset
from infra_gen.model.lock import Resolved
from infra_gen.model.machine import Machine
from infra_gen.model.plan import Parallelism, Placement, Weights
from infra_gen.model.spec import Spec
from infra_gen.plan import quantization
from infra_gen.plan.asked_weights import as_loaded, asked_weights
from infra_gen.plan.sizing.contract import Settings
from infra_gen.plan.sizing.registry import SIZINGS
from infra_gen.plan.weights import checkpoint_weights, computed_bytes, loaded_bytes

# Engines that load a quantization wherever it comes from: one that nobody lists can be sized too.
_SIZED = ("vllm", "llama.cpp")


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to deploy. `illegal` is why it cannot be, None when it can."""

    engine: str
    model: ModelFacts
    weights: Weights
    parallelism: Parallelism
    illegal: str | None = None
    placement: Placement = field(default_factory=Placement)


def engines_for(facts: Facts, spec: Spec, pins: Resolved | None) -> tuple[str, ...]:
    """Engines to try, best first; those that have the flags that the user set, if any has."""
    order = engine_order(spec, facts.machine, pins)
    flags = [name for name in spec.engine_args if name.startswith("-")]
    knowing = tuple(
        name for name in order if all(facts.engines[name].table.flag(flag) for flag in flags)
    )
    return knowing or order


def engine_order(spec: Spec, machine: Machine, pins: Resolved | None) -> tuple[str, ...]:
    """Engines to try, best first.

    Metal, Vulkan and plain CPUs run llama.cpp, Intel's GPUs too where it has a build. On a GPU vLLM
    batches many users best; one person alone is served as well by llama.cpp, with smaller files, so
    it goes first there. TGI is in maintenance and Ollama wraps llama.cpp without metrics of its
    own: both only when asked for.
    """
    if pins:
        return (pins.engine,)
    if spec.engine_name != "auto":
        return (spec.engine_name,)
    if machine.accelerator in ("metal", "cpu", "vulkan"):
        return ("llama.cpp",)
    if machine.accelerator == "xpu":
        return ("llama.cpp", "vllm")
    if spec.load.users == 1 and machine.devices == 1 and machine.visible_gib < 40:
        return ("llama.cpp", "vllm")
    return ("vllm", "llama.cpp")


def model_order(facts: Facts) -> tuple[ModelFacts, ...]:
    """Models, best first, by what `quality` says of them.

    1. Models with a value on the scale that most of them have: the higher value first; of equal
       values the one with more parameters, then the newer, then the later id.
    2. All others, by parameters, release and id in the same way. No model without a value comes
       before one with a value, so none before a better one of its size; and values of two scales
       are never compared.

    Only models that `auto` may take are ranked: made for this kind of work, licence known, and
    nothing to sign first. A model that is named is taken as it is.
    """
    if not facts.auto_model:
        return facts.models
    eligible = [m for m in facts.models if _eligible(m, facts)]
    scale = _common_scale(eligible)

    def key(model: ModelFacts) -> tuple[bool, float, int, str, str]:
        preset, value = model.preset, _quality(model, scale)
        size, released = preset.params_total.value or 0, preset.released.value or ""
        return (value is not None, value or 0.0, size, released, preset.id)

    return tuple(sorted(eligible, key=key, reverse=True))


def _common_scale(models: list[ModelFacts]) -> str | None:
    """The scale that most of the models have a value on; of two as common, the later name."""
    counted = Counter(
        m.preset.quality.scale
        for m in models
        if m.preset.quality and m.preset.quality.value is not None
    )
    return max(counted, key=lambda scale: (counted[scale], scale), default=None)


def _quality(model: ModelFacts, scale: str | None) -> float | None:
    found = model.preset.quality
    return found.value if found and found.scale == scale else None


def _eligible(model: ModelFacts, facts: Facts) -> bool:
    """Whether `auto` may take it: for this kind of work, licence known, nothing to sign first."""
    preset = model.preset
    open_to_all = bool(preset.license.value) and preset.gated.value is False
    return preset.task == facts.workload.task and open_to_all


def _folder_weights(model: ModelFacts) -> Weights:
    method = model.folder_quantization or "bf16"
    size = model.folder_bytes or computed_bytes(model.preset, method)
    return Weights(
        format="safetensors",
        quantization=method,
        bytes=size,
        basis="checkpoint" if model.folder_bytes else "computed",
        repo=None,
        files=(),
        revision=None,
        sha256=None,
        local_path=model.folder,
    )


def _file_weights(model: ModelFacts) -> Weights:
    return Weights(
        format="gguf",
        quantization=model.file_quantization or "unknown",
        bytes=model.file_bytes or 0,
        basis="checkpoint",
        repo=None,
        files=model.file_names,
        revision=None,
        sha256=None,
        local_path=model.file_folder,
    )


def weights_of(model: ModelFacts, info: EngineInfo) -> list[Weights]:
    """The checkpoints that the engine reads, best quality first; official before converted."""
    formats = info.facts.reach.formats
    if model.file:
        return [_file_weights(model)] if "gguf" in formats else []
    if model.folder:
        return [_folder_weights(model)] if "safetensors" in formats else []
    found = [
        c
        for c in model.preset.checkpoints
        if c.format in formats and (c.format != "gguf" or c.files)
    ]
    # What the named repository itself holds comes before what others made of it.
    own = model.preset.hf_id
    found.sort(key=lambda c: (c.repo != own, quantization.rank(c.quantization), not c.official))
    return [checkpoint_weights(model.preset, c) for c in found]


def _asked(spec: Spec, pins: Resolved | None) -> str:
    return pins.quantization if pins else spec.quantization


def _wanted(spec: Spec, pins: Resolved | None, auto_model: bool, weights: Weights) -> bool:
    """Whether this checkpoint may be taken; files of the user's own were chosen by the user."""
    if _asked(spec, pins) != "auto" or weights.local_path:
        return True
    # A maker's own safetensors are as large as their shapes say; of others' files the size is stated.
    computed = weights.official and weights.format == "safetensors"
    known_files = weights.basis == "checkpoint" or computed or not auto_model
    return quantization.rank(weights.quantization) <= quantization.AUTO_FLOOR and known_files


def candidates(facts: Facts, spec: Spec, pins: Resolved | None) -> Iterator[Candidate]:
    """Every candidate in order of preference, illegal ones with their reason."""
    for model in model_order(facts):
        for engine in engines_for(facts, spec, pins):
            yield from _of_model(facts, spec, pins, model, engine)


def _context_problem(spec: Spec, model: ModelFacts, own: Settings) -> str | None:
    limit = model.preset.architecture.max_context
    asked = own.context or (0 if spec.load.context == "auto" else spec.load.context)
    if asked <= limit:
        return None
    return f"its context ends at {limit} tokens, {asked} are asked for"


def smallest_bytes(facts: Facts, spec: Spec, engine: str) -> int | None:
    """Bytes of the smallest weights that the engine could be given, None where it has none.

    What it makes of them in memory may be less than the files hold: the smaller number counts.
    """
    own, info, asked = (
        SIZINGS[engine].settings(spec.engine_args),
        facts.engines[engine],
        spec.quantization,
    )
    sized, sizes = engine in _SIZED and not facts.auto_model, []
    for model in facts.models:
        known = weights_of(model, info)
        for stored in asked_weights(model, known, asked, own.quantization, sized=sized):
            if _wanted(spec, None, facts.auto_model, stored):
                weights = as_loaded(model, stored, own.quantization)
                sizes.append(min(weights.bytes, loaded_bytes(model.preset, weights)))
    return min(sizes, default=None)


def _reach_problem(info: EngineInfo, preset: ModelPreset) -> str | None:
    """Why the engine at this version cannot load the model at all, or None."""
    reach = info.facts.reach
    if preset.task not in reach.tasks:
        return f"{info.name} does not serve models that {preset.task}"
    known, wanted = reach.architectures.value, preset.architecture.class_name
    if known is not None and wanted not in known:
        return f"{info.name} {info.version} has no {wanted}"
    needed, build = preset.llama_cpp_min_build, reach.llama_cpp_build.value
    if needed and needed.value and build and "gguf" in reach.formats and build < needed.value:
        return (
            f"{info.name} {info.version} holds llama.cpp b{build}, the model needs b{needed.value}"
        )
    return None


def _of_model(
    facts: Facts, spec: Spec, pins: Resolved | None, model: ModelFacts, engine: str
) -> Iterator[Candidate]:
    info, machine, sizing = facts.engines[engine], facts.machine, SIZINGS[engine]
    own = sizing.settings(spec.engine_args)
    general = (
        info.unavailable(machine, facts.target.runtime)
        or _reach_problem(info, model.preset)
        or _context_problem(spec, model, own)
    )
    tensor = pins.parallelism.tensor if pins else own.tensor
    if tensor and tensor > machine.devices:
        general = general or f"tensor parallelism of {tensor} needs more than {machine.devices}"
    known, asked = weights_of(model, info), _asked(spec, pins)
    sized = engine in _SIZED and not facts.auto_model
    stored_ones = asked_weights(model, known, asked, own.quantization, sized=sized)
    stored_ones.sort(key=lambda stored: quantization.unpacked(stored.quantization, machine))
    for stored in stored_ones:
        if not _wanted(spec, pins, facts.auto_model, stored):
            continue
        weights = as_loaded(model, stored, own.quantization)
        problem = general or sizing.problem(weights, machine, info)
        pinned = replace(weights, revision=pins.revision) if pins else weights
        splits = sizing.splits(model.preset.architecture, weights.quantization, machine, tensor)
        for parallelism, illegal in splits:
            split, wrong = own.on_split(parallelism, machine, model.preset.architecture)
            why = problem or illegal or wrong
            yield Candidate(engine, model, pinned, split, why, _placement(pins))


def _placement(pins: Resolved | None) -> Placement:
    return Placement(pins.gpu_layers, pins.cpu_moe_layers) if pins else Placement()
