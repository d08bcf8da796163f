"""How a copy of the model is spread where the user set more than tensor parallelism."""

from __future__ import annotations

from dataclasses import replace

from infra_gen.model.llm import Architecture
from infra_gen.model.machine import Machine
from infra_gen.model.plan import Parallelism
from infra_gen.plan.sizing.vllm_memory_settings import Settings


def asked_split(
    split: Parallelism, own: Settings, machine: Machine, arch: Architecture
) -> tuple[Parallelism, str | None]:
    """The split with the user's pipeline, data and expert parallelism, and why it cannot be."""
    pipeline = own.pipeline or split.pipeline
    data = own.data or split.data
    if own.pipeline and not own.data and not arch.moe:
        data = max(1, machine.devices // (split.tensor * pipeline))
    expert = split.expert or (own.expert and arch.moe is not None)
    asked = replace(split, pipeline=pipeline, data=data, expert=expert)
    return asked, _problem(asked, own, machine, arch)


def _problem(split: Parallelism, own: Settings, machine: Machine, arch: Architecture) -> str | None:
    sizes = {"tensor": split.tensor, "pipeline": split.pipeline, "data": split.data}
    if split.devices_per_replica > machine.devices:
        words = " x ".join(f"{name} {size}" for name, size in sizes.items() if size > 1)
        return f"{words} needs more than {machine.devices} devices"
    if split.pipeline > arch.layers:
        return f"{arch.layers} layers do not make {split.pipeline} stages"
    ranks = own.context_parallel or 1
    if split.tensor % ranks:
        return f"context parallelism of {ranks} does not divide tensor parallelism {split.tensor}"
    if arch.moe and split.data > 1:
        over = split.tensor * split.data
        if split.expert and arch.moe.experts % over:
            return f"{arch.moe.experts} experts do not divide by {over}"
        if not split.expert and arch.moe.intermediate_size % over:
            return f"MLP width {arch.moe.intermediate_size} does not divide by {over}"
    return None
