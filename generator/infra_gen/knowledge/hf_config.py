"""A Hugging Face `config.json` as an Architecture: missing or absurd fields are named, not guessed."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from infra_gen.errors import UsageError
from infra_gen.model.llm import Architecture, LayerGroup, Mla, Moe

# Classes whose layers are what their config says: full attention, windows, latents, experts.
KNOWN_CLASSES = frozenset(
    {
        "DeepseekV2ForCausalLM", "DeepseekV3ForCausalLM", "Gemma2ForCausalLM", "Gemma3ForCausalLM",
        "Gemma3ForConditionalGeneration", "GptOssForCausalLM", "GraniteForCausalLM",
        "LlamaForCausalLM", "Mistral3ForConditionalGeneration", "MistralForCausalLM",
        "MixtralForCausalLM", "Phi3ForCausalLM", "Qwen2ForCausalLM", "Qwen3ForCausalLM",
        "Qwen3MoeForCausalLM",
    }
)  # fmt: skip

_QUANTIZATION = {"fp8": "fp8", "awq": "awq-int4", "gptq": "gptq-int4", "mxfp4": "mxfp4"}


class ConfigFile:
    """One config.json; every read names the file and the field."""

    def __init__(self, path: Path) -> None:
        """Read and parse; UsageError when the file is not a JSON object."""
        self.path = path
        try:
            document = json.loads(path.read_text("utf-8"))
        except (OSError, UnicodeDecodeError, RecursionError, json.JSONDecodeError) as error:
            raise UsageError(f"not readable as JSON: {error}", where=str(path)) from error
        if not isinstance(document, dict):
            raise UsageError("not a JSON object", where=str(path))
        self.top: dict[str, Any] = document
        text = document.get("text_config")
        self.fields: dict[str, Any] = text if isinstance(text, dict) else document

    def positive(self, *keys: str, default: int | None = None) -> int:
        """The first of `keys` as a positive integer."""
        for key in keys:
            value = self.fields.get(key)
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
                raise UsageError(f"{key} is {value!r}, not a positive integer", where=self.where)
            return value
        if default is None:
            raise UsageError(f"{keys[0]} is missing", where=self.where)
        return default

    def count(self, key: str) -> int:
        """`key` as a number of things, 0 when it is missing or null."""
        value = self.fields.get(key)
        if value is None:
            return 0
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise UsageError(f"{key} is {value!r}, not a count", where=self.where)
        return value

    @property
    def where(self) -> str:
        """The file's name for messages."""
        return str(self.path)


def _mla(config: ConfigFile) -> Mla | None:
    if config.fields.get("kv_lora_rank") is None:
        return None
    q_rank = config.fields.get("q_lora_rank")
    return Mla(
        kv_lora_rank=config.positive("kv_lora_rank"),
        q_lora_rank=q_rank if isinstance(q_rank, int) else None,
        qk_rope_head_dim=config.positive("qk_rope_head_dim"),
        qk_nope_head_dim=config.positive("qk_nope_head_dim"),
        v_head_dim=config.positive("v_head_dim"),
    )


def _moe(config: ConfigFile) -> Moe | None:
    experts = config.fields.get("n_routed_experts", config.fields.get("num_local_experts"))
    experts = config.fields.get("num_experts", experts)
    if experts is None:
        return None
    return Moe(
        experts=config.positive("num_experts", "num_local_experts", "n_routed_experts"),
        experts_per_token=config.positive("num_experts_per_tok", "experts_per_token"),
        shared_experts=config.count("n_shared_experts"),
        intermediate_size=config.positive("moe_intermediate_size", "intermediate_size"),
        dense_layers=config.count("first_k_dense_replace"),
    )


_TYPE_KINDS = {
    "full_attention": "full",
    "attention": "full",
    "sliding_attention": "sliding",
    "chunked_attention": "chunked",
    "linear_attention": "linear",
    "mamba": "mamba",
}


def _layer_groups(config: ConfigFile, layers: int) -> tuple[LayerGroup, ...]:
    window = config.fields.get("sliding_window")
    types = config.fields.get("layer_types")
    if isinstance(types, list):
        if len(types) != layers:
            raise UsageError(
                f"layer_types has {len(types)} entries, num_hidden_layers is {layers}",
                where=config.where,
            )
        unknown = sorted({str(t) for t in types} - set(_TYPE_KINDS))
        if unknown:
            raise UsageError(f"layer_types has the unknown kind {unknown[0]!r}", where=config.where)
        counted = dict.fromkeys(_TYPE_KINDS.values(), 0)
        for name in types:
            counted[_TYPE_KINDS[name]] += 1
        return tuple(_group(config, kind, count) for kind, count in counted.items() if count)
    pattern = config.fields.get("sliding_window_pattern")
    if isinstance(window, int) and isinstance(pattern, int) and pattern > 1:
        full = layers // pattern
        return (_group(config, "full", full), _group(config, "sliding", layers - full))
    uses_window = config.fields.get("use_sliding_window", isinstance(window, int))
    if isinstance(window, int) and uses_window:
        return (_group(config, "sliding", layers),)
    return (_group(config, "full", layers),)


def _group(config: ConfigFile, kind: str, layers: int) -> LayerGroup:
    window = None
    if kind == "sliding":
        window = config.positive("sliding_window")
    if kind == "chunked":
        window = config.positive("attention_chunk_size")
    return LayerGroup.model_validate({"kind": kind, "layers": layers, "window": window})


def read_architecture(path: Path, checked: date) -> Architecture:
    """The architecture in `path` (a config.json).

    A class that is not known is sized as what its fields say, with `known` false. Raises UsageError
    naming the file and field for whatever is missing or contradictory.
    """
    config = ConfigFile(path)
    classes = config.top.get("architectures") or config.fields.get("architectures") or ["unknown"]
    if not isinstance(classes, list) or not isinstance(classes[0], str):
        raise UsageError(f"architectures is {classes!r}, not a list of names", where=config.where)
    layers = config.positive("num_hidden_layers")
    heads = config.positive("num_attention_heads")
    hidden = config.positive("hidden_size")
    kv_heads = config.positive("num_key_value_heads", default=heads)
    if heads % kv_heads:
        raise UsageError(
            f"num_attention_heads {heads} is not a multiple of num_key_value_heads {kv_heads}",
            where=config.where,
        )
    moe = _moe(config)
    try:
        return Architecture(
            class_name=str(classes[0]),
            layers=layers,
            hidden_size=hidden,
            heads=heads,
            kv_heads=kv_heads,
            head_dim=config.positive("head_dim", default=max(1, hidden // heads)),
            intermediate_size=config.positive("intermediate_size", default=1 if moe else None),
            vocab_size=config.positive("vocab_size"),
            tied_embeddings=bool(
                config.fields.get(
                    "tie_word_embeddings", config.top.get("tie_word_embeddings", False)
                )
            ),
            max_context=config.positive("max_position_embeddings"),
            layer_groups=_layer_groups(config, layers),
            mla=_mla(config),
            moe=moe,
            known=str(classes[0]) in KNOWN_CLASSES,
            source="config.json of the model folder",
            checked=checked,
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"contradictory fields: {first['msg']}", where=config.where) from error


def read_quantization(path: Path) -> str:
    """The quantization that `config.json` declares, in infra-gen's names; bf16 when none."""
    config = ConfigFile(path)
    declared = config.top.get("quantization_config") or config.fields.get("quantization_config")
    if not isinstance(declared, dict):
        dtype = config.fields.get("torch_dtype", config.fields.get("dtype", "bfloat16"))
        return "fp16" if dtype == "float16" else "bf16"
    method = str(declared.get("quant_method", ""))
    if method == "fp8" and declared.get("weight_block_size"):
        return "fp8-block"
    if method not in _QUANTIZATION:
        raise UsageError(f"quantization_config.quant_method {method!r} is not planned yet",
                         where=config.where)  # fmt: skip
    return _QUANTIZATION[method]
