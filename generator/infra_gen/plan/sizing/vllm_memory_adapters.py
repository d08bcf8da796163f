"""What vLLM keeps for LoRA adapters: a pair of matrices of full rank beside every linear layer.

vllm 0.25.0 vllm/lora/layers: the matrix that goes down is whole on every device where the layer is
split by its outputs, the one that goes up where it is split by its inputs.
"""

from __future__ import annotations

import math

from infra_gen.model.llm import Architecture, LayerGroup
from infra_gen.model.params import mlp_layers, ungated
from infra_gen.plan.kv_cache import CACHED_KINDS
from infra_gen.plan.memory import Shape

_ELEMENT = 2  # bytes: adapters have the model's own type


def _pair(inputs: float, outputs: tuple[float, ...], shared: float) -> float:
    """Elements for one rank: down from `inputs` for each of the `outputs`, and up to them."""
    return len(outputs) * inputs / shared + sum(outputs)


def _attention(arch: Architecture, group: LayerGroup, tensor: int, shared: float) -> float:
    width = group.head_dim or arch.head_dim
    keys = max(1, math.ceil((group.kv_heads or arch.kv_heads) / tensor)) * width
    queries = arch.heads * width / tensor
    inner = _pair(arch.hidden_size, (queries, keys, keys), shared)
    return inner + queries + arch.hidden_size / shared


def _mlp(arch: Architecture, width: float, shared: float) -> float:
    gates = (width,) if ungated(arch) else (width, width)
    return _pair(arch.hidden_size, gates, shared) + width + arch.hidden_size / shared


def adapter_bytes(arch: Architecture, shape: Shape, *, experts: bool) -> float:
    """Bytes on one device for as many adapters as may be active at once.

    `experts`: adapters reach the matrices of experts. Latent attention and recurrent layers are
    counted like attention of the same width, which is not less than they take.
    """
    tensor, own = shape.tensor, shape.own
    shared = tensor if own.lora_sharded else 1
    total = 0.0
    for group in arch.layer_groups:
        if group.kind in CACHED_KINDS or group.state_bytes:
            total += group.layers * _attention(arch, group, tensor, shared)
    dense = mlp_layers(arch)
    if arch.moe:
        dense = arch.moe.dense_layers
        if experts:
            over = tensor * shape.data
            width = arch.moe.intermediate_size / (1 if shape.expert_parallel else over)
            local = arch.moe.experts / (over if shape.expert_parallel else 1)
            layers = max(0, mlp_layers(arch) - dense)
            total += layers * local * _mlp(arch, width, shared)
    total += dense * _mlp(arch, arch.intermediate_size / tensor, shared)
    return total * own.lora_rank * own.loras * _ELEMENT
