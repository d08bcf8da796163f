"""The layers of one stage where vLLM spreads a model over several (pipeline parallelism)."""

from __future__ import annotations

from dataclasses import dataclass

from infra_gen.model.llm import Architecture, LayerGroup


@dataclass(frozen=True, slots=True)
class Stage:
    """Layers from `start` on. The first stage embeds tokens, the last one has the head."""

    start: int
    layers: int
    first: bool
    last: bool


def stages(layers: int, count: int) -> tuple[Stage, ...]:
    """Equal numbers of layers; those left over go to the stages before the last, from its end.

    vllm 0.25.0 vllm/distributed/utils.py, get_pp_indices.
    """
    sizes = [layers // count] * count
    for place in range(2, layers % count + 2):
        sizes[-place] += 1
    starts = [sum(sizes[:index]) for index in range(count)]
    return tuple(
        Stage(start, size, first=index == 0, last=index == count - 1)
        for index, (start, size) in enumerate(zip(starts, sizes, strict=True))
    )


def part_of(arch: Architecture, stage: Stage) -> Architecture:
    """The architecture with the layers of the stage, each kind spread evenly over the model."""
    if stage.layers == arch.layers:
        return arch
    end = stage.start + stage.layers
    groups = []
    for group in arch.layer_groups:
        held = group.layers * end // arch.layers - group.layers * stage.start // arch.layers
        if held:
            groups.append(group.model_copy(update={"layers": held}))
    moe = arch.moe
    if moe and moe.dense_layers:
        dense = max(0, min(moe.dense_layers, end) - stage.start)
        moe = moe.model_copy(update={"dense_layers": dense})
    changed = {"layers": stage.layers, "layer_groups": tuple(groups), "moe": moe}
    return arch.model_copy(update=changed)


def with_guess_layer(arch: Architecture) -> Architecture:
    """The architecture with one more layer of attention, which guesses tokens ahead."""
    groups = list(arch.layer_groups)
    for place, group in enumerate(groups):
        if group.kind == "full":
            groups[place] = group.model_copy(update={"layers": group.layers + 1})
            break
    else:
        groups.append(LayerGroup(kind="full", layers=1))
    changed = {"layers": arch.layers + 1, "layer_groups": tuple(groups)}
    return arch.model_copy(update=changed)
