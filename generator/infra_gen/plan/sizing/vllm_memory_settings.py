"""The user's own vLLM flags that change what a plan must count with.

They replace planned numbers, so that the plan describes what is really started.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from infra_gen.model.plan import Limits, Parallelism
from infra_gen.plan.kv_cache import KV_ELEMENT_BYTES
from infra_gen.plan.memory import Shape

Value = str | int | float | bool
_THOUSANDS = {"": 1, "k": 1000, "K": 1024, "m": 1000**2, "M": 1024**2}


@dataclass(frozen=True, slots=True)
class Settings:
    """What the user set; None where nothing was. `names` are the flags that were understood."""

    context: int | None = None
    max_num_seqs: int | None = None
    batched_tokens: int | None = None
    fraction: float | None = None
    kv_dtype: str | None = None
    tensor: int | None = None
    quantization: str | None = None
    eager: bool = False
    prefix_cache: bool | None = None
    names: frozenset[str] = frozenset()
    warnings: tuple[str, ...] = ()
    placed: bool = False

    @property
    def fixed_requests(self) -> bool:
        """Whether the user said how many requests run at once."""
        return self.max_num_seqs is not None

    def on_shape(self, shape: Shape) -> Shape:
        """The shape with the user's switches."""
        return replace(shape, eager=self.eager, prefix_cache=self.prefix_cache)

    def on_split(self, split: Parallelism) -> Parallelism:
        """As planned: `tensor` fixes the choice before."""
        return split

    def on(self, limits: Limits) -> Limits:
        """The limits with the user's in place of the planned ones."""
        return replace(
            limits,
            context=self.context or limits.context,
            max_num_seqs=self.max_num_seqs or limits.max_num_seqs,
            max_num_batched_tokens=self.batched_tokens or limits.max_num_batched_tokens,
            memory_fraction=self.fraction or limits.memory_fraction,
            kv_cache_dtype=self.kv_dtype or limits.kv_cache_dtype,
        )


def _whole(value: Value) -> int | None:
    """A positive number of tokens, requests or devices, as vLLM reads it (1k is 1000, 1K 1024)."""
    found = re.fullmatch(r"([0-9]{1,12})(?:\.0)?([kKmM]?)", str(value).strip())
    return int(found[1]) * _THOUSANDS[found[2]] or None if found else None


def _share(value: Value) -> float | None:
    try:
        share = float(value)
    except ValueError:
        return None
    return share if 0 < share <= 1 else None


def _switch(value: Value) -> bool:
    return value is True or str(value).lower() == "true"


def _fields(name: str, value: Value) -> dict[str, object]:
    """The fields of Settings that one flag sets; empty when it is none of them."""
    whole = {
        "max-model-len": "context",
        "max-num-seqs": "max_num_seqs",
        "max-num-batched-tokens": "batched_tokens",
        "tensor-parallel-size": "tensor",
    }
    if name in whole:
        return {whole[name]: _whole(value)}
    if name == "gpu-memory-utilization":
        return {"fraction": _share(value)}
    if name == "kv-cache-dtype":
        return {"kv_dtype": str(value) if str(value) in KV_ELEMENT_BYTES else None}
    if name == "quantization":
        return {"quantization": str(value)}
    if name == "enforce-eager":
        return {"eager": _switch(value)}
    if name == "enable-prefix-caching":
        return {"prefix_cache": _switch(value)}
    if name == "no-enable-prefix-caching":
        return {"prefix_cache": not _switch(value)}
    return {}


# The short names that vLLM knows beside the long ones.
_SHORT = {"-tp": "tensor-parallel-size", "-q": "quantization"}


def settings(engine_args: Mapping[str, Value]) -> Settings:
    """What those flags set; nothing from values that vLLM cannot read."""
    found: dict[str, object] = {}
    names = set()
    for flag, value in engine_args.items():
        name = _SHORT.get(flag, flag.lstrip("-").replace("_", "-"))
        fields = {key: held for key, held in _fields(name, value).items() if held is not None}
        found |= fields
        if fields:
            names.add(flag)
    return replace(Settings(), names=frozenset(names), **found)  # type: ignore[arg-type]
