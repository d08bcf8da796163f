"""Fields of published config.json files that sizing reads, one for each kind of architecture."""

from __future__ import annotations

from typing import Any


def every(count: int, last: str, others: str, interval: int) -> list[str]:
    """`others` with `last` at each `interval`."""
    return [last if (n + 1) % interval == 0 else others for n in range(count)]


LATENT = {
    "kv_lora_rank": 512, "q_lora_rank": 1536, "qk_rope_head_dim": 64, "qk_nope_head_dim": 128,
    "v_head_dim": 128,
}  # fmt: skip
DEEPSEEK: dict[str, Any] = {
    "hidden_size": 7168, "intermediate_size": 18432, "num_hidden_layers": 61,
    "num_attention_heads": 128, "num_key_value_heads": 128, "vocab_size": 129280,
    "max_position_embeddings": 163840, "n_routed_experts": 256, "n_shared_experts": 1,
    "num_experts_per_tok": 8, "moe_intermediate_size": 2048, "first_k_dense_replace": 3,
    "n_group": 8, "topk_group": 4, "num_nextn_predict_layers": 1, **LATENT,
}  # fmt: skip
FP8_BLOCK = {"quant_method": "fp8", "fmt": "e4m3", "weight_block_size": [128, 128]}
NEMOTRON: dict[str, Any] = {
    "architectures": ["NemotronHForCausalLM"], "model_type": "nemotron_h", "hidden_size": 4096,
    "intermediate_size": 2688, "num_attention_heads": 32, "num_key_value_heads": 2,
    "head_dim": 128, "vocab_size": 131072, "max_position_embeddings": 262144,
    "layers_block_type": ["mamba", "moe"] * 40 + ["attention"] * 8, "num_hidden_layers": 88,
    "mamba_num_heads": 128, "mamba_head_dim": 64, "ssm_state_size": 128, "n_groups": 8,
    "conv_kernel": 4, "n_routed_experts": 512, "num_experts_per_tok": 22,
    "moe_intermediate_size": 2688, "moe_latent_size": 1024, "n_shared_experts": 1,
    "moe_shared_expert_intermediate_size": 5376,
}  # fmt: skip
DOCUMENTS: dict[str, dict[str, Any]] = {
    "llama": {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 4096,
        "intermediate_size": 14336, "max_position_embeddings": 131072, "num_attention_heads": 32,
        "num_hidden_layers": 32, "num_key_value_heads": 8, "vocab_size": 128256,
        "tie_word_embeddings": False, "torch_dtype": "bfloat16",
        "rope_scaling": {"rope_type": "linear", "factor": 4.0},
    },
    "deepseek-v3.2": {
        "architectures": ["DeepseekV32ForCausalLM"], "model_type": "deepseek_v32", **DEEPSEEK,
        "index_topk": 2048, "index_head_dim": 128, "index_n_heads": 64,
        "quantization_config": FP8_BLOCK,
    },
    "glm-5.2": {
        "architectures": ["GlmMoeDsaForCausalLM"], "model_type": "glm_moe_dsa", **DEEPSEEK,
        "hidden_size": 6144, "num_hidden_layers": 78, "num_attention_heads": 64,
        "num_key_value_heads": 64, "intermediate_size": 12288, "vocab_size": 154880,
        "q_lora_rank": 2048, "qk_nope_head_dim": 192, "v_head_dim": 256, "index_topk": 2048,
        "index_head_dim": 128, "index_n_heads": 32,
        "indexer_types": ["full"] * 3 + ["shared", "shared", "shared", "full"] * 18
        + ["shared"] * 3,
    },
    "kimi-k2.5": {
        "architectures": ["KimiK25ForConditionalGeneration"], "model_type": "kimi_k25",
        "text_config": {
            **DEEPSEEK, "model_type": "kimi_k2", "num_attention_heads": 64,
            "num_key_value_heads": 64, "vocab_size": 163840, "max_position_embeddings": 262144,
            "n_routed_experts": 384, "first_k_dense_replace": 1, "n_group": 1, "topk_group": 1,
            "quantization_config": {
                "quant_method": "compressed-tensors", "format": "pack-quantized",
                "config_groups": {"group_0": {"weights": {"num_bits": 4, "type": "int"}}},
            },
        },
        "vision_config": {"vt_hidden_size": 1152, "vt_num_hidden_layers": 27},
    },
    "qwen3.5": {
        "architectures": ["Qwen3_5MoeForConditionalGeneration"], "model_type": "qwen3_5_moe",
        "text_config": {
            "model_type": "qwen3_5_moe_text", "head_dim": 256, "hidden_size": 4096,
            "layer_types": every(60, "full_attention", "linear_attention", 4),
            "linear_conv_kernel_dim": 4, "linear_key_head_dim": 128, "linear_num_key_heads": 16,
            "linear_value_head_dim": 128, "linear_num_value_heads": 64, "vocab_size": 248320,
            "max_position_embeddings": 262144, "moe_intermediate_size": 1024,
            "num_attention_heads": 32, "num_experts": 512, "num_experts_per_tok": 10,
            "num_hidden_layers": 60, "num_key_value_heads": 2,
            "shared_expert_intermediate_size": 1024,
        },
    },
    "nemotron-3-super": NEMOTRON,
    "nemotron-nas": {
        "architectures": ["DeciLMForCausalLM"], "model_type": "nemotron-nas",
        "hidden_size": 8192, "intermediate_size": None, "num_attention_heads": 64,
        "num_key_value_heads": None, "num_hidden_layers": 4, "vocab_size": 128256,
        "max_position_embeddings": 131072,
        "block_configs": [
            {"attention": {"n_heads_in_group": 8, "no_op": False},
             "ffn": {"ffn_mult": 5.25, "no_op": False}},
            {"attention": {"n_heads_in_group": None, "no_op": True},
             "ffn": {"ffn_mult": 2.625, "no_op": False}},
        ] * 2,
    },
    "gpt-oss": {
        "architectures": ["GptOssForCausalLM"], "model_type": "gpt_oss", "hidden_size": 2880,
        "intermediate_size": 2880, "num_hidden_layers": 36, "num_attention_heads": 64,
        "num_key_value_heads": 8, "head_dim": 64, "vocab_size": 201088, "sliding_window": 128,
        "layer_types": ["sliding_attention", "full_attention"] * 18, "num_local_experts": 128,
        "experts_per_token": 4, "max_position_embeddings": 131072,
        "quantization_config": {"quant_method": "mxfp4"},
    },
    "gemma-3": {
        "architectures": ["Gemma3ForCausalLM"], "model_type": "gemma3_text", "hidden_size": 1152,
        "intermediate_size": 6912, "num_hidden_layers": 26, "num_attention_heads": 4,
        "num_key_value_heads": 1, "head_dim": 256, "vocab_size": 262144, "sliding_window": 512,
        "max_position_embeddings": 32768,
    },
    "mimo-v2": {
        "architectures": ["MiMoV2FlashForCausalLM"], "model_type": "mimo_v2_flash",
        "num_hidden_layers": 12, "hidden_size": 4096, "num_attention_heads": 64,
        "num_key_value_heads": 4, "head_dim": 192, "v_head_dim": 128, "intermediate_size": 16384,
        "vocab_size": 152576, "max_position_embeddings": 262144, "sliding_window": 128,
        "swa_num_key_value_heads": 8, "swa_head_dim": 192, "swa_v_head_dim": 128,
        "hybrid_layer_pattern": [0, 1, 1, 1, 1, 1] * 2, "moe_layer_freq": [0] + [1] * 11,
        "n_routed_experts": 256, "n_shared_experts": None, "num_experts_per_tok": 8,
        "moe_intermediate_size": 2048, "quantization_config": FP8_BLOCK,
    },
    "minimax-m3": {
        "architectures": ["MiniMaxM3SparseForCausalLM"], "model_type": "minimax_m3",
        "hidden_size": 6144, "num_hidden_layers": 60, "num_attention_heads": 64,
        "num_key_value_heads": 4, "head_dim": 128, "vocab_size": 200064, "num_local_experts": 128,
        "num_experts_per_tok": 4, "intermediate_size": 3072, "moe_intermediate_size": 3072,
        "dense_intermediate_size": 12288, "moe_layer_freq": [0] * 3 + [1] * 57,
        "shared_intermediate_size": 3072, "n_shared_experts": 1,
        "max_position_embeddings": 1048576,
        "sparse_attention_config": {
            "use_sparse_attention": True, "sparse_index_dim": 128, "sparse_topk_blocks": 16,
            "sparse_attention_freq": [0] * 3 + [1] * 57,
        },
    },
    "kimi-linear": {
        "architectures": ["KimiLinearForCausalLM"], "model_type": "kimi_linear", **LATENT,
        "q_lora_rank": None, "hidden_size": 2304, "intermediate_size": 9216, "vocab_size": 163840,
        "num_hidden_layers": 27, "num_attention_heads": 32, "num_key_value_heads": 32,
        "num_experts": 256, "num_experts_per_token": 8, "num_shared_experts": 1,
        "moe_intermediate_size": 1024, "first_k_dense_replace": 1,
        "max_position_embeddings": 1048576,
        "linear_attn_config": {
            "kda_layers": [n for n in range(1, 27) if n % 4], "num_heads": 32, "head_dim": 128,
            "short_conv_kernel_size": 4,
        },
    },
    "llama-4": {
        "architectures": ["Llama4ForConditionalGeneration"], "model_type": "llama4",
        "text_config": {
            "model_type": "llama4_text", "hidden_size": 5120, "num_hidden_layers": 48,
            "attention_chunk_size": 8192, "no_rope_layers": [1, 1, 1, 0] * 12,
            "num_local_experts": 16, "intermediate_size": 8192, "intermediate_size_mlp": 16384,
            "max_position_embeddings": 10485760,
        },
    },
    "step-3.5": {
        "architectures": ["Step3p5ForCausalLM"], "model_type": "step3p5", "hidden_size": 4096,
        "num_hidden_layers": 45, "num_attention_heads": 64, "num_attention_groups": 8,
        "head_dim": 128, "vocab_size": 128896, "max_position_embeddings": 262144,
        "intermediate_size": 11264, "sliding_window": 512, "num_nextn_predict_layers": 3,
        "layer_types": ["full_attention"] + ["sliding_attention"] * 47, "moe_num_experts": 288,
        "moe_top_k": 8, "moe_intermediate_size": 1280, "share_expert_dim": 1280,
        "moe_layers_enum": ",".join(str(n) for n in range(3, 45)),
        "attention_other_setting": {"num_attention_heads": 96, "num_attention_groups": 8},
    },
}  # fmt: skip
