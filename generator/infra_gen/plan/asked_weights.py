"""The weights of a quantization that was asked for by name: published, made on load, or sized only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from infra_gen.model.facts import ModelFacts
from infra_gen.model.plan import Weights
from infra_gen.plan import quantization
from infra_gen.plan.weights import MATRIX_BITS, computed_bytes


def asked_weights(
    model: ModelFacts, found: list[Weights], asked: str, method: str | None, *, sized: bool
) -> list[Weights]:
    """Those of `found` that are `asked`; where there are none, what stands for them.

    `found` are the checkpoints that the engine reads, best first. `method` is the user's own flag
    that makes fp8 while loading. Where `sized`, some are made of 16-bit files on load, and of
    others sizes are computed from the shapes, for files that nobody is known to offer. With
    `auto`, all of `found`.
    """
    if asked == "auto":
        return found
    names = quantization.meant_by(asked)
    plain = [w for w in found if w.quantization in quantization.PLAIN]
    if method in quantization.ON_LOAD and method in names and plain:
        return plain  # the flag makes it of them
    for name in names:
        listed = [w for w in found if w.quantization == name]
        if listed:
            return listed
    if not sized or model.file or not found:
        return []
    gguf = found[0].format == "gguf"  # llama.cpp's types are in capitals, and no others
    fitting = [name for name in names if name in MATRIX_BITS and name[0].isupper() == gguf]
    return [_standing_in(model, fitting[0], plain or found)] if fitting else []


def _standing_in(model: ModelFacts, name: str, known: list[Weights]) -> Weights:
    """Weights in `name` that no checkpoint holds, with bytes from the shapes.

    A GGUF file gets the name that makers of such files would give it.
    """
    on_load = name in quantization.ON_LOAD and known[0].quantization in quantization.PLAIN
    source = known[0] if on_load else None
    return Weights(
        format=known[0].format,
        quantization=name,
        bytes=computed_bytes(model.preset, name),
        basis="computed",
        repo=source.repo if source else None,
        files=(f"{model.preset.id}-{name}.gguf",) if known[0].format == "gguf" else (),
        revision=source.revision if source else None,
        sha256=None,
        local_path=source.local_path if source else None,
        on_load=quantization.ON_LOAD[name] if on_load else None,
    )


def as_loaded(model: ModelFacts, weights: Weights, method: str | None) -> Weights:
    """Weights as they are in memory when the user's flag makes `method` of plain ones."""
    names = [name for name, flag in quantization.ON_LOAD.items() if flag == method]
    if not names or weights.quantization not in quantization.PLAIN:
        return weights
    size = computed_bytes(model.preset, names[0])
    return replace(weights, quantization=names[0], bytes=size, basis="computed")


def said_of(weights: Weights, model: str) -> Iterator[str]:
    """How the size of the weights is known, where no published file states it."""
    if weights.on_load:
        yield (
            f"the engine makes {weights.quantization} of the 16-bit files while it loads them: their "
            "size in memory is computed from shapes"
        )
    elif weights.unpublished:
        yield (
            f"no {weights.quantization} weights of {model} are known: their size is computed "
            "from shapes; to deploy, name the repository or folder that has them as the model"
        )
    elif weights.basis == "computed":
        yield "the checkpoint's size is not published in the presets: computed from shapes"
