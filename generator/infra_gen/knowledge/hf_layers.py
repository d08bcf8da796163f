"""What each layer of a config.json keeps: keys and values, a window of them, a fixed state, nothing."""

from __future__ import annotations

from collections import Counter

from infra_gen.errors import UsageError
from infra_gen.knowledge.hf_blocks import block_heads
from infra_gen.knowledge.hf_fields import ConfigFile, one_line
from infra_gen.knowledge.hf_indexer import indexed_layers, indexer_params
from infra_gen.knowledge.hf_states import State, state_of
from infra_gen.model.llm import LayerGroup
from infra_gen.model.params import Extras

# Names of layer_types and layers_block_type. Newer files say linear_attention for mamba layers too:
# the other fields tell which state it is. "both": attention and mamba side by side (Falcon-H1).
_TYPE_KINDS = {
    "full_attention": "full",
    "attention": "full",
    "deepseek_sparse_attention": "full",  # looks at some tokens, keeps all
    "sliding_attention": "sliding",
    "chunked_attention": "chunked",
    "linear_attention": "linear",
    "mamba": "mamba",
    "mamba2": "mamba",
    "conv": "mamba",
    "moe": "none",
    "mlp": "none",
}
_PATTERN_LETTERS = {"M": "mamba", "*": "attention", "-": "mlp", "E": "moe"}
# Encoders look at the whole text at once and keep nothing between steps.
_ENCODERS = ("Bert", "Roberta", "XLMRoberta", "ModernBert", "NomicBert", "NewModel", "NewFor",
             "GteNew", "GteModel", "JinaBert", "Camembert", "EuroBert")  # fmt: skip
_STATES = ("linear", "mamba")
_ORDER = ("full", "sliding", "chunked", "linear", "mamba", "none")


def is_encoder(class_name: str) -> bool:
    """Whether a class of that name is a bidirectional encoder without a cache."""
    return class_name.startswith(_ENCODERS)


def layer_groups(config: ConfigFile, layers: int, *, known: bool) -> tuple[LayerGroup, ...]:
    """The layers by what they keep. UsageError names the field that is missing or contradictory.

    A window that no list of layers goes with is believed only of a class that is `known`: of
    others, nobody here knows which layers have it, and too much memory is the safer guess.
    """
    # Gemma says true or "all" for its embedding models; "vision" is about images only.
    bidirectional = config.get("use_bidirectional_attention") in (True, "all")
    if is_encoder(config.classes()[0]) or bidirectional:
        kinds = ["none"] * layers
    else:
        kinds = _kinds(config, layers, known=known)
    state = state_of(config)
    # The last layers of Gemma 3n and 4 read the cache of earlier ones and keep none
    # (num_kv_shared_layers; kv_sharing_target_layer_name in vLLM's gemma3n.py and gemma4.py).
    shared = config.count("num_kv_shared_layers")
    if shared >= layers:
        shared = 0
    if shared:
        kinds = [*kinds[: layers - shared], *["none"] * shared]
    uneven = block_heads(config, config.positive("num_attention_heads", "n_head"))
    if uneven:
        return _uneven(uneven, layers, config)
    counted = Counter(state.kind if state and kind in _STATES else kind for kind in kinds)
    parallel = counted.pop("both", 0)
    counted["full"] += parallel
    return tuple(
        _group(config, kind, counted[kind], state, parallel=bool(parallel))
        for kind in _ORDER
        if counted[kind]
    )


def _group(
    config: ConfigFile, kind: str, layers: int, state: State | None, *, parallel: bool
) -> LayerGroup:
    fields: dict[str, object] = {"kind": kind, "layers": layers}
    if kind == "sliding":
        fields["window"] = config.positive("sliding_window", "sliding_window_size")
        fields |= _own_heads(config)
    elif kind == "chunked":
        fields["window"] = config.positive("attention_chunk_size")
    elif kind == "full" and config.model_type == "gemma4_text":
        # Gemma 4's full layers have wider heads, and fewer where keys serve as values.
        fields["head_dim"] = config.positive("global_head_dim")
        if config.flag("attention_k_eq_v") and config.get("num_global_key_value_heads"):
            fields["kv_heads"] = config.positive("num_global_key_value_heads")
            fields["value_projection"] = False
    if state and (kind == state.kind or (kind == "full" and parallel)):
        fields["state_bytes"] = state.bytes
    return LayerGroup.model_validate(fields)


def _own_heads(config: ConfigFile) -> dict[str, object]:
    """Heads of sliding layers where they are not those of the others (MiMo-V2, Step-3.5)."""
    other = config.get("attention_other_setting")
    if isinstance(other, dict) and other.get("num_attention_groups") is not None:
        return {"kv_heads": ConfigFile(other, config.where).positive("num_attention_groups")}
    if config.get("swa_num_key_value_heads") is None:
        return {}
    found: dict[str, object] = {"kv_heads": config.positive("swa_num_key_value_heads")}
    if config.get("swa_head_dim") is not None:
        width = config.positive("swa_head_dim")
        found["head_dim"] = (width + config.positive("swa_v_head_dim", default=width)) // 2
    return found


def _uneven(heads: Counter[int], layers: int, config: ConfigFile) -> tuple[LayerGroup, ...]:
    """Full attention with as many key and value heads as each layer has."""
    if sum(heads.values()) != layers:
        raise UsageError(
            f"block_configs has {sum(heads.values())} entries, num_hidden_layers is {layers}",
            where=config.where,
        )
    return tuple(
        LayerGroup(kind="full" if count else "none", layers=heads[count], kv_heads=count or None)
        for count in sorted(heads, reverse=True)
    )


def _kinds(config: ConfigFile, layers: int, *, known: bool) -> list[str]:
    found = _named_kinds(config, layers) or _state_kinds(config, layers)
    if found:
        return found
    if config.model_type == "llama4_text" and config.get("attention_chunk_size") is not None:
        if config.get("no_rope_layers"):
            return _worded(config, "no_rope_layers", layers, {1: "chunked", 0: "full"})
        return _every(layers, config.positive("no_rope_layer_interval"), "full", "chunked")
    return _windows(config, layers) if known else ["full"] * layers


def _state_kinds(config: ConfigFile, layers: int) -> list[str] | None:
    """Layers with and without attention, where a rule and not a list tells them apart."""
    kda = config.get("linear_attn_config")
    if isinstance(kda, dict) and kda.get("kda_layers") is not None:
        counted = ConfigFile(kda, config.where).places("kda_layers") or frozenset()
        if counted and not 1 <= min(counted) <= max(counted) <= layers:
            raise UsageError(
                f"linear_attn_config.kda_layers names layers beyond 1 to {layers}",
                where=config.where,
            )
        return ["linear" if place + 1 in counted else "full" for place in range(layers)]
    if config.model_type == "falcon_h1":
        return ["both"] * layers
    if config.get("attn_type_list") is not None:  # MiniMax: 1 is softmax attention
        return _worded(config, "attn_type_list", layers, {1: "full"})
    if config.get("hybrid_layer_pattern") is not None:  # MiMo-V2
        return _worded(config, "hybrid_layer_pattern", layers, {1: "sliding", 0: "full"})
    for key in ("attn_layer_indices", "full_attn_idxs"):  # Bamba, LFM2
        places = config.places(key)
        if places is not None:
            return ["full" if place in places else "mamba" for place in range(layers)]
    if config.get("attn_layer_period") is not None:  # Jamba
        period, offset = config.positive("attn_layer_period"), config.count("attn_layer_offset")
        return ["full" if place % period == offset else "mamba" for place in range(layers)]
    if config.get("full_attention_interval") is not None:  # Qwen3-Next, Qwen3.5
        return _every(layers, config.positive("full_attention_interval"), "full", "linear")
    return None


def count_layers(config: ConfigFile) -> int:
    """How many layers there are; where no field says it, as many as are listed one by one."""
    listed = _listed_types(config)
    default = len(listed[1]) if listed and listed[1] else None
    return config.positive("num_hidden_layers", "n_layer", default=default)


def _listed_types(config: ConfigFile) -> tuple[str, list[object]] | None:
    """The field that names every layer, and its names."""
    for key in ("layer_types", "layers_block_type"):
        types = config.get(key)
        if isinstance(types, list):
            return key, types
    pattern = config.get("hybrid_override_pattern")
    if isinstance(pattern, str):
        return "hybrid_override_pattern", [_PATTERN_LETTERS.get(c, c) for c in pattern]
    return None


def _named_kinds(config: ConfigFile, layers: int) -> list[str] | None:
    """Layer by layer as the config says."""
    listed = _listed_types(config)
    if listed is None:
        return None
    key, types = listed
    if len(types) == layers + config.count("num_nextn_predict_layers"):
        types = types[:layers]  # the layers that guess tokens ahead are listed too (Step-3.5)
    if len(types) != layers:
        raise UsageError(
            f"{key} has {len(types)} entries, num_hidden_layers is {layers}", where=config.where
        )
    unknown = sorted({str(t) for t in types} - set(_TYPE_KINDS))
    if unknown:
        raise UsageError(
            f"{key} has the unknown kind {one_line(unknown[0])!r}",
            where=config.where,
            hint=f"known are {', '.join(sorted(_TYPE_KINDS))}; what a layer of another kind keeps "
            "cannot be sized",
        )
    return [_TYPE_KINDS[str(name)] for name in types]


def _worded(config: ConfigFile, key: str, layers: int, words: dict[int, str]) -> list[str]:
    return [words[value] for value in config.listed(key, layers, set(words))]


def _every(layers: int, interval: int, last: str, others: str) -> list[str]:
    return [last if (place + 1) % interval == 0 else others for place in range(layers)]


def _windows(config: ConfigFile, layers: int) -> list[str]:
    if not config.count("sliding_window"):
        return ["full"] * layers
    pattern = config.count("sliding_window_pattern", "_sliding_window_pattern")
    if pattern > 1:
        return _every(layers, pattern, "full", "sliding")
    if not config.fields.get("use_sliding_window", True):
        return ["full"] * layers
    # Qwen2: layers from max_window_layers on have the window, only where it is switched on.
    first = config.count("max_window_layers") if "use_sliding_window" in config.fields else 0
    return ["full"] * min(first, layers) + ["sliding"] * max(0, layers - first)


def extras(config: ConfigFile, groups: tuple[LayerGroup, ...]) -> Extras:
    """Parameters that the fields of an Architecture do not show."""
    state = state_of(config)
    layers = sum(group.layers for group in groups)
    mixer = state.params if state and state.mixer is None else None
    return Extras(mixer=mixer, attention=indexer_params(config) * indexed_layers(config, layers))
