"""config.json of hybrids, chunked models, encoders and quantized checkpoints.

The configs hold the fields of the published ones that sizing reads; what they must give is stated
by presets, which have their own sources.
"""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from infra_gen.errors import UsageError
from infra_gen.knowledge import store
from infra_gen.knowledge.hf_config import HfModel, model_of, pooling_of
from infra_gen.model.llm import ModelPreset


def read(document: dict[str, Any], modelopt: object = None) -> HfModel:
    return model_of(document, "config.json", date(2026, 1, 1), "test", modelopt)


def groups(model: HfModel) -> dict[str, tuple[int, int | None]]:
    return {g.kind: (g.layers, g.window) for g in model.architecture.layer_groups}


def every(count: int, last: str, others: str, interval: int = 4) -> list[str]:
    return [last if (n + 1) % interval == 0 else others for n in range(count)]


BASE: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"], "hidden_size": 2048, "intermediate_size": 8192,
    "max_position_embeddings": 131072, "num_attention_heads": 16, "num_hidden_layers": 8,
    "num_key_value_heads": 4, "vocab_size": 1000,
}  # fmt: skip
QWEN_LINEAR = {
    "linear_conv_kernel_dim": 4, "linear_key_head_dim": 128, "linear_num_key_heads": 16,
    "linear_value_head_dim": 128,
}  # fmt: skip
HYBRIDS: dict[str, dict[str, Any]] = {
    "qwen3.5-35b-a3b": {
        "architectures": ["Qwen3_5MoeForConditionalGeneration"], "model_type": "qwen3_5_moe",
        "text_config": {
            "model_type": "qwen3_5_moe_text", "head_dim": 256, "hidden_size": 2048,
            "layer_types": every(40, "full_attention", "linear_attention"), **QWEN_LINEAR,
            "linear_num_value_heads": 32, "max_position_embeddings": 262144,
            "moe_intermediate_size": 512, "num_attention_heads": 16, "num_experts": 256,
            "num_experts_per_tok": 8, "num_hidden_layers": 40, "num_key_value_heads": 2,
            "shared_expert_intermediate_size": 512, "vocab_size": 248320,
            "mamba_ssm_dtype": "float32",
        },
    },
    "granite-4.0-h-tiny": {
        "architectures": ["GraniteMoeHybridForCausalLM"], "model_type": "granitemoehybrid",
        "hidden_size": 1536, "intermediate_size": 512, "shared_intermediate_size": 1024,
        "num_local_experts": 64, "num_experts_per_tok": 6, "num_hidden_layers": 40,
        "num_attention_heads": 12, "num_key_value_heads": 4, "vocab_size": 100352,
        "tie_word_embeddings": True, "max_position_embeddings": 131072,
        "layers_block_type": every(40, "attention", "mamba", 10), "mamba_n_heads": 48,
        "mamba_d_head": 64, "mamba_d_state": 128, "mamba_n_groups": 1, "mamba_d_conv": 4,
        "mamba_expand": 2,
    },
    "nemotron-3-nano-30b-a3b": {
        "architectures": ["NemotronHForCausalLM"], "model_type": "nemotron_h", "conv_kernel": 4,
        "head_dim": 128, "hidden_size": 2688, "intermediate_size": 1856, "mamba_head_dim": 64,
        "hybrid_override_pattern": "MEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEMEM*EMEMEMEME",
        "mamba_num_heads": 64, "max_position_embeddings": 262144, "moe_intermediate_size": 1856,
        "moe_shared_expert_intermediate_size": 3712, "n_groups": 8, "n_routed_experts": 128,
        "n_shared_experts": 1, "num_attention_heads": 32, "num_experts_per_tok": 6,
        "num_hidden_layers": 52, "num_key_value_heads": 2, "ssm_state_size": 128,
        "tie_word_embeddings": False, "vocab_size": 131072,
    },
    "lfm2-8b-a1b": {
        "architectures": ["Lfm2MoeForCausalLM"], "model_type": "lfm2_moe", "hidden_size": 2048,
        "intermediate_size": 7168, "num_hidden_layers": 24, "num_attention_heads": 32,
        "num_key_value_heads": 8, "conv_L_cache": 3, "max_position_embeddings": 128000,
        "layer_types": ["full_attention" if n in (2, 6, 10, 14, 18, 21) else "conv"
                        for n in range(24)],
        "num_experts": 32, "num_experts_per_tok": 4, "moe_intermediate_size": 1792,
        "num_dense_layers": 2, "vocab_size": 65536,
    },
}  # fmt: skip


@pytest.mark.parametrize("name", HYBRIDS)
def test_hybrids_are_what_their_presets_say(name: str) -> None:
    found = read(HYBRIDS[name])
    preset = store.load("models", name, ModelPreset)
    shapes = [(g.kind, g.layers, g.state_bytes) for g in found.architecture.layer_groups]
    expected = [(g.kind, g.layers, g.state_bytes) for g in preset.architecture.layer_groups]
    assert sorted(shapes, key=str) == sorted(expected, key=str)
    assert found.architecture.known
    assert found.architecture.moe == preset.architecture.moe
    # Vision towers and layers that guess ahead are in the stated counts, not in ours.
    assert found.params.total == pytest.approx(preset.params_total.value, rel=0.04)


def test_attention_beside_mamba() -> None:
    found = read(
        {**BASE, "architectures": ["FalconH1ForCausalLM"], "model_type": "falcon_h1",
         "mamba_d_ssm": 4096, "mamba_n_heads": 32, "mamba_d_head": 128, "mamba_d_state": 256}
    )  # fmt: skip
    (group,) = found.architecture.layer_groups
    assert (group.kind, group.layers) == ("full", 8)
    assert group.state_bytes == 4 * (3 * (4096 + 2 * 256) + 32 * 128 * 256)


def test_jamba_by_its_periods() -> None:
    found = read(
        {**BASE, "architectures": ["JambaForCausalLM"], "model_type": "jamba",
         "num_experts": 16, "num_experts_per_tok": 2}
    )  # fmt: skip
    assert groups(found) == {"full": (1, None), "mamba": (7, None)}
    assert found.architecture.moe
    assert found.architecture.moe.dense_layers == 4
    state = found.architecture.layer_groups[1].state_bytes
    assert state == 4096 * (3 + 16) * 4


def test_kimi_linear() -> None:
    found = read(
        {**BASE, "architectures": ["KimiLinearForCausalLM"], "kv_lora_rank": 512,
         "qk_rope_head_dim": 64, "qk_nope_head_dim": 128, "v_head_dim": 128,
         "linear_attn_config": {"kda_layers": [1, 2, 3, 5, 6, 7], "full_attn_layers": [4, 8],
                                "head_dim": 128, "num_heads": 32, "short_conv_kernel_size": 4}}
    )  # fmt: skip
    assert groups(found) == {"full": (2, None), "linear": (6, None)}
    # 3 x 3 x 4096 of windows and 32 matrices of 128 x 128, as llama.cpp's n_embd_r and n_embd_s
    assert found.architecture.layer_groups[1].state_bytes == (36_864 + 524_288) * 4


def test_chunks_of_llama_4() -> None:
    text = {
        "model_type": "llama4_text", "hidden_size": 5120, "intermediate_size": 8192,
        "intermediate_size_mlp": 16384, "num_attention_heads": 40, "num_hidden_layers": 48,
        "num_key_value_heads": 8, "head_dim": 128, "num_local_experts": 16,
        "num_experts_per_tok": 1, "vocab_size": 202048, "attention_chunk_size": 8192,
        "no_rope_layers": [], "interleave_moe_layer_step": 1, "max_position_embeddings": 10485760,
    }  # fmt: skip
    found = read({"architectures": ["Llama4ForConditionalGeneration"], "text_config": text})
    assert groups(found) == {"full": (12, None), "chunked": (36, 8192)}
    assert found.params.total == pytest.approx(107.77e9, rel=0.001)
    every_other = read(
        {"architectures": ["Llama4ForConditionalGeneration"],
         "text_config": {**text, "interleave_moe_layer_step": 2, "num_local_experts": 128}}
    )  # fmt: skip
    assert every_other.architecture.moe
    assert every_other.architecture.moe.dense_layers == 24


def test_gemma_3_says_only_what_is_not_default() -> None:
    text = {"hidden_size": 2560, "intermediate_size": 10240, "model_type": "gemma3_text",
            "num_hidden_layers": 34, "sliding_window": 1024}  # fmt: skip
    found = read({"architectures": ["Gemma3ForConditionalGeneration"], "text_config": text})
    preset = store.load("models", "gemma-3-4b-it", ModelPreset).architecture
    arch = found.architecture
    assert (arch.heads, arch.kv_heads, arch.head_dim) == (
        preset.heads, preset.kv_heads, preset.head_dim,
    )  # fmt: skip
    assert arch.tied_embeddings
    assert sorted(arch.layer_groups, key=str) == sorted(preset.layer_groups, key=str)


def test_layers_that_share_a_cache() -> None:
    text = {**BASE, "model_type": "gemma4_text", "num_kv_shared_layers": 4, "head_dim": 256,
            "layer_types": every(8, "full_attention", "sliding_attention"), "sliding_window": 512,
            "hidden_size_per_layer_input": 256, "vocab_size_per_layer_input": 1000}  # fmt: skip
    found = read({"architectures": ["Gemma4ForConditionalGeneration"], "text_config": text})
    assert groups(found) == {"full": (1, None), "sliding": (3, 512), "none": (4, None)}
    assert found.architecture.layer_groups[0].head_dim == 512
    plain = read(
        {"architectures": ["Gemma4ForConditionalGeneration"],
         "text_config": {**text, "num_kv_shared_layers": 0, "hidden_size_per_layer_input": 0}}
    )  # fmt: skip
    assert found.params.embedding - plain.params.embedding == 1000 * 8 * 256


@pytest.mark.parametrize(
    ("class_name", "more", "context"),
    [
        ("BertModel", {"max_position_embeddings": 512}, 512),
        ("XLMRobertaModel", {"max_position_embeddings": 8194, "pad_token_id": 1}, 8192),
        ("ModernBertModel", {"max_position_embeddings": 8192}, 8192),
        ("Gemma3TextModel", {"use_bidirectional_attention": True, "max_position_embeddings": 2048},
         2048),
    ],
)  # fmt: skip
def test_encoders_keep_nothing(class_name: str, more: dict[str, Any], context: int) -> None:
    found = read({**BASE, **more, "architectures": [class_name]})
    assert found.task == "embed"
    assert groups(found) == {"none": (8, None)}
    assert found.architecture.max_context == context
    assert found.architecture.known


def test_bge_m3_has_its_parameters() -> None:
    """568 million by its makers: XLM-RoBERTa large with 8,194 positions."""
    found = read(
        {"architectures": ["XLMRobertaModel"], "hidden_size": 1024, "intermediate_size": 4096,
         "max_position_embeddings": 8194, "num_attention_heads": 16, "num_hidden_layers": 24,
         "pad_token_id": 1, "vocab_size": 250002}
    )  # fmt: skip
    assert found.params.total == pytest.approx(568e6, rel=0.005)


def test_scores_and_classes() -> None:
    one = {"id2label": {"0": "LABEL_0"}}
    assert read({**BASE, **one, "architectures": ["XLMRobertaForSequenceClassification"]}).task == (
        "rerank"
    )
    decoder = read({**BASE, **one, "architectures": ["Qwen3ForSequenceClassification"]})
    assert (decoder.task, groups(decoder)) == ("rerank", {"full": (8, None)})
    with pytest.raises(UsageError, match="a classifier with 2 labels"):
        read({**BASE, "architectures": ["BertForSequenceClassification"],
              "id2label": {"0": "no", "1": "yes"}})  # fmt: skip


def test_a_window_of_an_unknown_class_is_not_believed() -> None:
    known = read({**BASE, "architectures": ["MistralForCausalLM"], "sliding_window": 128})
    assert groups(known) == {"sliding": (8, 128)}
    unknown = read({**BASE, "architectures": ["MagicForCausalLM"], "sliding_window": 128})
    assert groups(unknown) == {"full": (8, None)}


def test_layers_are_counted_where_they_are_listed() -> None:
    listed = {key: value for key, value in BASE.items() if key != "num_hidden_layers"}
    found = read({**listed, "layers_block_type": ["attention", "mlp", "attention"]})
    assert groups(found) == {"full": (2, None), "none": (1, None)}


def compressed(bits: int, kind: str, inputs: object = None, **more: object) -> dict[str, Any]:
    weights = {"num_bits": bits, "type": kind, **more}
    return {
        "quant_method": "compressed-tensors",
        "config_groups": {"group_0": {"weights": weights, "input_activations": inputs}},
    }


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        (compressed(4, "int"), "w4a16"),
        (compressed(8, "int", {"num_bits": 8}), "w8a8-int8"),
        (compressed(8, "float", {"num_bits": 8}), "fp8"),
        (compressed(4, "float", {"num_bits": 4}), "nvfp4"),
        ({"quant_method": "modelopt", "quant_algo": "NVFP4"}, "nvfp4"),
        ({"quant_algo": "FP8"}, "fp8"),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "bnb-nf4"),
        ({"quant_method": "gptq", "bits": 4}, "gptq-int4"),
        ({"quant_method": "mxfp4"}, "mxfp4"),
    ],
)
def test_quantizations(declared: dict[str, Any], expected: str) -> None:
    assert read({**BASE, "quantization_config": declared}).quantization == expected


@pytest.mark.parametrize(
    "declared",
    [
        {"quant_method": "gptq", "bits": 8},
        {"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION"},
        {"quant_method": "bitsandbytes", "load_in_8bit": True},
        {"quant_method": "compressed-tensors"},
        compressed(2, "int"),
    ],
)
def test_quantizations_that_are_not_planned(declared: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="is not planned yet"):
        read({**BASE, "quantization_config": declared})


def test_the_file_beside_it_says_the_quantization() -> None:
    beside = {"producer": {"name": "modelopt"}, "quantization": {"quant_algo": "NVFP4"}}
    assert read(BASE, beside).quantization == "nvfp4"


@pytest.mark.parametrize(
    ("key", "expected"),
    [("pooling_mode_cls_token", "cls"), ("pooling_mode_mean_tokens", "mean"),
     ("pooling_mode_lasttoken", "last"), ("pooling_mode_max_tokens", None)],
)  # fmt: skip
def test_pooling(key: str, expected: str | None) -> None:
    assert pooling_of({key: True, "word_embedding_dimension": 8}) == expected


@pytest.mark.parametrize("name", ["x\n- y", "", "a" * 200, "A b"])
def test_class_names_are_names(name: str) -> None:
    with pytest.raises(UsageError, match="not a list of names"):
        read({**BASE, "architectures": [name]})
