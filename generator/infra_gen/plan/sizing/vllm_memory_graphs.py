"""CUDA graphs of vLLM: which batch sizes are captured, and what they take, in bytes."""

from __future__ import annotations

from infra_gen.model.calibration import known
from infra_gen.model.calibration_memory import GraphSizes
from infra_gen.model.llm import Architecture
from infra_gen.plan.memory import Shape
from infra_gen.plan.sizing.vllm_memory_release import Release

_MIB = 2**20
_FINE, _COARSE = 8, 16  # tokens between two sizes, below and from _COARSE_FROM on
_COARSE_FROM = 256


def capture_sizes(limit: int, *, light: bool) -> list[int]:
    """Batch sizes up to `limit` tokens; old versions take every eighth (vllm/config/vllm.py)."""
    small = [size for size in (1, 2, 4) if size <= limit]
    if not light:
        return [*small, *range(_FINE, limit + 1, _FINE)]
    fine = range(_FINE, min(limit + 1, _COARSE_FROM), _FINE)
    return [*small, *fine, *range(_COARSE_FROM, limit + 1, _COARSE)]


def estimated(arch: Architecture, shape: Shape, release: Release, sizes: GraphSizes) -> float:
    """Bytes that vLLM expects: the first capture, and a fixed amount for each further one.

    Every size is captured in pieces between two attention layers, and those that decoding can
    reach once more as a whole: one token of each request, and those guessed ahead. With adapters
    every graph is captured with and without them (vllm/config/compilation.py,
    cudagraph_specialize_lora).
    """
    largest = int(sizes.largest.value or 0)
    guess = shape.own.speculation
    reach = shape.max_num_seqs * (1 + (guess.tokens if guess else 0))
    limit = min(2 * reach, largest, shape.max_num_batched_tokens)
    pieces = capture_sizes(limit, light=release.light)
    whole = [size for size in pieces if size <= reach]
    if shape.eager or not pieces:
        return 0.0
    if not release.light:
        return len(pieces) * arch.layers * known(sizes.old_piece_mib_per_layer) * _MIB
    kinds = 2 if shape.own.lora else 1
    piece = max(1.0, arch.layers * known(sizes.piece_mib_per_layer))
    first = known(sizes.first_mib_per_request) * max(whole)
    further = (len(pieces) - 1) * piece + (len(whole) - 1) * known(sizes.full_mib)
    return (first + further) * kinds * _MIB


def taken(arch: Architecture, shape: Shape, release: Release, sizes: GraphSizes) -> float:
    """Bytes that they really take."""
    expected = estimated(arch, shape, release, sizes)
    return expected * known(sizes.taken_over_estimate) if release.light else expected
