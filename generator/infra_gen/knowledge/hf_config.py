"""A Hugging Face `config.json` as a model: missing or absurd fields are named, not guessed."""

from __future__ import annotations

import codecs
import json
import math
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from infra_gen.errors import UsageError
from infra_gen.knowledge.hf_classes import KNOWN_CLASSES
from infra_gen.knowledge.hf_experts import dense_width, experts
from infra_gen.knowledge.hf_fields import ConfigFile, one_line
from infra_gen.knowledge.hf_indexer import index_cache_bytes
from infra_gen.knowledge.hf_layers import count_layers, extras, is_encoder, layer_groups
from infra_gen.knowledge.hf_quantization import quantization_of
from infra_gen.knowledge.hf_states import state_of
from infra_gen.model.llm import Architecture, Mla, Task
from infra_gen.model.params import ParamCount, count_params

MODELOPT_FILE = "hf_quant_config.json"
POOLING_FILE = "1_Pooling/config.json"
Pooling = Literal["mean", "cls", "last", "rank"]
_LARGEST_CONFIG = 4 * 2**20  # bytes; published ones have a few thousand


@dataclass(frozen=True, slots=True)
class HfModel:
    """All that a config.json says: shapes, what it is for, how its weights are quantized."""

    architecture: Architecture
    params: ParamCount
    task: Task
    quantization: str


def parse_json(text: bytes, where: str) -> Any:
    """`text` as JSON; UsageError naming `where` when it is none, or says a key twice."""
    if text.startswith(codecs.BOM_UTF8):
        raise UsageError(
            "not readable as JSON: it begins with a byte order mark",
            where=where, hint="save it as UTF-8 without one: engines do not read it either",
        )  # fmt: skip

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            keys = [key for key, _ in pairs]
            twice = next(key for key in keys if keys.count(key) > 1)
            raise UsageError(
                f"the key {one_line(twice)!r} is there twice", where=where,
                hint="delete the one that is wrong",
            )  # fmt: skip
        return found

    try:
        return json.loads(text.decode("utf-8"), object_pairs_hook=unique)
    except (UnicodeDecodeError, RecursionError, ValueError) as error:
        raise UsageError(f"not readable as JSON: {error}", where=where) from error


def _document(path: Path) -> Any:
    try:
        with path.open("rb") as stream:
            text = stream.read(_LARGEST_CONFIG + 1)
    except OSError as error:
        raise UsageError(f"not readable as JSON: {error}", where=str(path)) from error
    if len(text) > _LARGEST_CONFIG:
        raise UsageError(f"too large for a {path.name}", where=str(path))
    return parse_json(text, str(path))


def _mla(config: ConfigFile) -> Mla | None:
    if config.get("kv_lora_rank") is None:
        return None
    return Mla(
        kv_lora_rank=config.positive("kv_lora_rank"),
        q_lora_rank=config.count("q_lora_rank") or None,
        qk_rope_head_dim=config.positive("qk_rope_head_dim"),
        qk_nope_head_dim=config.positive("qk_nope_head_dim"),
        v_head_dim=config.positive("v_head_dim"),
    )


def _max_context(config: ConfigFile) -> int:
    length = config.positive("max_position_embeddings", "n_positions", "max_sequence_length")
    # RoBERTa counts positions from its padding token's on: 514 places hold 512 tokens.
    shifted = config.classes()[0].startswith(("Roberta", "XLMRoberta", "Camembert"))
    return max(1, length - config.count("pad_token_id") - 1) if shifted else length


def _rotary_positions(config: ConfigFile) -> int | None:
    """Rows of the table of rotary positions where a factor stretches it, else None."""
    scaling = config.get("rope_scaling")
    if not isinstance(scaling, dict) or scaling.get("rope_type", scaling.get("type")) != "linear":
        return None
    factor = ConfigFile(scaling, f"{config.where}: rope_scaling").number("factor")
    return math.ceil(_max_context(config) * factor) if factor else None


def _heads(config: ConfigFile) -> tuple[int, int]:
    """Heads of queries, and of keys and values."""
    heads = config.positive("num_attention_heads", "n_head")
    kv_heads = config.positive("num_key_value_heads", "num_attention_groups", default=heads)
    if heads % kv_heads:
        raise UsageError(
            f"num_attention_heads {heads} is not a multiple of num_key_value_heads {kv_heads}",
            where=config.where,
        )
    return heads, kv_heads


def _head_dim(config: ConfigFile, mla: Mla | None, hidden: int, heads: int) -> int:
    if mla:
        return mla.qk_nope_head_dim + mla.qk_rope_head_dim
    if config.get("head_dim", "attention_head_dim") is None and hidden % heads:
        raise UsageError(
            f"hidden_size {hidden} is no multiple of num_attention_heads {heads}, and head_dim is "
            "missing",
            where=config.where,
        )
    width = config.positive("head_dim", "attention_head_dim", default=max(1, hidden // heads))
    # Values of another width than keys (MiMo-V2): what is cached and computed goes by the mean.
    return (width + config.positive("v_head_dim", default=width)) // 2


def _architecture(config: ConfigFile, checked: date, source: str) -> Architecture:
    class_name = config.classes()[0]
    layers, known = count_layers(config), class_name in KNOWN_CLASSES
    heads, kv_heads = _heads(config)
    hidden = config.positive("hidden_size", "n_embd")
    moe, mla, state = experts(config, layers), _mla(config), state_of(config)
    return Architecture(
        class_name=class_name,
        layers=layers,
        hidden_size=hidden,
        heads=heads,
        kv_heads=kv_heads,
        head_dim=_head_dim(config, mla, hidden, heads),
        intermediate_size=dense_width(config, moe),
        vocab_size=config.positive("vocab_size"),
        tied_embeddings=config.flag("tie_word_embeddings", "tie_embedding"),
        max_context=_max_context(config),
        layer_groups=layer_groups(config, layers, known=known),
        mla=mla,
        moe=moe,
        mixer=state.mixer if state else None,
        gated_attention=config.get("linear_num_value_heads") is not None,
        positions=config.count("max_position_embeddings") if is_encoder(class_name) else 0,
        layer_embedding=config.count("hidden_size_per_layer_input"),
        extra_cache_bytes=index_cache_bytes(config, layers),
        rotary_positions=_rotary_positions(config),
        known=known,
        source=source,
        checked=checked,
    )


def _task(config: ConfigFile) -> Task:
    """What the class is for: a head for scores reranks, a bare model embeds, the rest write."""
    class_name = config.classes()[0]
    if class_name.endswith("ForSequenceClassification"):
        labels = config.top.get("id2label")
        if isinstance(labels, dict) and len(labels) > 1:
            raise UsageError(
                f"a classifier with {len(labels)} labels",
                where=config.where,
                hint="infra-gen deploys models that write, embed, or rerank (one label)",
            )
        return "rerank"
    if class_name.endswith("Model") or is_encoder(class_name):
        return "embed"
    return "generate"


def model_of(
    document: object, where: str, checked: date, source: str, modelopt: object = None
) -> HfModel:
    """The model that a parsed config.json describes; `where` names it in errors.

    `modelopt` is the parsed hf_quant_config.json beside it, if there is one. A class that is not
    known is sized as what its fields say, with `known` false. Raises UsageError naming the file
    and field for whatever is missing or contradictory.
    """
    config = ConfigFile(document, where)
    try:
        architecture = _architecture(config, checked, source)
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"contradictory fields: {first['msg']}", where=where) from error
    params = count_params(architecture, extras(config, architecture.layer_groups))
    return HfModel(architecture, params, _task(config), quantization_of(config, modelopt))


def read_model(path: Path, checked: date) -> HfModel:
    """The model in `path` (a config.json) and hf_quant_config.json. Raises UsageError."""
    beside = path.with_name(MODELOPT_FILE)
    modelopt = _document(beside) if beside.is_file() else None
    source = "config.json of the model folder"
    return model_of(_document(path), str(path), checked, source, modelopt)


def read_pooling(folder: Path) -> Pooling | None:
    """How a sentence-transformers folder pools, None where its 1_Pooling does not say."""
    path = folder / POOLING_FILE
    return pooling_of(_document(path)) if path.is_file() else None


_POOLING_MODES: dict[str, Pooling] = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_lasttoken": "last",
}


def pooling_of(document: object) -> Pooling | None:
    """The pooling of a parsed 1_Pooling/config.json, None where it is none that engines have."""
    if not isinstance(document, dict):
        return None
    found = [mode for key, mode in _POOLING_MODES.items() if document.get(key) is True]
    return found[0] if len(found) == 1 else None
