"""TGI's device memory: its warm-up makes cache of what one prefill leaves of its share.

    cache = room x fraction x visible - weights - activation - runtime          (per shard)
    max batch total tokens = cache / (layers x 2 x heads of the shard x width x bytes)

CUDA graphs are captured afterwards, in what `room` (TGI_WIGGLE_ROOM) left. Every layer keeps the
whole context, whatever its window (huggingface/text-generation-inference@v3.3.7
server/text_generation_server/models/flash_causal_lm.py, warmup).
"""

from __future__ import annotations

import math

from infra_gen.model.calibration import Calibration, TgiMemory, known
from infra_gen.model.llm import Architecture
from infra_gen.model.machine import Machine
from infra_gen.model.plan import GIB, Memory
from infra_gen.plan import kv_cache
from infra_gen.plan.memory import Shape

_HALF = 2  # bytes of an activation
_GATE_UP_AND_PRODUCT = 3  # widths of an MLP that live at once
_IN_AND_OUT = 2  # rows of the model's width beside them


def fraction(machine: Machine, calibration: Calibration) -> float:
    """`--cuda-memory-fraction`: all that the system leaves free, to two digits."""
    free = machine.usable_gib / machine.visible_gib
    return min(1.0, math.floor(free * 100) / 100)


def activation_bytes(arch: Architecture, shape: Shape, constants: TgiMemory) -> float:
    """Peak of the warm-up's prefill of `--max-batch-prefill-tokens` tokens on one shard.

    Only the last token of each prompt gets logits, so the vocabulary does not matter.
    """
    tokens = rows = shape.max_num_batched_tokens
    width = arch.intermediate_size
    if arch.moe:
        rows, width = tokens * arch.moe.experts_per_token, arch.moe.intermediate_size
    inner = rows * _GATE_UP_AND_PRODUCT * math.ceil(width / shape.tensor)
    outer = _IN_AND_OUT * tokens * arch.hidden_size + (rows * arch.hidden_size if arch.moe else 0)
    workspace = known(constants.workspace_mib) * 2**20
    return (inner + outer) * _HALF * known(constants.activation_factor) + workspace


def _whole_context(groups: tuple[kv_cache.CacheGroup, ...]) -> float:
    return sum(group.layers * group.layer_bytes_per_token for group in groups)


def tgi_memory(
    machine: Machine, arch: Architecture, shape: Shape, calibration: Calibration
) -> Memory:
    """The fullest shard. `kv_cache_gib` may be negative: it does not fit."""
    constants = calibration.tgi
    share = shape.fraction or fraction(machine, calibration)
    budget = share * known(constants.room) * machine.visible_gib
    weights = shape.weight_bytes / shape.tensor / GIB
    activation = activation_bytes(arch, shape, constants) / GIB
    held = constants.runtime_gib
    runtime = known(held.parallel if shape.tensor > 1 else held.single)
    kv_gib = budget - weights - activation - runtime
    token = _whole_context(kv_cache.cache_groups(arch, shape.tensor, shape.kv_dtype))
    state = kv_cache.state_bytes(arch, shape.tensor)
    sequence = token * shape.context + state
    concurrency = max(0.0, kv_gib) * GIB / sequence if sequence else float(shape.max_num_seqs)
    graphs = known(constants.graph_gib)
    return Memory(
        visible_gib=machine.visible_gib,
        reserved_gib=machine.reserved_gib,
        weights_gib=weights,
        kv_cache_gib=kv_gib,
        activation_gib=activation,
        cuda_graph_gib=graphs,
        runtime_gib=runtime,
        headroom_gib=machine.visible_gib - machine.reserved_gib - budget - graphs,
        # The loader maps shards one after another; the whole checkpoint passes the page cache.
        host_needed_gib=4.0 + min(8.0, shape.weight_bytes / GIB * 0.25),
        kv_bytes_per_token=round(token),
        kv_cache_tokens=int(concurrency * shape.context),
        max_concurrency_at_context=concurrency,
    )
