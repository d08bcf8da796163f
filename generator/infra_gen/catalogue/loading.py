"""Which engine loads which checkpoint on some machine: the planner's own answer, as far as it goes."""

from __future__ import annotations

from functools import lru_cache

from infra_gen.knowledge import store
from infra_gen.knowledge.engines import engine_info
from infra_gen.knowledge.machines import resolve_machine
from infra_gen.model.engine import EngineInfo
from infra_gen.model.llm import Checkpoint, ModelPreset
from infra_gen.model.machine import Machine
from infra_gen.plan.sizing.registry import SIZINGS
from infra_gen.plan.weights import checkpoint_weights


@lru_cache(maxsize=1)
def _newest_machine() -> Machine:
    """The card that runs the most formats: what fails there fails everywhere."""
    known = {
        float(document["compute_capability"]): name
        for name, document in sorted(store.index()["hardware"].items())
        if document.get("compute_capability")
    }
    return resolve_machine(known[max(known)])


def _model_problem(info: EngineInfo, model: ModelPreset) -> str | None:
    """Why the engine serves no checkpoint of the model, or None."""
    reach, title = info.facts.reach, info.facts.title
    if model.task not in reach.tasks:
        return f"{title} does not serve the task {model.task}"
    listed = reach.architectures.value
    if listed is not None and model.architecture.class_name not in listed:
        return f"{title} {info.version} does not know {model.architecture.class_name}"
    needed = model.llama_cpp_min_build.value if model.llama_cpp_min_build else None
    have = reach.llama_cpp_build.value
    if needed is not None and have is not None and have < needed:
        return f"{title} {info.version} holds llama.cpp b{have}, the model needs b{needed}"
    return None


def loading_problem(info: EngineInfo, model: ModelPreset, checkpoint: Checkpoint) -> str | None:
    """Why the engine does not load the checkpoint, or None when nothing is known against it."""
    if checkpoint.format not in info.facts.reach.formats:
        return f"{info.facts.title} reads {', '.join(info.facts.reach.formats)} only"
    if checkpoint.format == "gguf" and not checkpoint.files:
        return "the names of its files are not known"
    weights = checkpoint_weights(model, checkpoint)
    return _model_problem(info, model) or SIZINGS[info.name].problem(
        weights, _newest_machine(), info
    )


def loading_engines(model: ModelPreset, checkpoint: Checkpoint) -> tuple[str, ...]:
    """The engines that load the checkpoint, by name."""
    return tuple(
        name
        for name in store.names("engines")
        if loading_problem(engine_info(name), model, checkpoint) is None
    )
