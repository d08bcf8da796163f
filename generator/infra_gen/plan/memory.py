"""What the memory of a device depends on. The formulas are each engine's own, in plan/sizing."""

from __future__ import annotations

from dataclasses import dataclass, field

from infra_gen.model.plan import Placement
from infra_gen.plan.sizing.llamacpp_layout import Layout
from infra_gen.plan.sizing.vllm_memory_settings import Settings

UBATCH = 512  # llama.cpp's default --ubatch-size, set explicitly in the launch


@dataclass(frozen=True, slots=True)
class Shape:
    """The choices that memory depends on. `ubatch`: llama.cpp's, None for its default.

    `version`: the engine's, None for the newest. `fraction`: the share of visible memory that is
    planned, None for the engine's default. `eager`: no CUDA graphs and no compilation.
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
