"""Fields of config.json: each architecture read right, and each absurdity named."""

from __future__ import annotations

import copy
import json
import math
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from tests.unit.hf_documents import DOCUMENTS

from infra_gen import api
from infra_gen.cli.options import Asked, spec_from
from infra_gen.errors import UsageError
from infra_gen.knowledge.hf_config import HfModel, model_of, parse_json, read_model


def read(document: object, modelopt: object = None) -> HfModel:
    return model_of(document, "config.json", date(2026, 1, 1), "test", modelopt)


def changed(name: str, **fields: Any) -> dict[str, Any]:
    return {**copy.deepcopy(DOCUMENTS[name]), **fields}


# Parameters in billions, as published (less towers and layers that guess ahead), and layers by kind.
EXPECTED: dict[str, tuple[float, dict[str, int]]] = {
    "llama": (8.03, {"full": 32}),
    "deepseek-v3.2": (671.9, {"full": 61}),
    "glm-5.2": (743.4, {"full": 78}),
    "kimi-k2.5": (1026.4, {"full": 61}),
    "qwen3.5": (396.3, {"full": 15, "linear": 45}),
    "nemotron-3-super": (120.7, {"full": 8, "mamba": 40, "none": 40}),
    "gpt-oss": (116.8, {"sliding": 18, "full": 18}),
    "gemma-3": (1.0, {"sliding": 22, "full": 4}),
    "minimax-m3": (426.0, {"full": 60}),
    "kimi-linear": (49.12, {"full": 7, "linear": 20}),
    "llama-4": (107.8, {"chunked": 36, "full": 12}),
    "step-3.5": (195.8, {"sliding": 44, "full": 1}),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_published_shapes(name: str) -> None:
    found = read(DOCUMENTS[name])
    billions, layers = EXPECTED[name]
    assert found.architecture.known
    assert found.params.total / 1e9 == pytest.approx(billions, rel=0.005)
    assert {g.kind: g.layers for g in found.architecture.layer_groups} == layers


def test_keys_of_indexers_are_cached_where_a_layer_has_its_own() -> None:
    assert read(DOCUMENTS["deepseek-v3.2"]).architecture.extra_cache_bytes == 132
    shared = read(DOCUMENTS["glm-5.2"]).architecture
    assert shared.extra_cache_bytes == math.ceil(132 * 21 / 78)
    assert read(changed("deepseek-v3.2", index_topk=None)).architecture.extra_cache_bytes == 0
    blocks = read(DOCUMENTS["minimax-m3"]).architecture
    assert blocks.extra_cache_bytes == math.ceil(256 * 57 / 60)


def test_values_narrower_than_keys() -> None:
    found = read(DOCUMENTS["mimo-v2"]).architecture
    assert found.head_dim == (192 + 128) // 2
    windows = next(g for g in found.layer_groups if g.kind == "sliding")
    assert (windows.layers, windows.kv_heads, windows.head_dim) == (10, 8, 160)
    assert found.moe
    assert found.moe.dense_layers == 1


def test_layers_that_a_search_made_unlike() -> None:
    found = read(DOCUMENTS["nemotron-nas"]).architecture
    assert [(g.kind, g.layers, g.kv_heads) for g in found.layer_groups] == [
        ("full", 2, 8),
        ("none", 2, None),
    ]
    assert found.intermediate_size == (28672 + 14336) // 2


def test_experts_behind_a_projection() -> None:
    moe = read(DOCUMENTS["nemotron-3-super"]).architecture.moe
    assert moe
    assert moe.input_size == 1024
    wide = read(changed("nemotron-3-super", moe_latent_size=None))
    assert wide.params.total > 3 * read(DOCUMENTS["nemotron-3-super"]).params.total


def test_layers_that_guess_ahead_are_listed_and_not_counted() -> None:
    found = read(DOCUMENTS["step-3.5"]).architecture
    assert found.layers == 45
    assert found.moe
    assert found.moe.dense_layers == 3


def test_a_state_has_its_mixer() -> None:
    assert read(DOCUMENTS["qwen3.5"]).architecture.mixer
    assert read(DOCUMENTS["nemotron-3-super"]).architecture.mixer


@pytest.mark.parametrize(
    ("declared", "modelopt", "expected"),
    [
        ({"quant_method": "modelopt", "quant_algo": "NVFP4"}, None, "nvfp4"),
        (
            {"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION", "quantized_layers": {
                "a": {"quant_algo": "FP8"}, "b": {"quant_algo": "W4A16_NVFP4"}}},
            None, "nvfp4",
        ),
        (
            {"quant_method": "fp8", "weight_block_size": [128, 128]},
            {"quantization": {"quant_algo": "MIXED_PRECISION", "quantized_layers": {
                "experts": {"quant_algo": "NVFP4"}}}},
            "nvfp4",
        ),
        (
            {"quant_method": "compressed-tensors", "format": "mxfp4-pack-quantized",
             "config_groups": {"g": {"weights": {"num_bits": 4, "type": "float"}}}},
            None, "mxfp4",
        ),
        ({}, None, "bf16"),
        (None, None, "bf16"),
    ],
)  # fmt: skip
def test_quantizations(declared: object, modelopt: object, expected: str) -> None:
    found = read(changed("llama", quantization_config=declared), modelopt)
    assert found.quantization == expected


BAD: dict[str, tuple[str, dict[str, Any], str]] = {
    "more layers than any": ("llama", {"num_hidden_layers": 10**9}, "num_hidden_layers is 1000000000"),
    "absurd context": ("llama", {"max_position_embeddings": 10**15}, "max_position_embeddings is"),
    "a fraction": ("llama", {"hidden_size": 4096.5}, "hidden_size is 4096.5"),
    "not a number": ("llama", {"hidden_size": math.nan}, "hidden_size is nan"),
    "infinite": ("llama", {"vocab_size": math.inf}, "vocab_size is inf"),
    "key heads above heads": ("llama", {"num_key_value_heads": 64}, "32 is not a multiple of"),
    "no head_dim": ("llama", {"hidden_size": 4100}, "hidden_size 4100 is no multiple"),
    "rope factor": (
        "llama", {"rope_scaling": {"rope_type": "linear", "factor": math.nan}}, "factor is nan"),
    "experts a token": ("gpt-oss", {"experts_per_token": 129}, "129 experts a token, of only 128"),
    "dense layers": (
        "deepseek-v3.2", {"first_k_dense_replace": 62}, "first_k_dense_replace says 62 layers"),
    "negative experts": ("gpt-oss", {"num_local_experts": -8}, "num_local_experts is -8"),
    "shared experts as text": (
        "deepseek-v3.2", {"n_shared_experts": "1"}, "n_shared_experts is '1'"),
    "latent": ("deepseek-v3.2", {"qk_rope_head_dim": 0}, "qk_rope_head_dim is 0"),
    "query latent": ("deepseek-v3.2", {"q_lora_rank": "1536"}, "q_lora_rank is '1536'"),
    "indexer kinds": ("glm-5.2", {"indexer_types": ["full"]}, "indexer_types is not a list of 78"),
    "indexer width": ("glm-5.2", {"index_head_dim": None}, "index_head_dim is missing"),
    "blocks to choose": (
        "minimax-m3", {"sparse_attention_config": {"use_sparse_attention": True}},
        "sparse_index_dim is missing"),
    "window": ("gemma-3", {"sliding_window": "512"}, "sliding_window is '512'"),
    "pattern": ("gemma-3", {"sliding_window_pattern": -6}, "sliding_window_pattern is -6"),
    "hybrid pattern": (
        "mimo-v2", {"hybrid_layer_pattern": [0, 2]}, "hybrid_layer_pattern is not a list of 12"),
    "nested pattern": (
        "mimo-v2", {"moe_layer_freq": [[0]] * 12}, "moe_layer_freq is not a list of 12"),
    "linear layers": (
        "kimi-linear", {"linear_attn_config": {"kda_layers": [99], "num_heads": 1, "head_dim": 1}},
        "kda_layers names layers beyond 1 to 27"),
    "linear layers as text": (
        "kimi-linear",
        {"linear_attn_config": {"kda_layers": "all", "num_heads": 1, "head_dim": 1}},
        "kda_layers is not a list"),
    "blocks": ("nemotron-nas", {"block_configs": [1]}, "block_configs is not a list of layers"),
    "number of blocks": ("nemotron-nas", {"num_hidden_layers": 5}, "block_configs has 4 entries"),
    "mamba": ("nemotron-3-super", {"mamba_head_dim": -64}, "mamba_head_dim is -64"),
    "layer kind": (
        "gpt-oss", {"layer_types": ["full_attention", "telepathy"] * 18}, "unknown kind 'telepathy'"),
    "quantization as text": ("llama", {"quantization_config": "fp8"}, "quantization_config is 'fp8'"),
    "quantization": (
        "llama", {"quantization_config": {"quant_method": "hqq"}}, "'hqq' is not planned yet"),
    "type of weights": ("llama", {"torch_dtype": "float8"}, "torch_dtype is 'float8'"),
    "classes": ("llama", {"architectures": "LlamaForCausalLM"}, "architectures is"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_each_absurdity_is_named(case: str) -> None:
    name, fields, words = BAD[case]
    with pytest.raises(UsageError) as error:
        read(changed(name, **fields))
    said = "\n".join(error.value.lines())
    assert words in said
    assert "config.json" in said


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"\xef\xbb\xbf{}", "byte order mark"),
        (b'{"a": 1, "b": {"a": 2, "a": 3}}', "'a' is there twice"),
        (b'{"hidden_size": 40', "not readable as JSON"),
        (b"[" * 10**6, "not readable as JSON"),
        (b"", "not readable as JSON"),
        (b'{"a": \xff}', "not readable as JSON"),
    ],
)
def test_files_that_are_no_json(text: bytes, words: str) -> None:
    with pytest.raises(UsageError, match=words) as error:
        parse_json(text, "config.json")
    assert "config.json" in "\n".join(error.value.lines())


def test_a_hundred_megabytes_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    with path.open("wb") as stream:
        stream.truncate(100 * 2**20)
    with pytest.raises(UsageError, match=r"too large for a config\.json"):
        read_model(path, date(2026, 1, 1))


def test_an_unknown_class_has_a_wide_band_and_a_warning(tmp_path: Path) -> None:
    plans = []
    for name in ("LlamaForCausalLM", "TelepathyForCausalLM"):
        folder = tmp_path / name
        folder.mkdir()
        document = changed("gemma-3", architectures=[name], model_type="new", vocab_size=32000)
        (folder / "config.json").write_text(json.dumps(document), "utf-8")
        spec = spec_from(Asked(hardware="h100", users=4, model=str(folder)))
        plans.append(api.plan(spec, tmp_path)[0])
    known, unknown = plans
    assert unknown.performance.error_band == 1.0 > known.performance.error_band
    assert any("TelepathyForCausalLM is not known" in said for said in unknown.warnings)


def test_a_context_beyond_the_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(DOCUMENTS["gemma-3"]), "utf-8")
    asked = Asked(hardware="h100", users=1, model=str(tmp_path), context=str(10**6))
    with pytest.raises(UsageError, match=r"beyond .*limit of 32768"):
        api.plan(spec_from(asked), tmp_path)
