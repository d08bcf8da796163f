"""The model presets: every file is valid, consistent with itself and close to the arithmetic."""

from __future__ import annotations

import json
from collections import Counter
from itertools import chain
from pathlib import Path
from typing import get_args

import pytest
from ruamel.yaml import YAML

from infra_gen.model.llm import Architecture, Checkpoint, ModelPreset, SafetensorsQuant

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "presets" / "models").glob("*.yaml"))
VLLM_TABLE = ROOT / "presets" / "engines" / "vllm" / "table.json"
PRESETS = {
    path.stem: ModelPreset.model_validate(YAML(typ="safe").load(path.read_text(encoding="utf-8")))
    for path in FILES
}
CHECKPOINTS = [
    pytest.param(preset, checkpoint, id=f"{name}-{checkpoint.repo}-{checkpoint.quantization}")
    for name, preset in PRESETS.items()
    for checkpoint in preset.checkpoints
]
# Weights beside the language model: params_total counts them, the architecture does not.
VISION_PARAMS = {
    "Gemma3ForConditionalGeneration": 420_000_000,
    "Mistral3ForConditionalGeneration": 440_000_000,
}
# Bits per weight that a whole file may average, embeddings and scales included.
BITS = {
    "bf16": (15.5, 20.5),  # Qwen3-0.6B stores its tied embeddings twice
    "fp8": (7.8, 10.0),
    "fp8-block": (7.8, 10.0),
    "w8a8-int8": (7.8, 10.0),
    "awq-int4": (4.0, 6.5),
    "gptq-int4": (4.0, 6.5),
    "w4a16": (4.0, 6.5),
    "nvfp4": (4.0, 6.5),
    "mxfp4": (4.0, 5.6),
    "MXFP4": (4.0, 5.6),
    "Q4_K_M": (4.3, 5.7),
    "Q5_K_M": (5.1, 6.3),
    "Q6_K": (5.8, 7.0),
    "Q8_0": (7.6, 8.8),
}

every_preset = pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)


def estimated_params(arch: Architecture) -> int:
    """Parameters that the shapes give, norms and biases left out."""
    hidden, heads = arch.hidden_size, arch.heads
    if mla := arch.mla:
        query_dim = heads * (mla.qk_nope_head_dim + mla.qk_rope_head_dim)
        rank = mla.q_lora_rank
        query = rank * (hidden + query_dim) if rank else hidden * query_dim
        key_value = hidden * (mla.kv_lora_rank + mla.qk_rope_head_dim)
        key_value += mla.kv_lora_rank * heads * (mla.qk_nope_head_dim + mla.v_head_dim)
        attention = query + key_value + heads * mla.v_head_dim * hidden
    else:
        attention = hidden * arch.head_dim * (2 * heads + 2 * arch.kv_heads)
    dense_mlp = 3 * hidden * arch.intermediate_size
    if moe := arch.moe:
        shared = moe.shared_intermediate_size or moe.shared_experts * moe.intermediate_size
        widths = moe.experts * moe.intermediate_size + shared
        routed_mlp = 3 * hidden * widths + hidden * moe.experts
        mlp = moe.dense_layers * dense_mlp + (arch.layers - moe.dense_layers) * routed_mlp
    else:
        mlp = arch.layers * dense_mlp
    embeddings = arch.vocab_size * hidden * (1 if arch.tied_embeddings else 2)
    return embeddings + arch.layers * attention + mlp


def language_params(preset: ModelPreset) -> int:
    total = preset.params_total.value
    assert total is not None
    return total - VISION_PARAMS.get(preset.architecture.class_name, 0)


def has_sourced_file(preset: ModelPreset, quantization: str) -> bool:
    return any(
        checkpoint.format == "gguf"
        and checkpoint.quantization == quantization
        and checkpoint.bytes.value is not None
        for checkpoint in preset.checkpoints
    )


@every_preset
def test_file_is_named_after_the_model(preset: ModelPreset) -> None:
    assert PRESETS[preset.id] is preset


def test_ids_and_aliases_name_one_model_each() -> None:
    names = Counter(
        chain.from_iterable((p.id, p.hf_id.lower(), *p.aliases) for p in PRESETS.values())
    )
    assert [name for name, count in names.items() if count > 1] == []
    assert [name for name in names if name != name.lower()] == []


def test_hf_repos_belong_to_one_model_each() -> None:
    repos = Counter(chain.from_iterable({c.repo for c in p.checkpoints} for p in PRESETS.values()))
    assert [repo for repo, count in repos.items() if count > 1] == []


def test_coverage() -> None:
    presets = PRESETS.values()
    assert len(presets) >= 15
    assert any(p.architecture.moe for p in presets)
    assert any(p.architecture.mla for p in presets)
    assert any(g.kind == "sliding" for p in presets for g in p.architecture.layer_groups)
    assert sum(has_sourced_file(p, "Q4_K_M") for p in presets) >= 15
    assert sum(has_sourced_file(p, "Q8_0") for p in presets) >= 10
    safetensors = [c for p in presets for c in p.checkpoints if c.format == "safetensors"]
    assert len({c.repo for c in safetensors}) >= 25
    assert {"bf16", "fp8", "fp8-block", "awq-int4", "gptq-int4", "mxfp4"} <= {
        c.quantization for c in safetensors
    }


@every_preset
def test_heads_divide(preset: ModelPreset) -> None:
    assert preset.architecture.heads % preset.architecture.kv_heads == 0


@every_preset
def test_params_follow_from_the_architecture(preset: ModelPreset) -> None:
    assert estimated_params(preset.architecture) == pytest.approx(language_params(preset), rel=0.01)


@every_preset
def test_active_params(preset: ModelPreset) -> None:
    total, active = preset.params_total.value, preset.params_active.value
    assert total is not None
    assert active is not None
    assert active < total if preset.architecture.moe else active == total


@every_preset
def test_parsers_exist_in_the_pinned_vllm(preset: ModelPreset) -> None:
    if preset.vllm_parsers is None:
        return
    table = json.loads(VLLM_TABLE.read_text(encoding="utf-8"))
    assert preset.vllm_parsers.tool_call in (None, *table["tool_call_parsers"])
    assert preset.vllm_parsers.reasoning in (None, *table["reasoning_parsers"])


@pytest.mark.parametrize(("preset", "checkpoint"), CHECKPOINTS)
def test_checkpoint_files_match_the_format(preset: ModelPreset, checkpoint: Checkpoint) -> None:
    if checkpoint.format == "safetensors":
        assert checkpoint.quantization in get_args(SafetensorsQuant)
        assert checkpoint.files == ()
        assert checkpoint.sha256 is None
        return
    assert checkpoint.files
    for file in checkpoint.files:
        assert file.endswith(".gguf")
        assert checkpoint.quantization.lower() in file.lower()
    assert checkpoint.sha256 is None or len(checkpoint.files) == 1


@pytest.mark.parametrize(("preset", "checkpoint"), CHECKPOINTS)
def test_bytes_fit_the_params(preset: ModelPreset, checkpoint: Checkpoint) -> None:
    if checkpoint.bytes.value is None:
        return
    params = preset.params_total.value
    assert params is not None
    if checkpoint.format == "gguf":
        params = language_params(preset)
    low, high = BITS[checkpoint.quantization]
    assert low <= checkpoint.bytes.value * 8 / params <= high


@every_preset
def test_one_file_per_format_and_quantization_of_a_repo(preset: ModelPreset) -> None:
    keys = Counter((c.format, c.quantization, c.repo) for c in preset.checkpoints)
    assert max(keys.values()) == 1
