"""What `--model` and `--quantization` may say: repositories, siblings, quantized copies, bare names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from infra_gen import api
from infra_gen.cli.options import Asked, spec_from
from infra_gen.errors import UsageError
from infra_gen.knowledge import models, repositories, store
from infra_gen.knowledge.hub import HubUnreadError
from infra_gen.knowledge.models import resolve_model
from infra_gen.model.facts import ModelFacts
from infra_gen.model.plan import Plan

NOWHERE = Path("/nonexistent")


@pytest.fixture
def no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    def unread(*_: object, **__: object) -> ModelFacts:
        raise HubUnreadError("the Hub cannot be reached")

    monkeypatch.setattr(models, "read_hub", unread)


def planned(model: str, hardware: str = "h100", **more: Any) -> Plan:
    asked = Asked(hardware=hardware, users=4, model=model, engine="vllm", **more)
    return api.plan(spec_from(asked), NOWHERE)[0]


@pytest.mark.parametrize(
    ("word", "hf_id", "kinds"),
    [
        ("meta-llama/llama-3.1-70B", "meta-llama/Llama-3.1-70B", {"bf16"}),
        ("moonshotai/Kimi-K2.5", "moonshotai/Kimi-K2.5", {"w4a16", "nvfp4", "mxfp4"}),
        ("zhipuai/GLM-5", "zai-org/GLM-5", {"bf16", "fp8-block", "nvfp4"}),
        ("Qwen/Qwen3.5-397B-A17B", "Qwen/Qwen3.5-397B-A17B", {"bf16", "fp8-block", "nvfp4"}),
        ("openai/gpt-oss-120b", "openai/gpt-oss-120b", {"mxfp4"}),
        ("deepseek-ai/DeepSeek-V3-0324", "deepseek-ai/DeepSeek-V3-0324", {"fp8-block"}),
        ("DeepSeek-R1-Distill-Qwen-14B", "deepseek-ai/DeepSeek-R1-Distill-Qwen-14B", {"bf16"}),
    ],
)
def test_a_repository_is_its_presets_shapes(word: str, hf_id: str, kinds: set[str]) -> None:
    found = resolve_model(word, NOWHERE)
    assert found.preset.hf_id == hf_id
    assert kinds <= {c.quantization for c in found.preset.checkpoints}
    assert found.guessed is None
    assert found.is_preset


def test_the_name_of_a_quantized_copy_plans_that_copy() -> None:
    plan = planned("nvidia/Llama-3.1-8B-Instruct-FP8")
    assert (plan.weights.repo, plan.weights.quantization) == (
        "nvidia/Llama-3.1-8B-Instruct-FP8",
        "fp8",
    )
    assert planned("meta-llama/Llama-3.1-8B-Instruct").weights.quantization == "bf16"


def test_a_sibling_is_deployed_by_its_own_name() -> None:
    plan = planned("Qwen/Qwen3-8B-Base")
    assert plan.weights.repo == plan.hf_id == plan.model_word == "Qwen/Qwen3-8B-Base"
    assert plan.licence == "unknown"  # sourced for Qwen3-8B, not for this one


def test_every_listed_repository_is_found_again() -> None:
    for document in store.index()["models"].values():
        for sibling in document.get("siblings", ()):
            found = resolve_model(sibling["repo"], NOWHERE)
            assert found.reference == found.preset.hf_id == sibling["repo"]
            assert resolve_model(found.reference, NOWHERE) == found


@pytest.mark.usefixtures("no_hub")
@pytest.mark.parametrize(
    ("word", "shapes", "quantization"),
    [
        ("someone/Qwen3-8B-FP8-dynamic", "Qwen/Qwen3-8B", "fp8"),
        ("RedHatAI/Llama-3.3-70B-Instruct-quantized.w8a8", "Llama-3.3-70B", "w8a8-int8"),
        ("someone/Qwen3-32B-NVFP4A16", None, None),
        ("someone/Qwen3-14B-AWQ-4bit", "Qwen/Qwen3-14B", "awq-int4"),
        ("someone/Qwen3.6-35B-A3B-NVFP4", "Qwen/Qwen3.6-35B-A3B", "nvfp4"),
        ("unsloth/gemma-3-27b-it", "google/gemma-3-27b-it", "bf16"),
        ("someone/entirely-unknown-FP8", None, None),
    ],
)
def test_names_stand_in_for_what_the_hub_cannot_say(
    word: str, shapes: str | None, quantization: str | None
) -> None:
    if shapes is None:
        with pytest.raises(UsageError, match="cannot be reached"):
            resolve_model(word, NOWHERE)
        return
    found = resolve_model(word, NOWHERE)
    assert {c.quantization for c in found.preset.checkpoints} == {quantization}
    assert found.guessed
    assert word in found.guessed
    assert not found.is_preset  # a later check must not depend on the network
    plan = planned(word, "h100:4")
    assert found.guessed in plan.warnings
    assert (plan.weights.basis, plan.weights.repo) == ("computed", word)


def test_a_hub_that_says_no_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(*_: object, **__: object) -> ModelFacts:
        raise UsageError("the Hub has no such model, or it is private")

    monkeypatch.setattr(models, "read_hub", absent)
    with pytest.raises(UsageError, match="no such model"):
        resolve_model("someone/Qwen3-8B-FP8", NOWHERE)


@pytest.mark.parametrize(
    ("asked", "got"),
    [
        ("fp8", "fp8-block"),
        ("FP4", "nvfp4"),
        ("int4", "gptq-int4"),
        ("fp8-block", "fp8-block"),
    ],
)
def test_words_for_several_quantizations(asked: str, got: str) -> None:
    plan = planned("Qwen/Qwen3-235B-A22B", "b200:8", quantization=asked)
    assert plan.weights.quantization == got


def test_fp8_is_made_while_16_bit_files_are_loaded() -> None:
    plan = planned("Qwen/Qwen3-8B-Base", quantization="fp8")
    assert (plan.weights.on_load, plan.weights.repo) == ("fp8", "Qwen/Qwen3-8B-Base")
    by_flag = planned("Qwen/Qwen3-8B-Base", set_args=("quantization=fp8",))
    assert plan.memory.weights_gib == by_flag.memory.weights_gib
    assert any("while it loads" in warning for warning in plan.warnings)


@pytest.mark.parametrize("word", ["nvfp4", "int4", "w8a8", "mxfp4"])
def test_what_nobody_publishes_is_sized_and_not_deployed(word: str) -> None:
    plan = planned("Qwen/Qwen3-8B-Base", quantization=word)
    assert plan.weights.unpublished
    assert plan.weights.basis == "computed"
    assert any("computed from shapes" in warning for warning in plan.warnings)
    asked = Asked(hardware="h100", users=4, model="Qwen/Qwen3-8B-Base", quantization=word)
    with pytest.raises(UsageError, match=r"no .* weights of Qwen3-8B-Base are known"):
        api.build(spec_from(asked), NOWHERE)


def test_fewer_bits_never_weigh_more() -> None:
    sizes = [
        planned("Qwen/Qwen3-8B-Base", quantization=word).weights.bytes
        for word in ("bf16", "fp8", "nvfp4", "int4")
    ]
    assert sizes == sorted(sizes, reverse=True)


def test_an_unknown_quantization_is_told_with_a_close_one() -> None:
    with pytest.raises(UsageError) as error:
        planned("qwen3-8b", quantization="fp7")
    assert error.value.where == "quantization"
    assert "fp8" in (error.value.hint or "")


def test_auto_takes_no_model_without_files() -> None:
    asked = Asked(hardware="h100", users=4, engine="vllm", quantization="bnb-nf4")
    with pytest.raises(UsageError, match="no model has"):
        api.plan(spec_from(asked), NOWHERE)


@pytest.mark.parametrize(
    ("name", "base", "quantization"),
    [
        ("X-FP8", "X", "fp8"),
        ("X-FP8-KV", "X", "fp8"),
        ("X-FP8-block", "X", "fp8-block"),
        ("X-NVFP4-QAD", "X", "nvfp4"),
        ("X-INT8-W8A8", "X", "w8a8-int8"),
        ("X-quantized.w4a16", "X", "w4a16"),
        ("X-GPTQ-Int4", "X", "gptq-int4"),
        ("X-unsloth-bnb-4bit", "X", "bnb-nf4"),
        ("X_W8A8", "X", "w8a8-int8"),
    ],
)
def test_endings_of_names(name: str, base: str, quantization: str) -> None:
    found = [(m[1], to) for pattern, to in repositories._ENDING if (m := pattern.match(name))]
    assert found[0] == (base, quantization)
