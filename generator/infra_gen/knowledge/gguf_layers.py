"""The architecture that the metadata of a GGUF file describes, by llama.cpp's own rules.

Source of every rule: ggml-org/llama.cpp at build 11434, src/llama-model.cpp (load_hparams,
create_memory, load_swa_pattern), src/llama-hparams.cpp and src/models/*.cpp (load_arch_hparams).
"""

from __future__ import annotations

from collections import Counter
from datetime import date
from typing import NamedTuple

from pydantic import ValidationError

from infra_gen.errors import UsageError
from infra_gen.knowledge.gguf_header import Listed, Metadata
from infra_gen.model.llm import Architecture, LayerGroup, Mla, Moe

# create_memory gives these no cache.
ENCODERS = frozenset(
    {"bert", "modern-bert", "nomic-bert", "nomic-bert-moe", "neo-bert", "jina-bert-v2",
     "jina-bert-v3", "eurobert", "gemma-embedding"}
)  # fmt: skip
# Every layer attends to everything, with equal heads.
_PLAIN = frozenset(
    {"llama", "mistral3", "qwen2", "qwen2moe", "qwen2vl", "qwen3", "qwen3moe", "qwen3vl",
     "qwen3vlmoe", "phi2", "phi3", "phimoe", "gemma", "starcoder2", "stablelm", "command-r",
     "dbrx", "olmo", "olmoe", "falcon", "deepseek", "deepseek2", "glm4", "glm4moe", "chatglm",
     "nemotron", "exaone", "granite", "granitemoe", "internlm2", "smollm3", "seed_oss", "dots1",
     "ernie4_5", "ernie4_5-moe", "hunyuan-dense", "hunyuan-moe", "bailingmoe", "bailingmoe2",
     "minimax-m2", "apertus", "arcee", "deci", "baichuan", "minicpm", "llama-embed"}
)  # fmt: skip
# Every n-th layer attends to everything, counted from the end or the start of each n: where the
# file lists no pattern.
_WINDOWED: dict[str, tuple[int, bool]] = {
    "afmoe": (4, False), "cohere2": (4, False), "cohere2moe": (4, True), "exaone-moe": (4, False),
    "exaone4": (4, False), "gemma2": (2, False), "gemma3": (6, False), "gemma3n": (5, False),
    "gpt-oss": (2, False), "laguna": (4, True), "llama4": (4, False), "mellum": (4, False),
    "olmo2": (4, False), "plamo3": (8, False), "smallthinker": (4, True),
    # these always list theirs
    "gemma4": (0, False), "granite_swa": (0, False), "maple": (0, False), "mimo2": (0, False),
    "step35": (0, False),
}  # fmt: skip
_WINDOW_UNLESS_SAID = {"gemma2": 4096, "exaone4": 4096}
_FIXED_WINDOW = {"llama4": 8192, "smallthinker": 4096}
# Layers without key-value heads are recurrent,
_RECURRENT_BY_HEADS = frozenset({"jamba", "granitehybrid", "lfm2", "lfm2moe", "kimi-linear"})
# or an MLP alone where they have one of those,
_ONE_PART = frozenset({"nemotron_h", "nemotron_h_moe"})
# or all but every n-th are.
_RECURRENT_BY_INTERVAL = {"qwen3next": 4, "qwen35": 4, "qwen35moe": 4}
_ALL_RECURRENT = frozenset({"mamba", "mamba2"})
_PARALLEL = frozenset({"falcon-h1"})
_KV_FROM_START = {"gemma3n": 20}
KNOWN = (
    ENCODERS | _PLAIN | set(_WINDOWED) | _RECURRENT_BY_HEADS | _ONE_PART
    | set(_RECURRENT_BY_INTERVAL) | _ALL_RECURRENT | _PARALLEL
)  # fmt: skip
_MOST_LAYERS = 1024  # twice LLAMA_MAX_LAYERS


def _every(layers: int, interval: int, *, full_first: bool) -> list[bool]:
    """For each layer whether it is one of the others (has a window, is recurrent)."""
    if interval == 0:
        return [True] * layers
    keep = 0 if full_first else interval - 1
    return [place % interval != keep for place in range(layers)]


def _in_window(meta: Metadata, layers: int) -> tuple[list[bool], int | None]:
    """Which layers keep a window, and how wide it is."""
    rule = _WINDOWED.get(meta.name)
    if meta.name in ("lfm2", "lfm2moe"):
        window = meta.whole("attention.sliding_window", 0)
        return [window > 0] * layers, window or None
    window = meta.whole("attention.sliding_window", _WINDOW_UNLESS_SAID.get(meta.name, 0))
    if meta.name in _FIXED_WINDOW and (window or meta.get("attention.sliding_window") is None):
        window = _FIXED_WINDOW[meta.name]
    if rule is None or not window:
        return [False] * layers, None
    key = "attention.sliding_window_pattern"
    if isinstance(meta.get(key), Listed):
        return [value != 0 for value in meta.each(key, layers)[:layers]], window
    interval = meta.whole(key, rule[0])
    return _every(layers, interval, full_first=rule[1]), window


def _recurrent(meta: Metadata, layers: int, kv_heads: tuple[int, ...]) -> list[bool]:
    if meta.name in _ALL_RECURRENT:
        return [True] * layers
    if meta.name in _RECURRENT_BY_HEADS:
        return [heads == 0 for heads in kv_heads]
    if meta.name in _ONE_PART:
        widths = meta.each("feed_forward_length", layers, 0)
        return [not heads and not widths[place] for place, heads in enumerate(kv_heads)]
    if meta.name in _RECURRENT_BY_INTERVAL:
        key = "attention.recurrent_layers"
        if isinstance(meta.get(key), Listed):
            return [value != 0 for value in meta.each(key, layers)[:layers]]
        interval = meta.positive("full_attention_interval", _RECURRENT_BY_INTERVAL[meta.name])
        return _every(layers, interval, full_first=False)
    return [False] * layers


def _state_bytes(meta: Metadata) -> int:
    """Bytes of one sequence in one recurrent layer: n_embd_r and n_embd_s, in 32 bits."""
    cache = meta.whole("shortconv.l_cache", 0)
    if cache:
        return meta.positive("embedding_length") * max(0, cache - 1) * 4
    kernel = meta.whole("ssm.conv_kernel", 0)
    kda = meta.whole("kda.head_dim", 0)
    if kda:
        heads = meta.positive("attention.head_count")
        return (3 * (kernel - 1 if kernel else 3) * heads * kda + kda * kda * heads) * 4
    inner, size = meta.positive("ssm.inner_size"), meta.positive("ssm.state_size")
    groups = meta.whole("ssm.group_count", 0)
    return (max(0, kernel - 1) * (inner + 2 * groups * size) + size * inner) * 4


def _linear(meta: Metadata) -> bool:
    return meta.name in _RECURRENT_BY_INTERVAL or meta.name == "kimi-linear"


def _head_dim(meta: Metadata, fallback: int, suffix: str = "") -> int:
    """Mean of key and value length: what a token costs is their sum."""
    key = meta.positive(f"attention.key_length{suffix}", fallback)
    return (key + meta.positive(f"attention.value_length{suffix}", fallback) + 1) // 2


class _Layer(NamedTuple):
    """What one layer keeps, as a LayerGroup says it."""

    kind: str
    window: int | None = None
    kv_heads: int | None = None
    head_dim: int | None = None
    state_bytes: int | None = None


def _groups(meta: Metadata, layers: int, head_dim: int) -> tuple[LayerGroup, ...]:
    heads = meta.each("attention.head_count", layers, 0)
    written = meta.each("attention.head_count_kv", layers, -1)[:layers]
    kv_heads = tuple(heads[place] if own < 0 else own for place, own in enumerate(written))
    if meta.name not in KNOWN:
        widest = max(kv_heads) or max(heads) or 1
        return (LayerGroup(kind="full", layers=layers, kv_heads=widest),)
    windows, window = _in_window(meta, layers)
    recurrent = _recurrent(meta, layers, kv_heads)
    shared = meta.whole("attention.shared_kv_layers", 0)
    cached = _KV_FROM_START.get(meta.name, layers - shared if shared < layers else layers)
    narrow = _head_dim(meta, head_dim, "_swa")
    state = _state_bytes(meta) if any(recurrent) or meta.name in _PARALLEL else None
    counted: Counter[_Layer] = Counter()
    for place in range(layers):
        own = kv_heads[place] or None
        if recurrent[place]:
            layer = _Layer("linear" if _linear(meta) else "mamba", state_bytes=state)
        elif meta.name in ENCODERS or place >= cached or own is None:
            layer = _Layer("none")
        elif windows[place]:
            layer = _Layer("chunked" if meta.name == "llama4" else "sliding", window, own, narrow)
        else:
            beside = state if meta.name in _PARALLEL else None
            layer = _Layer("full", None, own, head_dim, beside)
        counted[layer] += 1
    return tuple(
        LayerGroup.model_validate({**layer._asdict(), "layers": count})
        for layer, count in counted.items()
    )


def _mla(meta: Metadata) -> Mla | None:
    """Latent attention, where the file has the tensors that keep only the latent."""
    if not meta.whole("attention.kv_lora_rank", 0) or not meta.whole("attention.key_length_mla", 0):
        return None
    rope = meta.positive("rope.dimension_count")
    return Mla(
        kv_lora_rank=meta.positive("attention.kv_lora_rank"),
        q_lora_rank=meta.whole("attention.q_lora_rank", 0) or None,
        qk_rope_head_dim=rope,
        qk_nope_head_dim=max(1, meta.positive("attention.key_length_mla") - rope),
        v_head_dim=meta.positive("attention.value_length_mla"),
    )


def _moe(meta: Metadata, layers: int) -> Moe | None:
    experts = meta.whole("expert_count", 0)
    if not experts:
        return None
    shared = meta.whole("expert_shared_count", 0)
    own = meta.whole("expert_feed_forward_length", 0) or meta.positive("feed_forward_length")
    width = meta.whole("expert_shared_feed_forward_length", 0) or shared * own
    step = meta.whole("interleave_moe_layer_step", 0)
    dense = meta.whole("leading_dense_block_count", 0)
    return Moe(
        experts=experts,
        experts_per_token=meta.positive("expert_used_count"),
        shared_experts=shared or int(bool(width)),
        intermediate_size=own,
        shared_intermediate_size=width or None,
        dense_layers=layers - layers // step if step > 1 else min(dense, layers),
    )


def read_layers(meta: Metadata, vocabulary: int, *, tied: bool, checked: date) -> Architecture:
    """The architecture. UsageError names the key that is missing or contradictory.

    One that is not known is sized as if every layer kept all its keys and values, `known` false.
    """
    blocks = meta.positive("block_count")
    layers = blocks - meta.whole("nextn_predict_layers", 0)
    if not 0 < layers <= _MOST_LAYERS:
        raise meta.fault("block_count", f"is {blocks}")
    hidden = meta.positive("embedding_length")
    heads = meta.whole("attention.head_count", 0) or 1
    kv_heads = meta.whole("attention.head_count_kv", heads) or heads
    mla = _mla(meta)
    head_dim = _head_dim(meta, max(1, hidden // heads))
    if mla:
        head_dim, kv_heads = mla.qk_nope_head_dim + mla.qk_rope_head_dim, heads
    try:
        return Architecture(
            class_name=meta.name,
            layers=layers,
            hidden_size=hidden,
            heads=heads,
            kv_heads=kv_heads,
            head_dim=head_dim,
            intermediate_size=meta.whole("feed_forward_length", 0),
            vocab_size=vocabulary,
            tied_embeddings=tied,
            max_context=meta.positive("context_length"),
            layer_groups=_plainer(_groups(meta, layers, head_dim), kv_heads, head_dim, mla),
            mla=mla,
            moe=_moe(meta, layers),
            known=meta.name in KNOWN,
            source="metadata of the GGUF file",
            checked=checked,
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"contradictory metadata: {first['msg']}", where=meta.where) from error


def _plainer(
    groups: tuple[LayerGroup, ...], kv_heads: int, head_dim: int, mla: Mla | None
) -> tuple[LayerGroup, ...]:
    """Groups without the head counts that are the whole model's anyway."""
    usual = {"kv_heads": kv_heads, "head_dim": head_dim}
    return tuple(
        group.model_copy(
            update={k: None for k, v in usual.items() if mla or getattr(group, k) == v}
        )
        for group in groups
    )
