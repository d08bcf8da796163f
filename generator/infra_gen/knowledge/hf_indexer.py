"""The indexer of sparse attention (DeepSeek-V3.2, GLM-5): what it keeps and weighs beside the latent."""

from __future__ import annotations

import math

from infra_gen.errors import UsageError
from infra_gen.knowledge.hf_fields import ConfigFile

_KINDS = {"full", "shared"}
_SCALED, _FLOAT, _HALF = 128, 4, 2  # elements that share a scale, its bytes, those of 16 bits


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
    if config.get("sparse_attention_config") is not None:
        return _block_keys(config, layers)
    # Source: vllm 0.33.0 vllm/model_executor/models/deepseek_v2.py, DeepseekV32IndexerCache
    having = indexed_layers(config, layers)
    if not having:
        return 0
    width = config.positive("index_head_dim")
    return math.ceil((width + math.ceil(width / _SCALED) * _FLOAT) * having / layers)


def _block_keys(config: ConfigFile, layers: int) -> int:
    """MiniMax-M3: one key of 16 bits for a token in each layer that chooses blocks."""
    # Source: vllm 0.33.0 vllm/models/minimax_m3/common/indexer.py, MiniMaxM3IndexerCache
    declared = config.get("sparse_attention_config")
    if not isinstance(declared, dict):
        raise UsageError("sparse_attention_config is not an object", where=config.where)
    fields = ConfigFile(declared, f"{config.where}: sparse_attention_config")
    if not fields.flag("use_sparse_attention"):
        return 0
    having = layers
    if fields.get("sparse_attention_freq") is not None:
        having = sum(fields.listed("sparse_attention_freq", layers, {0, 1}))
    return math.ceil(fields.positive("sparse_index_dim") * _HALF * having / layers)


def indexer_params(config: ConfigFile) -> int:
    """Parameters of one layer's indexer, 0 where there is none."""
    if config.get("index_topk") is None or config.get("q_lora_rank") is None:
        return 0
    heads, width = config.positive("index_n_heads"), config.positive("index_head_dim")
    hidden = config.positive("hidden_size")
    return config.positive("q_lora_rank") * heads * width + hidden * (width + heads)
