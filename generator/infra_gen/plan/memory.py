"""Device memory: what an engine takes beside weights, and what is left for the cache.

vLLM and llama.cpp have modules of their own: plan/sizing/vllm_memory.py and those beside it,
plan/sizing/llamacpp_memory.py.

TGI:       kv = fraction x visible - weights - activation - runtime - graphs       (per device)
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from infra_gen.model.calibration import Calibration, known
from infra_gen.model.llm import Architecture
from infra_gen.model.machine import Machine
from infra_gen.model.plan import GIB, Memory, Placement
from infra_gen.plan import kv_cache
from infra_gen.plan.sizing.llamacpp_layout import Layout
from infra_gen.plan.sizing.vllm_memory_settings import Settings

UBATCH = 512  # llama.cpp's default --ubatch-size, set explicitly in the launch


@dataclass(frozen=True, slots=True)
class Shape:
    """The choices that memory depends on. `ubatch`: llama.cpp's, None for its default.

    `version`: the engine's, None for the newest. `fraction`: the share of visible memory that is
    planned, None for the engine's default. `eager`: no CUDA graphs and no compilation.
    `stored_cache_dtype`: what the checkpoint asks for.
    `prefix_cache`: None for the engine's default. `pipeline`: stages that layers are spread over.
    `data`: copies of attention that share one set of experts. `guess_bytes` and `tower_bytes` of
    the checkpoint are layers that guess tokens ahead, which `weight_bytes` does not hold, and what
    reads images, which it holds. `cache_dtype`: what the checkpoint asks the cache to be. `own`:
    the user's flags of vLLM. `placement` and `layout` are llama.cpp's.
    """

    weight_bytes: int
    tensor: int
    layer_split: int
    context: int
    max_num_seqs: int
    max_num_batched_tokens: int
    kv_dtype: str
    expert_parallel: bool = False
    ubatch: int | None = None
    stored_cache_dtype: str | None = None
    quantization: str = "bf16"
    version: str | None = None
    fraction: float | None = None
    eager: bool = False
    prefix_cache: bool | None = None
    pipeline: int = 1
    data: int = 1
    guess_bytes: int = 0
    tower_bytes: int = 0
    cache_dtype: str | None = None
    own: Settings = field(default_factory=Settings)
    placement: Placement = field(default_factory=Placement)
    layout: Layout = field(default_factory=Layout)


def _free_fraction(machine: Machine, calibration: Calibration) -> float:
    """The share of visible memory that plans may fill, less a driver context, to two digits."""
    free = machine.usable_gib - known(calibration.vllm_runtime_gib.single)
    return max(0.0, math.floor(free / machine.visible_gib * 100) / 100)


def tgi_activation_gib(arch: Architecture, shape: Shape, calibration: Calibration) -> float:
    """Peak of one forward pass: the MLP of a full batch, or the sampler's logits, per device."""
    tokens, hidden = shape.max_num_batched_tokens, arch.hidden_size
    rows, width = tokens, arch.intermediate_size
    factor = known(calibration.vllm_activation_factor.dense)
    if arch.moe:
        rows, width = tokens * arch.moe.experts_per_token, arch.moe.intermediate_size
        factor = known(calibration.vllm_activation_factor.moe)
    width = math.ceil(width / shape.tensor)
    mlp = rows * 3 * width * 2 + 2 * tokens * hidden * 2
    if arch.moe:
        mlp += rows * hidden * 2
    logits = shape.max_num_seqs * arch.vocab_size * 6
    return max(mlp * factor, float(logits)) / GIB


def tgi_fraction(machine: Machine, calibration: Calibration) -> float:
    """`--cuda-memory-fraction`: all that the system leaves free. TGI keeps a tenth of it back."""
    return min(1.0, _free_fraction(machine, calibration))


def tgi_memory(
    machine: Machine, arch: Architecture, shape: Shape, calibration: Calibration
) -> Memory:
    """The fullest shard of TGI: its warm-up leaves a part of its share unused (TGI_WIGGLE_ROOM)."""
    fraction = tgi_fraction(machine, calibration) * known(calibration.tgi_wiggle_room)
    return _paged_memory(machine, arch, shape, calibration, fraction)


def _paged_memory(
    machine: Machine, arch: Architecture, shape: Shape, calibration: Calibration, fraction: float
) -> Memory:
    """A device of which `fraction` is the engine's: what nothing else takes becomes cache."""
    budget = fraction * machine.visible_gib
    weights = shape.weight_bytes / shape.tensor / GIB
    if shape.tensor > arch.kv_heads and not arch.mla:
        weights *= 1.02  # key and value projections are copied to several devices
    activation = tgi_activation_gib(arch, shape, calibration)
    runtime = known(
        calibration.vllm_runtime_gib.parallel
        if shape.tensor > 1
        else calibration.vllm_runtime_gib.single
    )
    graphs = known(calibration.vllm_graph_gib) if machine.is_gpu else 0.0
    kv_gib = budget - weights - activation - runtime - graphs
    groups = kv_cache.cache_groups(arch, shape.tensor, shape.kv_dtype)
    sequence = kv_cache.vllm_sequence_bytes(groups, shape.context, shape.max_num_batched_tokens)
    sequence += kv_cache.state_bytes(arch, shape.tensor)
    concurrency = max(0.0, kv_gib) * GIB / sequence if sequence else float(shape.max_num_seqs)
    return Memory(
        visible_gib=machine.visible_gib,
        reserved_gib=machine.reserved_gib,
        weights_gib=weights,
        kv_cache_gib=kv_gib,
        activation_gib=activation,
        cuda_graph_gib=graphs,
        runtime_gib=runtime,
        headroom_gib=machine.visible_gib - machine.reserved_gib - budget,
        # The loader maps shards one after another; the whole checkpoint passes the page cache.
        host_needed_gib=4.0 + min(8.0, shape.weight_bytes / GIB * 0.25),
        kv_bytes_per_token=kv_cache.bytes_per_token(groups),
        kv_cache_tokens=int(concurrency * shape.context),
        max_concurrency_at_context=concurrency,
    )
