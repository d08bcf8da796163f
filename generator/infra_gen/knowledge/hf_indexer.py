"""The indexer of sparse attention (DeepSeek-V3.2, GLM-5): what it keeps and weighs beside the latent."""

from __future__ import annotations

import math

from infra_gen.errors import UsageError
from infra_gen.knowledge.hf_fields import ConfigFile

_KINDS = {"full", "shared"}
_SCALED, _FLOAT = 128, 4  # elements that share a scale, and its bytes


def indexed_layers(config: ConfigFile, layers: int) -> int:
    """Layers with an indexer of their own: sparse attention looks only at what it chooses."""
    if config.get("index_topk") is None or config.get("kv_lora_rank") is None:
        return 0
    kinds = config.get("indexer_types")
    if kinds is None:
        return layers
    if not isinstance(kinds, list) or len(kinds) < layers or not set(map(str, kinds)) <= _KINDS:
        raise UsageError(
            f"indexer_types is not a list of {layers} times full or shared", where=config.where
        )
    return kinds[:layers].count("full")


def index_cache_bytes(config: ConfigFile, layers: int) -> int:
    """Bytes a token and layer, on average, for the keys of indexers: fp8, a scale for each 128."""
    # Source: vllm 0.33.0 vllm/model_executor/models/deepseek_v2.py, DeepseekV32IndexerCache
    having = indexed_layers(config, layers)
    if not having:
        return 0
    width = config.positive("index_head_dim")
    return math.ceil((width + math.ceil(width / _SCALED) * _FLOAT) * having / layers)


def indexer_params(config: ConfigFile) -> int:
    """Parameters of one layer's indexer, 0 where there is none."""
    if config.get("index_topk") is None or config.get("q_lora_rank") is None:
        return 0
    heads, width = config.positive("index_n_heads"), config.positive("index_head_dim")
    hidden = config.positive("hidden_size")
    return config.positive("q_lora_rank") * heads * width + hidden * (width + heads)
