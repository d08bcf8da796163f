"""vLLM's paged cache: groups of layers, blocks, and how many full requests they hold.

Blocks of all groups have the same bytes, so that one pool serves them: groups get equal layer
counts, attention blocks grow until they hold a recurrent state, and what is left over is padding
(vllm/v1/core/kv_cache_utils.py, vllm/platforms/interface.py).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from infra_gen.model.llm import Architecture, GatedDelta, KimiDelta, LayerGroup, Mamba2, Mixer
from infra_gen.model.plan import GIB
from infra_gen.plan import kv_cache
from infra_gen.plan.memory import Shape
from infra_gen.plan.sizing.vllm_memory_release import STATE_KINDS, Release

_ELEMENT_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}
_STATE_ELEMENT = 4  # bytes that a preset's `state_bytes` counts for every element


@dataclass(frozen=True, slots=True)
class Spec:
    """Layers that cache alike on one device: bytes of a block of one layer, and its tokens.

    `window` is None for layers that keep every token; `chunked` layers keep whole chunks.
    `tokens` 0: a state of fixed size, whatever the context.
    """

    layers: int
    page: float
    tokens: int
    window: int | None = None
    chunked: bool = False


@dataclass(frozen=True, slots=True)
class Capacity:
    """The pool: its blocks, their bytes, and the blocks that one request holds.

    `per_request`: at full context; `least`: however short it is; `states`: whether the pool holds
    recurrent states.
    """

    blocks: int
    per_request: int
    block_bytes: float = 0.0
    least: int = 1
    states: bool = False

    @property
    def concurrency(self) -> float:
        """Requests of full context at once."""
        return self.blocks / self.per_request if self.per_request else 0.0

    @property
    def most_requests(self) -> int | None:
        """Requests that can run at once at all; None where nothing but their tokens bounds them."""
        return self.blocks // self.least if self.states else None


def _window_elements(mixer: Mixer) -> int:
    """Elements of the convolution window that one layer keeps for one sequence."""
    if isinstance(mixer, GatedDelta):
        channels = 2 * mixer.key_heads * mixer.key_dim + mixer.value_heads * mixer.value_dim
        return (mixer.kernel - 1) * channels
    if isinstance(mixer, KimiDelta):
        return (mixer.kernel - 1) * 3 * mixer.heads * mixer.head_dim
    if isinstance(mixer, Mamba2):
        channels = mixer.heads * mixer.head_dim + 2 * mixer.groups * mixer.state
        return (mixer.kernel - 1) * channels
    return 0


def state_page(arch: Architecture, group: LayerGroup, shape: Shape, wide: bool) -> float:
    """Bytes of one layer's state on one device: the window in 16 bits, the matrix in 16 or 32.

    The user may set both types, and the window grows by the tokens that are guessed ahead
    (vllm 0.25.0 vllm/model_executor/layers/mamba/mamba_utils.py).
    """
    own = shape.own
    elements = (group.state_bytes or 0) / _STATE_ELEMENT
    window = min(elements, _window_elements(arch.mixer)) if arch.mixer else 0
    window_size = _ELEMENT_BYTES.get(own.window_dtype or "auto", 2)
    state_size = _ELEMENT_BYTES.get(own.state_dtype or "auto", 4 if wide else window_size)
    kept = window * window_size
    if own.speculation and isinstance(arch.mixer, GatedDelta | Mamba2):
        kept *= 1 + own.speculation.tokens / (arch.mixer.kernel - 1)
    return (kept + (elements - window) * state_size) / shape.tensor


def _block_tokens(shape: Shape) -> int:
    return shape.own.block_tokens or kv_cache.VLLM_BLOCK


def attention_specs(arch: Architecture, shape: Shape) -> list[Spec]:
    """The layers with keys and values, equal ones together, in blocks of the size set."""
    block = _block_tokens(shape)
    found: dict[Spec, int] = {}
    kinds = [g for g in arch.layer_groups if g.kind in kv_cache.CACHED_KINDS]
    groups = kv_cache.cache_groups(arch, shape.tensor, shape.kv_dtype)
    for group, cached in zip(kinds, groups, strict=True):
        page = cached.layer_bytes_per_token * block
        like = Spec(0, page, block, cached.window, group.kind == "chunked")
        found[like] = found.get(like, 0) + group.layers
    return [replace(spec, layers=layers) for spec, layers in found.items()]


def _states(arch: Architecture, shape: Shape, release: Release) -> list[Spec]:
    found: dict[float, int] = {}
    for group in arch.layer_groups:
        if group.kind in STATE_KINDS or group.state_bytes:
            page = state_page(arch, group, shape, release.wide_state)
            found[page] = found.get(page, 0) + group.layers
    return [Spec(layers, page, 0) for page, layers in found.items() if page]


def _one_page(attention: list[Spec], states: list[Spec]) -> list[Spec]:
    """All specs with blocks of one size in bytes."""
    if states and attention:
        token = max(spec.page / spec.tokens for spec in attention)
        step = kv_cache.VLLM_BLOCK
        tokens = step * math.ceil(max(s.page for s in states) / (step * token))
        tokens = max(tokens, *(spec.tokens for spec in attention))
        attention = [
            replace(spec, page=spec.page / spec.tokens * tokens, tokens=tokens)
            for spec in attention
        ]
    page = max(spec.page for spec in attention + states)
    unified = []
    for spec in attention + states:
        # A smaller block grows to several times its tokens, or is padded where that does not go.
        times = int(page // spec.page) if page % spec.page == 0 else 1
        unified.append(replace(spec, page=page, tokens=spec.tokens * times))
    return unified


def _states_of_one(shape: Shape, release: Release) -> int:
    """State blocks of each group that one request holds: one more for each token guessed."""
    guess = shape.own.speculation
    return release.states + (guess.tokens if guess else 0)


def request_blocks(spec: Spec, shape: Shape, release: Release) -> int:
    """Blocks of one group that vLLM books for one request of full context."""
    if not spec.tokens:
        return _states_of_one(shape, release)
    kept = math.ceil(shape.context / (shape.own.context_parallel or 1))
    if spec.window is not None and spec.chunked:
        kept = min(spec.window + shape.max_num_batched_tokens, kept)
    elif spec.window is not None:
        kept = min(spec.window - 1 + shape.max_num_batched_tokens, kept)
        return math.ceil(kept / spec.tokens) + 1  # a window may begin inside a block
    return math.ceil(kept / spec.tokens)


def _blocks_in(kv_gib: float, block_bytes: float, shape: Shape) -> int:
    """Blocks in that cache, or as many as the user wrote."""
    return shape.own.blocks or int(max(0.0, kv_gib) * GIB // block_bytes)


def capacity(arch: Architecture, shape: Shape, release: Release, kv_gib: float) -> Capacity:
    """Blocks in `kv_gib` of one device, and what one request takes of them."""
    attention, states = attention_specs(arch, shape), _states(arch, shape, release)
    if not release.pooled:
        attention = [replace(spec, window=None) for spec in attention]
    if not attention and not states:
        return Capacity(0, 0)
    windows = {(spec.window, spec.chunked) for spec in attention}
    if not states and len(windows) == 1:
        row = sum(spec.layers * spec.page for spec in attention)
        needed = request_blocks(attention[0], shape, release)
        return Capacity(_blocks_in(kv_gib, row, shape), needed, row)
    specs = _one_page(attention, states)
    fewest, most = min(s.layers for s in specs), max(s.layers for s in specs)
    size = most if most < fewest * release.near else fewest
    held = [(spec, math.ceil(spec.layers / size)) for spec in specs]
    needed = sum(groups * request_blocks(spec, shape, release) for spec, groups in held)
    one_state = _states_of_one(shape, release)
    least = sum(groups * (1 if spec.tokens else one_state) for spec, groups in held)
    row = specs[0].page * size
    return Capacity(_blocks_in(kv_gib, row, shape), needed, row, least, states=bool(states))
