"""Where llama.cpp puts weights: the table on the host, layers on devices, some on the CPU.

Layers are counted as llama.cpp does: the output layer is one more, and with `--n-gpu-layers N` the
last N of them lie on devices (b11434 src/llama-model.cpp, i_gpu_start and get_layer_buft_list).
"""

from __future__ import annotations

from dataclasses import dataclass

from infra_gen.model.llm import Architecture
from infra_gen.model.params import count_params
from infra_gen.model.plan import Placement
from infra_gen.plan.sizing.llamacpp_layout import Layout
from infra_gen.plan.weights import MATRIX_BITS

# Bits of the embedding table in a mix of types; in others it has the type of the file.
_TABLE_BITS = {"Q4_K_M": 4.5, "Q4_K_S": 4.5, "Q5_K_M": 5.5, "Q5_K_S": 5.5, "Q3_K_M": 3.4375}
# The output matrix of every type below Q8_0 is Q6_K (b11434 src/llama-quant.cpp:488-491,
# where a tied table gets the type of the output too).
_HEAD_BITS = 6.5625
_MX_EXPERT_BITS = 4.25


def table_bytes(arch: Architecture, quantization: str) -> float:
    """The embedding table, from which rows are looked up: it stays on the CPU.

    A tied one has the type of an output matrix.
    """
    bits = _TABLE_BITS.get(quantization) or MATRIX_BITS.get(quantization, 16.0)
    if arch.tied_embeddings:
        bits = max(_HEAD_BITS, MATRIX_BITS.get(quantization, 16.0))
    return arch.vocab_size * arch.hidden_size * bits / 8


def device_weight_bytes(arch: Architecture, quantization: str, weight_bytes: float) -> float:
    """Weights that lie on devices. A tied table is there once more, as the output projection."""
    if arch.tied_embeddings:
        return weight_bytes
    return max(0.0, weight_bytes - table_bytes(arch, quantization))


def _head_bytes(arch: Architecture, quantization: str) -> float:
    bits = max(_HEAD_BITS, MATRIX_BITS.get(quantization, 16.0))
    return arch.vocab_size * arch.hidden_size * bits / 8


def expert_layers(arch: Architecture) -> int:
    """Layers with routed experts."""
    return max(0, arch.layers - arch.moe.dense_layers) if arch.moe else 0


def expert_bytes(arch: Architecture, quantization: str, weight_bytes: float) -> float:
    """All routed experts. In MXFP4 files they alone have that type."""
    if not arch.moe:
        return 0.0
    count = count_params(arch)
    spare = max(1, arch.moe.experts - arch.moe.experts_per_token)
    params = (count.mlp - count.mlp_active) / spare * arch.moe.experts
    if quantization == "MXFP4":
        return min(weight_bytes, params * _MX_EXPERT_BITS / 8)
    return weight_bytes * params / count.total


@dataclass(frozen=True, slots=True)
class Parts:
    """Bytes of a model by what can be placed: the output layer, one layer's plain part and experts."""

    head: float
    plain_layer: float
    expert_layer: float
    layers: int
    first_expert_layer: int

    def experts_of(self, index: int) -> float:
        """Bytes of a layer's experts."""
        return self.expert_layer if index >= self.first_expert_layer else 0.0

    @property
    def plain(self) -> float:
        """Bytes of everything but experts."""
        return self.plain_layer * self.layers + self.head

    @property
    def experts(self) -> float:
        """Bytes of all experts."""
        return self.expert_layer * (self.layers - self.first_expert_layer)


def parts_of(arch: Architecture, quantization: str, weight_bytes: float) -> Parts:
    """The model's weights without its table."""
    on_devices = device_weight_bytes(arch, quantization, weight_bytes)
    head = min(_head_bytes(arch, quantization), on_devices)
    experts = min(expert_bytes(arch, quantization, weight_bytes), on_devices - head)
    several = expert_layers(arch)
    return Parts(
        head=head,
        plain_layer=(on_devices - head - experts) / arch.layers,
        expert_layer=experts / several if several else 0.0,
        layers=arch.layers,
        first_expert_layer=arch.layers - several,
    )


@dataclass(frozen=True, slots=True)
class Placed:
    """Weights and layers of each device, and what the CPU has beside the table.

    `host_layers`: layers wholly on the CPU.
    """

    device_bytes: tuple[float, ...]
    device_layers: tuple[int, ...]
    host_plain: float
    host_experts: float
    host_layers: int


def first_device_layer(layers: int, placement: Placement) -> int:
    """Index of the first layer on a device; one above the last where there is none."""
    if placement.gpu_layers is None:
        return 0
    return max(0, layers + 1 - placement.gpu_layers)


def _device_of(position: float, shares: tuple[float, ...]) -> int:
    """The device of a layer at `position`, 0 to 1, where each has its share of layers."""
    reached, whole = 0.0, sum(shares)
    for index, share in enumerate(shares):
        reached += share / whole
        if position < reached - 1e-9:
            return index
    return len(shares) - 1


def placed(parts: Parts, placement: Placement, devices: int, layout: Layout) -> Placed:
    """What lies where. Rows of a matrix are spread evenly, layers as a whole."""
    shares = layout.tensor_split[:devices] or (1.0,) * devices
    first = first_device_layer(parts.layers, placement)
    on_devices = parts.layers + 1 - first
    sizes, counts = [0.0] * devices, [0] * devices
    host_experts = 0.0
    for index in range(parts.layers):
        experts = parts.experts_of(index)
        if index < max(first, placement.cpu_moe_layers):
            host_experts, experts = host_experts + experts, 0.0
        if index >= first:
            device = _device_of((index - first) / on_devices, shares)
            sizes[device] += parts.plain_layer + experts
            counts[device] += 1
    host_layers = min(first, parts.layers)
    host_plain = host_layers * parts.plain_layer
    if on_devices > 0:
        sizes[_device_of((parts.layers - first) / on_devices, shares)] += parts.head
    else:
        host_plain += parts.head
    if layout.split_mode == "row":
        whole = sum(shares)
        sizes = [sum(sizes) * share / whole for share in shares]
        counts = [sum(counts)] + [0] * (devices - 1)  # the cache is the first one's alone
    return Placed(tuple(sizes), tuple(counts), host_plain, host_experts, host_layers)
