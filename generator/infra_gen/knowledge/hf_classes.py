"""Model classes whose layers are what their config.json says: their names alone are data here."""

from __future__ import annotations

# Full attention, windows, chunks, latents, states, experts: all that is read from the fields.
KNOWN_CLASSES = frozenset(
    {
        "ApertusForCausalLM", "BailingMoeV2ForCausalLM", "BambaForCausalLM",
        "BertForSequenceClassification", "BertModel", "Cohere2ForCausalLM", "CohereForCausalLM",
        "DbrxForCausalLM", "DeciLMForCausalLM", "DeepseekForCausalLM", "DeepseekV2ForCausalLM",
        "DeepseekV32ForCausalLM", "DeepseekV3ForCausalLM", "Dots1ForCausalLM",
        "DotsOCRForCausalLM", "Ernie4_5ForCausalLM", "Ernie4_5_MoeForCausalLM",
        "Exaone4ForCausalLM", "ExaoneForCausalLM", "FalconH1ForCausalLM", "Gemma2ForCausalLM",
        "Gemma3ForCausalLM", "Gemma3ForConditionalGeneration", "Gemma3TextModel",
        "Gemma3nForCausalLM", "Gemma3nForConditionalGeneration", "Gemma4ForCausalLM",
        "Gemma4ForConditionalGeneration", "GemmaForCausalLM", "Glm4ForCausalLM",
        "Glm4MoeForCausalLM", "Glm4MoeLiteForCausalLM", "Glm4vMoeForConditionalGeneration",
        "GlmForCausalLM", "GlmMoeDsaForCausalLM", "GptOssForCausalLM", "GraniteForCausalLM",
        "GraniteMoeForCausalLM", "GraniteMoeHybridForCausalLM", "GraniteMoeSharedForCausalLM",
        "HYV3ForCausalLM", "HunYuanDenseV1ForCausalLM", "HunYuanMoEV1ForCausalLM",
        "InternLM2ForCausalLM", "InternLM3ForCausalLM", "JambaForCausalLM",
        "KimiK25ForConditionalGeneration", "KimiK3ForConditionalGeneration",
        "KimiLinearForCausalLM", "KimiVLForConditionalGeneration", "LLaMAForCausalLM",
        "LagunaForCausalLM", "Lfm2ForCausalLM", "Lfm2MoeForCausalLM", "Llama4ForCausalLM",
        "Llama4ForConditionalGeneration", "LlamaForCausalLM", "LlavaForConditionalGeneration",
        "MiMoForCausalLM", "MiMoV2FlashForCausalLM", "MiMoV2ForCausalLM", "MiniMaxM1ForCausalLM",
        "MiniMaxM2ForCausalLM", "MiniMaxM3ForCausalLM", "MiniMaxM3SparseForCausalLM",
        "MiniMaxM3SparseForConditionalGeneration", "MiniMaxText01ForCausalLM", "Ministral3ForCausalLM",
        "Mistral3ForConditionalGeneration", "MistralForCausalLM", "MistralLarge3ForCausalLM",
        "MistralModel", "MixtralForCausalLM", "ModernBertForSequenceClassification",
        "ModernBertModel", "NemotronForCausalLM", "NemotronHForCausalLM",
        "NemotronH_Nano_Omni_Reasoning_V3", "NemotronH_Nano_VL_V2", "NewModel", "NomicBertModel",
        "Olmo2ForCausalLM", "Olmo3ForCausalLM", "OlmoForCausalLM", "OlmoeForCausalLM",
        "Phi3ForCausalLM", "PhiMoEForCausalLM", "Qwen2ForCausalLM", "Qwen2MoeForCausalLM",
        "Qwen2VLForConditionalGeneration", "Qwen2_5_VLForConditionalGeneration",
        "Qwen3ForCausalLM", "Qwen3ForSequenceClassification", "Qwen3MoeForCausalLM",
        "Qwen3NextForCausalLM", "Qwen3VLForConditionalGeneration",
        "Qwen3VLMoeForConditionalGeneration", "Qwen3_5ForCausalLM",
        "Qwen3_5ForConditionalGeneration", "Qwen3_5MoeForCausalLM",
        "Qwen3_5MoeForConditionalGeneration", "RobertaForSequenceClassification", "RobertaModel",
        "SeedOssForCausalLM", "SmolLM3ForCausalLM", "StableLmForCausalLM", "Step3p5ForCausalLM",
        "Step3p7FlashForCausalLM", "Step3p7ForConditionalGeneration",
        "XLMRobertaForSequenceClassification", "XLMRobertaModel",
    }
)  # fmt: skip
