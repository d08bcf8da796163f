"""The user's own vLLM flags that change what a plan must count with.

They replace planned numbers, so that the plan describes what is really started.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from infra_gen.model.plan import Limits, Parallelism
from infra_gen.plan.kv_cache import KV_ELEMENT_BYTES
from infra_gen.plan.sizing.vllm_flag_values import (
    Value,
    at_least_zero,
    is_automatic,
    mapping,
    share,
    switch,
    whole,
)

if TYPE_CHECKING:
    from infra_gen.model.llm import Architecture
    from infra_gen.model.machine import Machine
    from infra_gen.plan.memory import Shape

Guesser = Literal["layers", "copy", "nothing"]
Fields = dict[str, object]


@dataclass(frozen=True, slots=True)
class Speculation:
    """Tokens that are guessed ahead in a step, and by what.

    `layers`: the checkpoint's own layers for that; `copy`: one more layer like the model's
    (EAGLE); `nothing`: the prompt itself.
    """

    by: Guesser
    tokens: int


@dataclass(frozen=True, slots=True)
class Settings:
    """What the user set; None where nothing was. `names` are the flags that were understood.

    `fit_context`: the engine takes the longest context that fits. `cache_bytes` and `blocks` fix
    the cache of a device whatever is free. `text_only`: towers for images stay out. `offload_gib`:
    weights that lie in host memory. `state_dtype`, `window_dtype`: of recurrent states and of
    the convolutions before them.
    """

    context: int | None = None
    fit_context: bool = False
    max_num_seqs: int | None = None
    batched_tokens: int | None = None
    fraction: float | None = None
    kv_dtype: str | None = None
    tensor: int | None = None
    pipeline: int | None = None
    data: int | None = None
    expert: bool = False
    context_parallel: int | None = None
    quantization: str | None = None
    eager: bool = False
    prefix_cache: bool | None = None
    state_mode: str | None = None
    state_dtype: str | None = None
    window_dtype: str | None = None
    block_tokens: int | None = None
    cache_bytes: int | None = None
    blocks: int | None = None
    speculation: Speculation | None = None
    lora: bool = False
    lora_rank: int = 16
    loras: int = 1
    lora_sharded: bool = False
    text_only: bool = False
    offload_gib: float = 0.0
    names: frozenset[str] = frozenset()
    warnings: tuple[str, ...] = ()
    placed: bool = False

    @property
    def fixed_requests(self) -> bool:
        """Whether the user said how many requests run at once."""
        return self.max_num_seqs is not None

    def on_shape(self, shape: Shape) -> Shape:
        """The shape with the user's switches."""
        return replace(shape, eager=self.eager, prefix_cache=self.prefix_cache, own=self)

    def on_split(
        self, split: Parallelism, machine: Machine, arch: Architecture, /
    ) -> tuple[Parallelism, str | None]:
        """With the user's pipeline, data and expert parallelism; `tensor` fixes the choice before."""
        from infra_gen.plan.sizing.vllm_split import asked_split  # noqa: PLC0415 - it reads these

        return asked_split(split, self, machine, arch)

    @property
    def fixed_cache(self) -> bool:
        """Whether the cache is a number that the user wrote, not what is left."""
        return self.cache_bytes is not None or self.blocks is not None

    def on(self, limits: Limits) -> Limits:
        """The limits with the user's in place of the planned ones."""
        return replace(
            limits,
            context=self.context or limits.context,
            max_num_seqs=self.max_num_seqs or limits.max_num_seqs,
            max_num_batched_tokens=self.batched_tokens or limits.max_num_batched_tokens,
            memory_fraction=self.fraction or limits.memory_fraction,
            kv_cache_dtype=self.kv_dtype or limits.kv_cache_dtype,
            guesses=self.speculation.tokens if self.speculation else limits.guesses,
        )


def _context(value: Value) -> Fields:
    return {"fit_context": True} if is_automatic(value) else {"context": whole(value)}


def _one_of(field: str, names: tuple[str, ...]) -> Callable[[Value], Fields]:
    return lambda value: {field: str(value) if str(value) in names else None}


def _number(field: str) -> Callable[[Value], Fields]:
    return lambda value: {field: whole(value)}


def _on(field: str, *, inverse: bool = False) -> Callable[[Value], Fields]:
    return lambda value: {field: switch(value) != inverse}


def _speculation(value: Value) -> Fields:
    """Methods whose weights are known; a draft model of its own is not one of them."""
    given = mapping(value)
    tokens = whole(str(given.get("num_speculative_tokens", "")))
    method = str(given.get("method", ""))
    by: Guesser | None = None
    if method == "mtp" or method.endswith("_mtp"):
        by = "layers"
    elif method in ("eagle", "eagle3"):
        by = "copy"
    elif method in ("ngram", "ngram_gpu", "suffix"):
        by = "nothing"
    return {"speculation": Speculation(by, tokens) if by and tokens else None}


def _limit_images(value: Value) -> Fields:
    """Towers stay out where neither images nor videos may come."""
    given = mapping(value)
    none = all(given.get(kind) == 0 for kind in ("image", "video"))
    return {"text_only": True if none else None}


_HALF = ("auto", "half", "float16", "bfloat16")  # all of 16 bits, as planned
_STATE = ("auto", "float32", "float16", "bfloat16")
_READ: dict[str, Callable[[Value], Fields]] = {
    "max-model-len": _context,
    "max-num-seqs": _number("max_num_seqs"),
    "max-num-batched-tokens": _number("batched_tokens"),
    "gpu-memory-utilization": lambda value: {"fraction": share(value)},
    "kv-cache-dtype": _one_of("kv_dtype", tuple(KV_ELEMENT_BYTES)),
    "tensor-parallel-size": _number("tensor"),
    "pipeline-parallel-size": _number("pipeline"),
    "data-parallel-size": _number("data"),
    "enable-expert-parallel": _on("expert"),
    "decode-context-parallel-size": _number("context_parallel"),
    "quantization": lambda value: {"quantization": str(value)},
    "dtype": lambda value: {} if str(value) in _HALF else {"dtype": None},
    "enforce-eager": _on("eager"),
    "enable-prefix-caching": _on("prefix_cache"),
    "no-enable-prefix-caching": _on("prefix_cache", inverse=True),
    "mamba-cache-mode": _one_of("state_mode", ("none", "align")),
    "mamba-ssm-cache-dtype": _one_of("state_dtype", _STATE),
    "mamba-cache-dtype": _one_of("window_dtype", _STATE),
    "block-size": _number("block_tokens"),
    "kv-cache-memory-bytes": _number("cache_bytes"),
    "num-gpu-blocks-override": _number("blocks"),
    "speculative-config": _speculation,
    "enable-lora": _on("lora"),
    "max-lora-rank": _number("lora_rank"),
    "max-loras": _number("loras"),
    "fully-sharded-loras": _on("lora_sharded"),
    "language-model-only": _on("text_only"),
    "limit-mm-per-prompt": _limit_images,
    "cpu-offload-gb": lambda value: {"offload_gib": at_least_zero(value)},
    # Host memory for a scheduler that newer releases no longer have: nothing of a device.
    "swap-space": lambda _: {},
}
# Flags that change the memory of a device in ways that are not counted.
_UNCOUNTED = (
    "compilation-config",
    "cudagraph-capture-sizes",
    "enable-dbo",
    "enable-eplb",
    "eplb-config",
    "hf-overrides",
    "kv-cache-dtype-skip-layers",
    "kv-transfer-config",
    "mamba-block-size",
    "max-cudagraph-capture-size",
    "offload-group-size",
    "offload-num-in-group",
    "optimization-level",
    "prefill-context-parallel-size",
    "skip-mm-profiling",
)
# The short names that vLLM knows beside the long ones.
_SHORT = {
    "-tp": "tensor-parallel-size",
    "-pp": "pipeline-parallel-size",
    "-dp": "data-parallel-size",
    "-dcp": "decode-context-parallel-size",
    "-ep": "enable-expert-parallel",
    "-q": "quantization",
    "-sc": "speculative-config",
    "-cc": "compilation-config",
    "-O": "optimization-level",
}


def _long_name(flag: str) -> str:
    return _SHORT.get(flag, flag.lstrip("-").replace("_", "-"))


_OFFLOADED = (
    "cpu-offload-gb: every step reads that over the link to the host, which the speeds here do not "
    "count: expect far less"
)


def settings(engine_args: Mapping[str, Value]) -> Settings:
    """What those flags set; nothing from values that vLLM would not read."""
    found: Fields = {}
    names = set()
    for flag, value in engine_args.items():
        reader = _READ.get(_long_name(flag))
        if reader is None:
            continue
        fields = reader(value)
        read = {key: held for key, held in fields.items() if held is not None}
        found |= read
        if len(read) == len(fields):
            names.add(flag)
    made = replace(Settings(), names=frozenset(names), **found)  # type: ignore[arg-type]
    return replace(made, warnings=(_OFFLOADED,)) if made.offload_gib else made


def moves_memory(engine: str, flag: str) -> bool:
    """Whether the flag changes what a device holds, so that a plan without it is another one.

    A dotted name is a field of a flag that takes JSON.
    """
    name = _long_name(flag).split(".")[0]
    return engine == "vllm" and (name in _READ or name in _UNCOUNTED)
