"""Models from a folder: config.json read field by field, and a whole deployment from one."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra_gen import api
from infra_gen.cli.main import run
from infra_gen.cli.options import Asked, spec_from
from infra_gen.errors import UsageError
from infra_gen.knowledge import store
from infra_gen.knowledge.hf_config import HfModel, read_model
from infra_gen.model.llm import Architecture, ModelPreset
from infra_gen.model.params import count_params
from infra_gen.plan import kv_cache
from infra_gen.plan.weights import computed_bytes

LLAMA: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "max_position_embeddings": 131072,
    "num_attention_heads": 32,
    "num_hidden_layers": 32,
    "num_key_value_heads": 8,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "vocab_size": 128256,
}


def written(folder: Path, document: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "config.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document), "utf-8")
    return path


def read_all(folder: Path, document: object) -> HfModel:
    return read_model(written(folder, document), date(2026, 1, 1))


def read(folder: Path, document: object) -> Architecture:
    return read_all(folder, document).architecture


def test_a_plain_config(tmp_path: Path) -> None:
    found = read(tmp_path, LLAMA)
    assert (found.layers, found.heads, found.kv_heads, found.head_dim) == (32, 32, 8, 128)
    assert found.known
    assert count_params(found).total == pytest.approx(8_030_000_000, rel=0.001)


def without(*keys: str) -> dict[str, Any]:
    return {k: v for k, v in LLAMA.items() if k not in keys}


BAD: dict[str, tuple[object, tuple[str, ...]]] = {
    "no layers": (without("num_hidden_layers"), ("num_hidden_layers is missing",)),
    "zero layers": ({**LLAMA, "num_hidden_layers": 0}, ("num_hidden_layers is 0", "positive")),
    "layers as text": ({**LLAMA, "num_hidden_layers": "32"}, ("num_hidden_layers is '32'",)),
    "layers as boolean": ({**LLAMA, "num_hidden_layers": True}, ("num_hidden_layers is True",)),
    "negative vocabulary": ({**LLAMA, "vocab_size": -1}, ("vocab_size is -1",)),
    "no hidden size": (without("hidden_size"), ("hidden_size is missing",)),
    "no MLP": (without("intermediate_size"), ("intermediate_size is missing",)),
    "no context": (without("max_position_embeddings"), ("max_position_embeddings is missing",)),
    "heads": ({**LLAMA, "num_key_value_heads": 5}, ("32 is not a multiple", "5")),
    "layer kind": (
        {**LLAMA, "layer_types": ["full_attention"] * 31 + ["magic"]},
        ("unknown kind 'magic'",),
    ),
    "layer count": (
        {**LLAMA, "layer_types": ["full_attention"] * 31},
        ("31 entries", "num_hidden_layers is 32"),
    ),
    "window missing": (
        {**LLAMA, "layer_types": ["sliding_attention"] * 32},
        ("sliding_window is missing",),
    ),
    "experts a turn": ({**LLAMA, "num_experts": 8}, ("num_experts_per_tok is missing",)),
    "bad JSON": ('{"hidden_size": ', ("not readable as JSON",)),
    "a list": ("[]", ("not a JSON object",)),
    "text": ('"llama"', ("not a JSON object",)),
    "deep": ("[" * 100_000, ("not readable as JSON",)),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_configs_name_file_and_field(case: str, tmp_path: Path) -> None:
    document, words = BAD[case]
    with pytest.raises(UsageError) as error:
        read(tmp_path, document)
    said = "\n".join(error.value.lines())
    assert str(tmp_path / "config.json") in said
    for word in words:
        assert word in said


def test_not_utf8(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="not readable"):
        read_model(tmp_path / "config.json", date(2026, 1, 1))


def test_layer_types_become_groups(tmp_path: Path) -> None:
    kinds = ["sliding_attention"] * 20 + ["full_attention"] * 10 + ["linear_attention"] * 2
    found = read(tmp_path, {**LLAMA, "layer_types": kinds, "sliding_window": 1024})
    groups = {group.kind: (group.layers, group.window) for group in found.layer_groups}
    assert groups == {"full": (10, None), "sliding": (20, 1024), "linear": (2, None)}


def test_a_window_pattern_becomes_groups(tmp_path: Path) -> None:
    found = read(tmp_path, {**LLAMA, "sliding_window": 512, "sliding_window_pattern": 4})
    assert {g.kind: g.layers for g in found.layer_groups} == {"full": 8, "sliding": 24}


def test_a_window_that_is_switched_off_is_none(tmp_path: Path) -> None:
    found = read(tmp_path, {**LLAMA, "sliding_window": 512, "use_sliding_window": False})
    assert [g.kind for g in found.layer_groups] == ["full"]


def test_the_text_part_of_a_multimodal_config_counts(tmp_path: Path) -> None:
    found = read(tmp_path, {"architectures": ["X"], "text_config": without("architectures")})
    assert found.layers == 32
    assert not found.known


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        (None, "bf16"),
        ({"quant_method": "awq", "bits": 4}, "awq-int4"),
        ({"quant_method": "fp8"}, "fp8"),
        ({"quant_method": "fp8", "weight_block_size": [128, 128]}, "fp8-block"),
    ],
)
def test_quantization_of_a_folder(declared: object, expected: str, tmp_path: Path) -> None:
    document = LLAMA if declared is None else {**LLAMA, "quantization_config": declared}
    assert read_all(tmp_path, document).quantization == expected


def test_a_quantization_that_is_not_planned(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'hqq' is not planned yet"):
        read_all(tmp_path, {**LLAMA, "quantization_config": {"quant_method": "hqq"}})


def folder_plan(folder: Path, **asked: Any) -> Any:
    spec = spec_from(Asked(hardware="h100", users=4, model=str(folder), **asked))
    return api.build(spec, folder.parent)


def test_an_unknown_class_is_sized_with_a_warning(tmp_path: Path) -> None:
    written(tmp_path / "mine", {**LLAMA, "architectures": ["MagicForCausalLM"]})
    built = folder_plan(tmp_path / "mine")
    assert any("MagicForCausalLM" in warning for warning in built.plan.warnings)


def test_the_files_of_a_folder_are_weighed(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    written(folder, LLAMA)
    computed = folder_plan(folder).plan
    assert computed.weights.basis == "computed"
    assert computed.weights.bytes == pytest.approx(16_060_522_496, rel=0.001)
    elements = 15 * 2**29
    one = {"dtype": "BF16", "shape": [elements], "data_offsets": [0, 2 * elements]}
    header = json.dumps({"weights": one}).encode()
    with (folder / "model.safetensors").open("wb") as stream:
        stream.write(len(header).to_bytes(8, "little") + header)
        stream.truncate(8 + len(header) + 2 * elements)
    weighed = folder_plan(folder).plan
    assert weighed.weights.basis == "checkpoint"
    assert weighed.weights.bytes == 15 * 2**30


def test_a_deployment_of_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "models" / "my-llama"
    written(folder, LLAMA)
    monkeypatch.chdir(tmp_path)
    assert run(["new", "chat", "-H", "h100", "-u", "4", "-m", "models/my-llama"]) == 0
    spec = (tmp_path / "chat" / "infra-gen.yaml").read_text("utf-8")
    assert "model: ../models/my-llama" in spec
    services = yaml.safe_load((tmp_path / "chat" / "compose.yaml").read_text("utf-8"))["services"]
    assert "fetch" not in services
    mounts = [m for m in services["engine"]["volumes"] if isinstance(m, dict)]
    assert [(m["source"], m["target"]) for m in mounts if m["type"] == "bind"] == [
        ("../models/my-llama", "/models")
    ]
    assert str(tmp_path) not in "".join(
        path.read_text("utf-8") for path in (tmp_path / "chat").rglob("*") if path.is_file()
    ), "the deployment must work on another machine"
    capsys.readouterr()
    assert run(["check", "chat"]) == 0
    monkeypatch.chdir(tmp_path / "chat")
    assert run(["check"]) == 0


def test_a_folder_is_for_vllm(tmp_path: Path) -> None:
    written(tmp_path / "mine", LLAMA)
    spec = spec_from(Asked(hardware="apple-m3", model=str(tmp_path / "mine")))
    with pytest.raises(UsageError, match="could load"):
        api.build(spec, tmp_path)


WITHOUT_WRITING = {
    "bge-m3": "embed",
    "qwen3-embedding-0.6b": "embed",
    "embeddinggemma-300m": "embed",
    "bge-reranker-v2-m3": "rerank",
    "qwen3-reranker-0.6b": "rerank",
}


@pytest.mark.parametrize("users", [1, 50])
@pytest.mark.parametrize("model", WITHOUT_WRITING)
def test_models_that_do_not_write_are_planned(model: str, users: int) -> None:
    workload = WITHOUT_WRITING[model]
    asked = Asked(hardware="l4", users=users, model=model, workload=workload)
    plan = api.plan(spec_from(asked), Path())[0]
    assert plan.model_id == model
    assert plan.limits.context == 1024
    assert plan.memory.headroom_gib >= 0
    assert plan.performance.users_supported is not None
    assert plan.performance.users_supported >= (users if workload == "rerank" else 1)
    point = plan.performance.typical
    assert point
    assert point.output_tokens == 1
    # one pass over a passage by a model this small: milliseconds, and thousands of tokens a second
    assert point.ttft_ms  # of all inputs that are read together
    assert 0.5 < point.ttft_ms / point.concurrency < 100


@pytest.mark.parametrize("workload", ["embed", "rerank"])
def test_auto_finds_a_model_that_does_not_write(workload: str) -> None:
    spec = spec_from(Asked(hardware="l4", users=4, workload=workload))
    plan = api.plan(spec, Path())[0]
    assert store.load("models", plan.model_id, ModelPreset).task == workload


def test_the_command_plans_an_embedding_model(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plan", "-H", "l4", "--model", "bge-m3", "--workload", "embed"]) == 0
    assert "BGE-M3" in capsys.readouterr().out


def test_a_model_is_refused_for_work_it_is_not_made_for() -> None:
    with pytest.raises(UsageError, match="made to embed"):
        api.plan(spec_from(Asked(hardware="l4", model="bge-m3", workload="chat")), Path())


def test_states_of_all_layers_are_cached() -> None:
    arch = store.load("models", "qwen3-next-80b-a3b-instruct", ModelPreset).architecture
    linear = next(group for group in arch.layer_groups if group.kind == "linear")
    assert linear.state_bytes
    assert kv_cache.state_bytes(arch, 1) == linear.layers * linear.state_bytes
    assert kv_cache.state_bytes(arch, 2) == linear.layers * linear.state_bytes / 2


def test_what_is_beside_the_language_model_stays_at_16_bits() -> None:
    seeing = store.load("models", "gemma-3-27b-it", ModelPreset)
    assert seeing.other_params
    assert seeing.other_params.value
    blind = seeing.model_copy(update={"other_params": None})
    more = computed_bytes(seeing, "fp8") - computed_bytes(blind, "fp8")
    assert more == pytest.approx(seeing.other_params.value, rel=1e-6)


@pytest.mark.parametrize("model", ["nemotron-nano-9b-v2", "nemotron-3-nano-30b-a3b"])
def test_k_types_are_wider_where_rows_do_not_divide(model: str) -> None:
    preset = store.load("models", model, ModelPreset)
    stated = next(c.bytes.value for c in preset.checkpoints if c.quantization == "Q4_K_M")
    assert stated
    assert 0.98 * stated < computed_bytes(preset, "Q4_K_M") < 1.1 * stated
