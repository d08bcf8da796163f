"""The fields of a `config.json`: typed reads that name file and field, and what its class implies."""

from __future__ import annotations

import math
import re
from typing import Any

from infra_gen.errors import UsageError

# Where multimodal models keep the part that writes text.
_TEXT_PARTS = ("text_config", "llm_config", "language_config")

# What published configs leave out because it is the default of their class. Source: the
# configuration classes of huggingface/transformers 5.20.2, src/transformers/models/*/configuration_*.py
_GEMMA = {"tie_word_embeddings": True, "head_dim": 256}
_DEFAULTS: dict[str, dict[str, Any]] = {
    "gemma": _GEMMA,
    "gemma2": {**_GEMMA, "sliding_window": 4096, "sliding_window_pattern": 2},
    "gemma3_text": {
        **_GEMMA, "vocab_size": 262_208, "num_attention_heads": 8, "num_key_value_heads": 4,
        "max_position_embeddings": 131_072, "sliding_window": 4096, "sliding_window_pattern": 6,
    },
    "gemma3n_text": {
        **_GEMMA, "vocab_size": 262_400, "num_attention_heads": 8, "num_key_value_heads": 2,
        "max_position_embeddings": 32_768, "sliding_window": 512, "sliding_window_pattern": 5,
        "num_kv_shared_layers": 15, "vocab_size_per_layer_input": 262_144,
        "hidden_size_per_layer_input": 256,
    },
    "gemma4_text": {
        **_GEMMA, "vocab_size": 262_144, "max_position_embeddings": 131_072, "sliding_window": 512,
        "sliding_window_pattern": 6, "global_head_dim": 512,
        "vocab_size_per_layer_input": 262_144, "hidden_size_per_layer_input": 256,
    },
    "llama4_text": {
        "vocab_size": 202_048, "num_attention_heads": 40, "num_key_value_heads": 8,
        "head_dim": 128, "max_position_embeddings": 131_072, "num_experts_per_tok": 1,
        "num_local_experts": 16, "interleave_moe_layer_step": 1, "no_rope_layer_interval": 4,
        "attention_chunk_size": 8192, "intermediate_size": 8192, "intermediate_size_mlp": 16_384,
    },
    "cohere": {"tie_word_embeddings": True},
    "cohere2": {"tie_word_embeddings": True, "sliding_window_pattern": 4},
    "falcon_h1": {"mamba_n_groups": 1, "mamba_d_conv": 4, "mamba_expand": 2},
    "granitemoehybrid": {"mamba_n_groups": 1, "mamba_d_conv": 4, "mamba_expand": 2},
    "jamba": {
        "attn_layer_period": 8, "attn_layer_offset": 4, "expert_layer_period": 2,
        "expert_layer_offset": 1, "mamba_d_conv": 4, "mamba_d_state": 16, "mamba_expand": 2,
    },
    "lfm2": {"tie_word_embeddings": True, "block_auto_adjust_ff_dim": True,
             "block_multiple_of": 256, "block_ffn_dim_multiplier": 1.0},
    "lfm2_moe": {"tie_word_embeddings": True},
    "nemotron_h": {"n_groups": 8, "conv_kernel": 4},
    "qwen3_next": {"full_attention_interval": 4, "linear_conv_kernel_dim": 4},
    "qwen3_5_text": {"full_attention_interval": 4, "linear_conv_kernel_dim": 4},
    "qwen3_5_moe_text": {"full_attention_interval": 4, "linear_conv_kernel_dim": 4},
}  # fmt: skip
# The text part's model type where only the whole model's is written.
_TEXT_TYPES = {"gemma3": "gemma3_text", "gemma3n": "gemma3n_text", "gemma4": "gemma4_text",
               "llama4": "llama4_text", "qwen3_5": "qwen3_5_text",
               "qwen3_5_moe": "qwen3_5_moe_text"}  # fmt: skip
# Above these no published model is; a slip of the keyboard would ask for lists of that length.
_MOST, _MOST_LAYERS = 2**31, 10_000
_LAYER_COUNTS = ("num_hidden_layers", "n_layer", "num_layers", "num_kv_shared_layers")
_CLASS_NAME = re.compile(r"^[A-Za-z_][\w.-]{0,99}$", re.ASCII)


def one_line(text: str, limit: int = 80) -> str:
    """`text` as a short line of printable characters: it may come from anywhere."""
    plain = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(plain.split())[:limit].strip()


def finite(value: object) -> float | None:
    """`value` as a number; None for what is none, not a number, or infinite."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


class ConfigFile:
    """One config.json; every read names the file and the field."""

    def __init__(self, document: object, where: str) -> None:
        """`document` is the parsed JSON; UsageError when it is not an object."""
        self.where = where
        if not isinstance(document, dict):
            raise UsageError("not a JSON object", where=where)
        self.top: dict[str, Any] = document
        parts = [document[key] for key in _TEXT_PARTS if isinstance(document.get(key), dict)]
        text: dict[str, Any] = parts[0] if parts else document
        kind = str(text.get("model_type", document.get("model_type", "")))
        self.model_type = _TEXT_TYPES.get(kind, kind)
        written = {key: value for key, value in text.items() if value is not None}
        # An explicit null stays a null: `sliding_window: null` means that there is none.
        nulls = {key: None for key, value in text.items() if value is None}
        self.fields: dict[str, Any] = {**_DEFAULTS.get(self.model_type, {}), **nulls, **written}

    def get(self, *keys: str) -> Any:
        """The first of `keys` that is there and not null, else None."""
        for key in keys:
            value = self.fields.get(key)
            if value is not None:
                return value
        return None

    def positive(self, *keys: str, default: int | None = None) -> int:
        """The first of `keys` as a positive integer."""
        for key in keys:
            value = self.fields.get(key)
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
                raise self._wrong(key, value, "not a positive integer")
            return self._within(key, value)
        if default is None:
            raise UsageError(f"{keys[0]} is missing", where=self.where)
        return default

    def count(self, *keys: str) -> int:
        """The first of `keys` as a number of things, 0 when all are missing or null."""
        for key in keys:
            value = self.fields.get(key)
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int) or value < 0:
                raise self._wrong(key, value, "not a count")
            return self._within(key, value)
        return 0

    def _wrong(self, key: str, value: object, why: str) -> UsageError:
        return UsageError(f"{key} is {one_line(repr(value))}, {why}", where=self.where)

    def _within(self, key: str, value: int) -> int:
        limit = _MOST_LAYERS if key in _LAYER_COUNTS else _MOST
        if value > limit:
            raise self._wrong(key, value, f"more than any model has (at most {limit})")
        return value

    def number(self, key: str) -> float | None:
        """`key` as a finite number above zero, None when it is missing or null."""
        value = self.fields.get(key)
        if value is None:
            return None
        found = finite(value)
        if found is None or found <= 0:
            raise self._wrong(key, value, "not a number above zero")
        return found

    def listed(self, key: str, layers: int, words: set[int]) -> list[int]:
        """`key` as a list with one of `words` for each layer."""
        value = self.fields.get(key)
        known = " or ".join(str(word) for word in sorted(words))
        if (
            not isinstance(value, list)
            or len(value) != layers
            or not all(type(v) is int and v in words for v in value)
        ):
            raise UsageError(f"{key} is not a list of {layers} times {known}", where=self.where)
        return list(value)

    def places(self, key: str) -> frozenset[int] | None:
        """`key` as a list of layer numbers, None when it is missing or null."""
        value = self.fields.get(key)
        if value is None:
            return None
        if not isinstance(value, list) or not all(type(v) is int and v >= 0 for v in value):
            raise UsageError(f"{key} is not a list of layer numbers", where=self.where)
        return frozenset(value)

    def classes(self) -> tuple[str, ...]:
        """`architectures`; ("unknown",) when there are none."""
        found = self.top.get("architectures") or self.fields.get("architectures") or ["unknown"]
        if not isinstance(found, list) or not all(
            isinstance(name, str) and _CLASS_NAME.match(name) for name in found
        ):
            raise UsageError(f"architectures is {found!r}, not a list of names", where=self.where)
        return tuple(found)

    def flag(self, *keys: str) -> bool:
        """The first of `keys` in the text part or above it as true or false, false when missing."""
        for fields in (self.fields, self.top):
            for key in keys:
                if fields.get(key) is not None:
                    return bool(fields[key])
        return False
