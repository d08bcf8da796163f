"""The MLPs of a config.json: their width, and the experts in their place."""

from __future__ import annotations

from infra_gen.errors import UsageError
from infra_gen.knowledge.hf_blocks import block_widths
from infra_gen.knowledge.hf_fields import ConfigFile
from infra_gen.model.llm import Moe

_COUNTS = ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts")
_CHOSEN = (
    "num_experts_per_tok", "experts_per_token", "top_k_experts", "num_experts_per_token",
    "moe_topk", "moe_k", "moe_top_k",
)  # fmt: skip
_SHARED_WIDTHS = (
    "shared_expert_intermediate_size", "moe_shared_expert_intermediate_size",
    "shared_intermediate_size", "share_expert_dim",
)  # fmt: skip
# What experts read where it is narrower than the model (Nemotron 3 Super, Kimi K3).
_LATENT_WIDTHS = ("moe_latent_size", "routed_expert_hidden_size")


def experts(config: ConfigFile, layers: int) -> Moe | None:
    """The experts, None where there are none. UsageError names what is missing or contradictory."""
    if not config.get(*_COUNTS):
        return None
    total, chosen = config.positive(*_COUNTS), _first(config, *_CHOSEN)
    if chosen > total:
        raise UsageError(f"{chosen} experts a token, of only {total}", where=config.where)
    own = _first(config, "moe_intermediate_size", "expert_ffn_hidden_size", "intermediate_size")
    shared = _first(config, "n_shared_experts", "num_shared_experts", "moe_num_shared_experts",
                    "num_shared_expert", default=0)  # fmt: skip
    if config.model_type == "llama4_text":
        shared = 1
    width = config.count(*_SHARED_WIDTHS) or shared * own
    if config.flag("enable_moe_block"):  # Gemma 4 runs its plain MLP beside the experts
        shared, width = 1, config.positive("intermediate_size")
    return Moe(
        experts=total,
        experts_per_token=chosen,
        shared_experts=shared or int(bool(width)),
        intermediate_size=own,
        shared_intermediate_size=width or None,
        input_size=config.count(*_LATENT_WIDTHS) or None,
        dense_layers=_dense_layers(config, layers),
    )


def _first(config: ConfigFile, *keys: str, default: int | None = None) -> int:
    """A positive integer; of a list with one entry for each layer, the one that most have."""
    for key in keys:
        value = config.get(key)
        if isinstance(value, list) and value and all(type(v) is int and v > 0 for v in value):
            most: int = max(set(value), key=value.count)
            return most
        if value is not None:
            return config.positive(key) if default is None else config.count(key)
    if default is None:
        raise UsageError(f"{keys[0]} is missing", where=config.where)
    return default


def _dense_layers(config: ConfigFile, layers: int) -> int:
    """How many layers keep a plain MLP beside those with experts."""
    found = _counted_dense(config, layers)
    if found > layers:
        raise UsageError(
            f"first_k_dense_replace says {found} layers, num_hidden_layers {layers}",
            where=config.where,
        )
    return found


def _counted_dense(config: ConfigFile, layers: int) -> int:
    listed = config.places("mlp_only_layers") or frozenset()
    if config.model_type == "llama4_text":
        sparse = config.places("moe_layers")
        step = config.positive("interleave_moe_layer_step", default=1)
        return layers - (layers // step if sparse is None else len(sparse))
    if config.model_type == "jamba":
        period, offset = config.positive("expert_layer_period"), config.count("expert_layer_offset")
        return sum(place % period != offset for place in range(layers))
    each = config.get("moe_layer_freq")
    if isinstance(each, list):  # MiMo-V2, MiniMax-M3: 1 where a layer has experts
        return config.listed("moe_layer_freq", layers, {0, 1}).count(0)
    enumerated = config.get("moe_layers_enum")
    if isinstance(enumerated, str):  # Step-3.5: numbers of the layers with experts
        return layers - len({part for part in enumerated.split(",") if part.strip().isdigit()})
    if config.get("moe_layer_start_index") is not None:  # ERNIE 4.5
        return config.count("moe_layer_start_index")
    step = config.positive("decoder_sparse_step", default=1)
    if step > 1 or listed:
        return sum(place in listed or (place + 1) % step != 0 for place in range(layers))
    return config.count("first_k_dense_replace", "num_dense_layers")


def dense_width(config: ConfigFile, moe: Moe | None) -> int:
    """The width of a plain MLP; 0 where there is none beside the experts."""
    if config.model_type == "llama4_text":
        return config.positive("intermediate_size_mlp", "intermediate_size")
    if config.model_type == "granitemoehybrid" and not moe:
        return config.positive("shared_intermediate_size", "intermediate_size")
    blocks = block_widths(config)
    if blocks:
        return sum(blocks) // len(blocks)
    listed = config.get("intermediate_size")
    if isinstance(listed, list) and listed and all(type(v) is int and v > 0 for v in listed):
        return sum(listed) // len(listed)  # Gemma 3n names every layer's
    lfm2 = config.model_type == "lfm2"
    names = (
        ("block_ff_dim", "intermediate_size")
        if lfm2
        else ("dense_intermediate_size", "intermediate_size", "n_inner", "ffn_hidden_size")
    )
    width = config.positive(*names, default=0 if moe else None)
    return _adjusted(config, width) if lfm2 and config.flag("block_auto_adjust_ff_dim") else width


def _adjusted(config: ConfigFile, width: int) -> int:
    # Source: huggingface/transformers:src/transformers/models/lfm2/modeling_lfm2.py, Lfm2MLP
    factor = config.number("block_ffn_dim_multiplier")
    multiple = config.count("block_multiple_of")
    width = int(2 * width / 3)
    return -(-int(factor * width) // multiple) * multiple if factor and multiple else width
