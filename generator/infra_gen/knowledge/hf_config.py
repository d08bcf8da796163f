"""A Hugging Face `config.json` as a model: missing or absurd fields are named, not guessed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from infra_gen.errors import UsageError
from infra_gen.knowledge.hf_fields import ConfigFile
from infra_gen.knowledge.hf_layers import count_layers, extras, is_encoder, layer_groups
from infra_gen.knowledge.hf_quantization import quantization_of
from infra_gen.model.llm import Architecture, Mla, Moe, Task
from infra_gen.model.params import ParamCount, count_params

# Classes whose layers are what their config says: full attention, windows, chunks, latents, states,
# experts.
KNOWN_CLASSES = frozenset(
    {
        "BambaForCausalLM", "BertForSequenceClassification", "BertModel", "Cohere2ForCausalLM",
        "CohereForCausalLM", "DeepseekV2ForCausalLM", "DeepseekV3ForCausalLM",
        "FalconH1ForCausalLM", "Gemma2ForCausalLM", "Gemma3ForCausalLM",
        "Gemma3ForConditionalGeneration", "Gemma3TextModel", "Gemma3nForCausalLM",
        "Gemma3nForConditionalGeneration", "Gemma4ForCausalLM", "Gemma4ForConditionalGeneration",
        "GemmaForCausalLM", "Glm4MoeForCausalLM", "GptOssForCausalLM", "GraniteForCausalLM",
        "GraniteMoeHybridForCausalLM", "JambaForCausalLM", "KimiLinearForCausalLM",
        "Lfm2ForCausalLM", "Lfm2MoeForCausalLM", "Llama4ForCausalLM",
        "Llama4ForConditionalGeneration", "LlamaForCausalLM", "MiniMaxM2ForCausalLM",
        "Mistral3ForConditionalGeneration", "MistralForCausalLM", "MistralModel",
        "MixtralForCausalLM", "ModernBertForSequenceClassification", "ModernBertModel",
        "NemotronHForCausalLM", "NewModel", "NomicBertModel", "Olmo2ForCausalLM",
        "OlmoeForCausalLM", "Phi3ForCausalLM", "Qwen2ForCausalLM", "Qwen2MoeForCausalLM",
        "Qwen2VLForConditionalGeneration", "Qwen2_5_VLForConditionalGeneration",
        "Qwen3ForCausalLM", "Qwen3ForSequenceClassification", "Qwen3MoeForCausalLM",
        "Qwen3NextForCausalLM", "Qwen3VLForConditionalGeneration",
        "Qwen3VLMoeForConditionalGeneration", "Qwen3_5ForCausalLM",
        "Qwen3_5ForConditionalGeneration", "Qwen3_5MoeForCausalLM",
        "Qwen3_5MoeForConditionalGeneration", "RobertaForSequenceClassification", "RobertaModel",
        "XLMRobertaForSequenceClassification", "XLMRobertaModel",
    }
)  # fmt: skip

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
    """`text` as JSON; UsageError naming `where` when it is none."""
    try:
        return json.loads(text.decode("utf-8"))
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
    q_rank = config.get("q_lora_rank")
    return Mla(
        kv_lora_rank=config.positive("kv_lora_rank"),
        q_lora_rank=q_rank if isinstance(q_rank, int) else None,
        qk_rope_head_dim=config.positive("qk_rope_head_dim"),
        qk_nope_head_dim=config.positive("qk_nope_head_dim"),
        v_head_dim=config.positive("v_head_dim"),
    )


def _dense_layers(config: ConfigFile, layers: int) -> int:
    """How many layers keep a plain MLP beside those with experts."""
    listed = config.places("mlp_only_layers") or frozenset()
    if config.model_type == "llama4_text":
        experts = config.places("moe_layers")
        step = config.positive("interleave_moe_layer_step", default=1)
        return layers - (layers // step if experts is None else len(experts))
    if config.model_type == "jamba":
        period, offset = config.positive("expert_layer_period"), config.count("expert_layer_offset")
        return sum(place % period != offset for place in range(layers))
    step = config.positive("decoder_sparse_step", default=1)
    if step > 1 or listed:
        return sum(place in listed or (place + 1) % step != 0 for place in range(layers))
    return config.count("first_k_dense_replace", "num_dense_layers")


def _moe(config: ConfigFile, layers: int) -> Moe | None:
    names = ("num_experts", "num_local_experts", "n_routed_experts")
    if not config.get(*names):
        return None
    shared = config.count("n_shared_experts", "num_shared_experts")
    width = config.get(
        "shared_expert_intermediate_size", "moe_shared_expert_intermediate_size",
        "shared_intermediate_size",
    )  # fmt: skip
    if config.model_type == "llama4_text":
        shared = 1
    if config.flag("enable_moe_block"):  # Gemma 4 runs its plain MLP beside the experts
        shared, width = 1, config.get("intermediate_size")
    own = config.positive("moe_intermediate_size", "intermediate_size")
    if not isinstance(width, int) or width <= 0:
        width = shared * own or None
    return Moe(
        experts=config.positive(*names),
        experts_per_token=config.positive(
            "num_experts_per_tok", "experts_per_token", "top_k_experts", "num_experts_per_token"
        ),
        shared_experts=shared or int(bool(width)),
        intermediate_size=own,
        shared_intermediate_size=width,
        dense_layers=_dense_layers(config, layers),
    )


def _intermediate(config: ConfigFile, moe: Moe | None) -> int:
    """The width of a plain MLP; 0 where there is none beside the experts."""
    if config.model_type == "llama4_text":
        return config.positive("intermediate_size_mlp", "intermediate_size")
    if config.model_type == "granitemoehybrid" and not moe:
        return config.positive("shared_intermediate_size", "intermediate_size")
    listed = config.get("intermediate_size")
    if isinstance(listed, list) and listed and all(type(v) is int and v > 0 for v in listed):
        return sum(listed) // len(listed)  # Gemma 3n names every layer's
    lfm2 = config.model_type == "lfm2"
    names = ("block_ff_dim", "intermediate_size") if lfm2 else ("intermediate_size", "n_inner")
    width = config.positive(*names, default=0 if moe else None)
    if lfm2 and config.flag("block_auto_adjust_ff_dim"):
        # Source: huggingface/transformers:src/transformers/models/lfm2/modeling_lfm2.py, Lfm2MLP
        factor, multiple = config.get("block_ffn_dim_multiplier"), config.get("block_multiple_of")
        width = int(2 * width / 3)
        if isinstance(factor, int | float) and isinstance(multiple, int) and multiple > 0:
            width = -(-int(factor * width) // multiple) * multiple
    return width


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
    factor = scaling.get("factor")
    return int(_max_context(config) * factor) if isinstance(factor, int | float) else None


def _architecture(config: ConfigFile, checked: date, source: str) -> Architecture:
    class_name = config.classes()[0]
    layers, known = count_layers(config), class_name in KNOWN_CLASSES
    heads = config.positive("num_attention_heads", "n_head")
    hidden = config.positive("hidden_size", "n_embd")
    kv_heads = config.positive("num_key_value_heads", default=heads)
    if heads % kv_heads:
        raise UsageError(
            f"num_attention_heads {heads} is not a multiple of num_key_value_heads {kv_heads}",
            where=config.where,
        )
    moe, mla = _moe(config, layers), _mla(config)
    latent = mla.qk_nope_head_dim + mla.qk_rope_head_dim if mla else max(1, hidden // heads)
    return Architecture(
        class_name=class_name,
        layers=layers,
        hidden_size=hidden,
        heads=heads,
        kv_heads=kv_heads,
        head_dim=config.positive("head_dim", default=latent) if not mla else latent,
        intermediate_size=_intermediate(config, moe),
        vocab_size=config.positive("vocab_size"),
        tied_embeddings=config.flag("tie_word_embeddings", "tie_embedding"),
        max_context=_max_context(config),
        layer_groups=layer_groups(config, layers, known=known),
        mla=mla,
        moe=moe,
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
