"""What one version of vLLM does with a device's memory, for one model."""

from __future__ import annotations

from dataclasses import dataclass

from infra_gen.model.calibration_memory import (
    BatchRow,
    SecondRunner,
    VllmMemory,
    at_version,
    reached,
)
from infra_gen.model.llm import Architecture
from infra_gen.model.machine import Machine
from infra_gen.plan.memory import Shape

STATE_KINDS = ("linear", "mamba")
_PLAIN = ("fp32", "bf16", "fp16")


@dataclass(frozen=True, slots=True)
class Release:
    """Behaviours of the version asked for.

    `second`: the second model runner serves the model. `budgeted`: CUDA graphs lie inside the
    memory fraction. `fused`: the sampler does not sort the vocabulary. `warmed`: the second runner
    profiles top-k and top-p too. `combo`: kernels are timed on copies of what they read.
    `kept`: the experts' workspace stays allocated. `pooled`: layers of several kinds share one
    pool. `near`: layer counts closer than this factor make one group size. `latent_tokens`: tokens
    that a profile run projects up for latent attention. `states`: blocks of each state group that
    a request holds. `wide_state`: recurrent states have 32 bits. `light`: a graph is small.
    `chunk`: tokens that experts take at a time, 0 for the whole batch.
    `states_for_all`: it does not start where not every request at once could have a state.
    """

    second: bool
    budgeted: bool
    fused: bool
    warmed: bool
    combo: bool
    kept: bool
    pooled: bool
    near: float
    latent_tokens: int
    states: int
    wide_state: bool
    light: bool
    chunk: int
    states_for_all: bool


def is_hybrid(arch: Architecture) -> bool:
    """Whether layers keep a state of fixed size beside attention's cache, or instead of it."""
    return any(group.kind in STATE_KINDS or group.state_bytes for group in arch.layer_groups)


def runs_second(rule: SecondRunner, arch: Architecture, quantization: str) -> bool:
    """Whether the second model runner serves the model under that rule."""
    if rule.models == "all":
        return True
    if rule.plain and quantization not in _PLAIN:
        return False
    if rule.models == "none" or is_hybrid(arch):
        return False
    listed = arch.class_name in rule.classes
    return listed or (rule.models == "dense" and arch.moe is None)


def release_of(constants: VllmMemory, arch: Architecture, shape: Shape) -> Release:
    """The behaviours for a shape: its version, weights and prefix cache."""
    version = shape.version
    rule = at_version(constants.second_runner, version)
    second = runs_second(rule, arch, shape.quantization)
    budget = at_version(constants.graphs_in_budget, version).value
    prefix = shape.prefix_cache
    if prefix is None:
        prefix = reached(constants.hybrid_prefix_cache_since, version)
    aligned = prefix if shape.own.state_mode is None else shape.own.state_mode == "align"
    return Release(
        second=second,
        budgeted=budget == "both" or (budget == "first" and not second),
        fused=reached(constants.fused_sampler_since, version),
        warmed=reached(constants.sampler_warmup_since, version),
        combo=reached(constants.combo_benchmark_since, version) and not shape.eager,
        kept=reached(constants.kept_workspace_since, version) and shape.quantization != "mxfp4",
        pooled=reached(constants.hybrid_pool_since, version),
        near=at_version(constants.near_layer_counts, version).value,
        latent_tokens=int(at_version(constants.latent_tokens, version).value),
        states=2 if aligned else 1,
        wide_state=arch.class_name.startswith(tuple(constants.float32_state.value or ())),
        light=reached(constants.graphs.light_since, version),
        states_for_all=reached(constants.states_for_all_since, version) and not shape.eager,
        chunk=int(at_version(constants.expert_chunk_tokens, version).value),
    )


def batch_default(constants: VllmMemory, version: str | None, machine: Machine) -> BatchRow:
    """Requests and tokens of one batch where nobody says them."""
    rows = at_version(constants.batch_defaults, version).rows
    return next(
        row
        for row in rows
        if machine.visible_gib >= row.min_device_gib
        and not any(machine.id.startswith(device) for device in row.except_devices)
    )


def cache_dtype(constants: VllmMemory, shape: Shape) -> str:
    """The type of the cache: what was asked, or what the checkpoint asks for where vLLM reads that."""
    known = reached(constants.stored_cache_dtype_since, shape.version)
    if shape.kv_dtype == "auto" and shape.cache_dtype and known:
        return shape.cache_dtype
    return shape.kv_dtype
