"""The user's own TGI flags that change what a plan must count with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from infra_gen.model.llm import Architecture
from infra_gen.model.machine import Machine
from infra_gen.model.plan import Limits, Parallelism
from infra_gen.plan.memory import Shape
from infra_gen.plan.sizing import reading
from infra_gen.plan.sizing.reading import Value

_CACHE_TYPES = {"fp8_e4m3fn": "fp8_e4m3", "fp8_e5m2": "fp8_e5m2"}  # TGI's word: ours
_IGNORED = (
    "engine_args sets max-batch-total-tokens: TGI takes what its warm-up finds instead "
    "(v3.3.7 backends/v3/src/lib.rs); the planned tokens are those"
)


@dataclass(frozen=True, slots=True)
class TgiSettings:
    """What the user set; None where nothing was. `names` are the flags that were understood."""

    context: int | None = None
    requests: int | None = None
    batched_tokens: int | None = None
    fraction: float | None = None
    kv_dtype: str | None = None
    tensor: int | None = None
    names: frozenset[str] = frozenset()
    warnings: tuple[str, ...] = ()
    placed: bool = field(default=False, init=False)
    quantization: None = field(default=None, init=False)

    @property
    def fixed_requests(self) -> bool:
        """Whether the user said how many requests run at once."""
        return self.requests is not None

    def on(self, limits: Limits) -> Limits:
        """The limits with the user's in place of the planned ones."""
        return replace(
            limits,
            context=self.context or limits.context,
            max_num_seqs=self.requests or limits.max_num_seqs,
            max_num_batched_tokens=self.batched_tokens or limits.max_num_batched_tokens,
            memory_fraction=self.fraction or limits.memory_fraction,
            kv_cache_dtype=self.kv_dtype or limits.kv_cache_dtype,
        )

    def on_shape(self, shape: Shape) -> Shape:
        """As the limits say."""
        return shape

    @property
    def fit_context(self) -> bool:
        """Whether the engine takes the longest context that fits: this one does not."""
        return False

    def on_split(
        self, split: Parallelism, _machine: Machine, _arch: Architecture, /
    ) -> tuple[Parallelism, str | None]:
        """As planned: `tensor` fixes the choice before."""
        return split, None


_FIELDS: dict[str, tuple[str, Callable[[Value], object | None]]] = {
    "max-total-tokens": ("context", reading.whole),
    "max-batch-size": ("requests", reading.whole),
    "max-batch-prefill-tokens": ("batched_tokens", reading.whole),
    "cuda-memory-fraction": ("fraction", reading.share),
    "kv-cache-dtype": ("kv_dtype", lambda value: _CACHE_TYPES.get(str(value))),
    "num-shard": ("tensor", reading.whole),
}


def settings(engine_args: Mapping[str, Value]) -> TgiSettings:
    """What those flags set; nothing from values that TGI would not read."""
    found: dict[str, object] = {}
    names, warnings = set(), []
    for flag, name in reading.named(engine_args, {}).items():
        if name == "max-batch-total-tokens":
            warnings.append(_IGNORED)
            names.add(flag)
            continue
        key, read = _FIELDS.get(name, ("", lambda _: None))
        value = read(engine_args[flag])
        if value is not None:
            found[key] = value
            names.add(flag)
    return replace(
        TgiSettings(),
        names=frozenset(names),
        warnings=tuple(warnings),
        **found,  # type: ignore[arg-type]
    )
