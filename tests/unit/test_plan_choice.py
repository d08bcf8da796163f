"""What may be split how, what is chosen, and what is refused with a reason."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from itertools import permutations
from pathlib import Path

import pytest

from infra_gen import api
from infra_gen.building import gather
from infra_gen.cli.options import Asked, spec_from
from infra_gen.errors import DoesNotFitError, UsageError
from infra_gen.knowledge import store
from infra_gen.knowledge.machines import resolve_machine, split_count
from infra_gen.model.facts import Facts, ModelFacts
from infra_gen.model.llm import Architecture, ModelPreset, Quality
from infra_gen.model.plan import Plan
from infra_gen.model.sourced import Sourced
from infra_gen.plan import load
from infra_gen.plan.candidates import model_order
from infra_gen.plan.legality import divisors, tensor_parallel_problem
from infra_gen.plan.quantization import vllm_can_run


def plan(**asked: object) -> Plan:
    return api.plan(spec_from(Asked(**asked)), Path())[0]  # type: ignore[arg-type]


def architecture(model: str) -> Architecture:
    return store.load("models", model, ModelPreset).architecture


@pytest.mark.parametrize(
    ("model", "tensor", "quantization", "expert", "problem"),
    [
        ("qwen3-235b-a22b", 8, "fp8-block", False, "not whole fp8 blocks"),
        ("qwen3-235b-a22b", 8, "fp8-block", True, None),
        ("qwen3-235b-a22b", 4, "fp8-block", False, None),
        ("qwen3-235b-a22b", 8, "bf16", False, None),
        ("qwen3-32b", 8, "fp8-block", False, None),
        ("llama-3.1-8b-instruct", 16, "bf16", False, None),  # 8 KV heads are copied
        ("llama-3.1-8b-instruct", 3, "bf16", False, "attention heads do not divide"),
        ("phi-4", 8, "bf16", False, "40"),  # 10 KV heads over 8
        ("deepseek-v3", 8, "fp8-block", False, None),
    ],
)
def test_tensor_parallel_legality(
    model: str, tensor: int, quantization: str, expert: bool, problem: str | None
) -> None:
    found = tensor_parallel_problem(
        architecture(model), tensor, quantization, expert_parallel=expert
    )
    if model == "phi-4":  # the numbers of its message are its own
        assert found is not None
        return
    assert (found is None) == (problem is None)
    assert problem is None or problem in (found or "")


def test_one_device_is_always_legal() -> None:
    for preset in store.models():
        for quantization in ("bf16", "fp8-block"):
            assert tensor_parallel_problem(preset.architecture, 1, quantization) is None


def test_divisors() -> None:
    assert divisors(1) == [1]
    assert divisors(12) == [1, 2, 3, 4, 6, 12]


def test_blocks_that_do_not_split_make_experts_parallel() -> None:
    found = plan(
        hardware="h100:8", users=50, model="qwen3-235b-a22b", quantization="fp8-block"
    ).parallelism
    assert found.tensor == 8
    assert found.expert


@pytest.mark.parametrize(
    ("hardware", "users", "model", "engine"),
    [
        ("apple-m3", 5, "auto", "llama.cpp"),
        ("cpu", 1, "auto", "llama.cpp"),
        ("rtx-3090", 1, "qwen3-8b", "llama.cpp"),  # one person: smaller files, served as well
        ("rtx-3090", 4, "qwen3-8b", "vllm"),
        ("h100", 1, "qwen3-8b", "vllm"),
        ("2x4090", 40, "qwen3-32b", "vllm"),
        ("mi300x", 40, "qwen3-32b", "vllm"),
        ("h100:8", 500, "auto", "vllm"),
    ],
)
def test_engine_choice(hardware: str, users: int, model: str, engine: str) -> None:
    assert plan(hardware=hardware, users=users, model=model).engine == engine


@pytest.mark.parametrize(
    ("hardware", "target"), [("apple-m3", "launchd"), ("h100", "compose"), ("cpu", "compose")]
)
def test_target_choice(hardware: str, target: str) -> None:
    assert plan(hardware=hardware).target == target


def test_an_engine_asked_for_is_taken() -> None:
    assert plan(hardware="rtx-3090", users=1, model="qwen3-8b", engine="vllm").engine == "vllm"
    asked = plan(hardware="rtx-3090", users=9, model="qwen3-8b", engine="llama.cpp")
    assert asked.engine == "llama.cpp"


def test_old_cards_do_not_get_what_they_cannot_run() -> None:
    old = replace(resolve_machine("rtx-3090"), compute_capability="7.5")
    assert "needs compute capability 8.0" in (vllm_can_run("bf16", old, {}) or "")
    assert "needs compute capability 8.9" in (vllm_can_run("fp8", old, {"fp8": 8.9}) or "")
    assert vllm_can_run("fp16", old, {}) is None
    unknown = replace(old, compute_capability=None)
    assert "is unknown" in (vllm_can_run("bf16", unknown, {}) or "")
    assert "no loader" in (vllm_can_run("Q4_K_M", old, {}) or "")


def test_context_default_is_the_workloads_need() -> None:
    chat = load.context_needed(store.workload("chat"))
    assert plan(hardware="h100", model="qwen3-8b").limits.context == chat
    rag = plan(hardware="h100", model="qwen3-8b", workload="rag").limits.context
    assert rag == load.context_needed(store.workload("rag"))


def test_context_default_ends_where_the_model_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "context_needed", lambda *_, **__: 500_000)
    found = plan(hardware="h100", model="phi-4")
    assert found.limits.context == architecture("phi-4").max_context
    assert any("below the workload's 500000" in warning for warning in found.warnings)


def test_explicit_context_is_taken_or_refused() -> None:
    assert plan(hardware="h100", model="phi-4", context="16k").limits.context == 16_384
    with pytest.raises(UsageError, match="beyond Phi-4's limit of 16384"):
        plan(hardware="h100", model="phi-4", context="16385")


def test_auto_never_takes_a_model_whose_context_ends_earlier() -> None:
    found = plan(hardware="h100", context="128k", users=2)
    assert found.limits.context == 131_072
    assert architecture(found.model_id).max_context >= 131_072


def test_very_many_users_queue_instead_of_taking_all_memory() -> None:
    found = plan(hardware="h100", model="qwen3-8b", users=1_000_000)
    assert found.limits.max_num_seqs <= 1024
    assert found.performance.users_supported is not None
    assert found.performance.users_supported < 1_000_000
    assert any("carries" in warning for warning in found.warnings)


def test_refusals_name_what_would_fit() -> None:
    with pytest.raises(DoesNotFitError) as refusal:
        plan(hardware="rtx-3090", model="llama-3.3-70b-instruct", quantization="bf16")
    said = "\n".join(refusal.value.lines())
    assert "GiB short" in said
    assert "--hardware rtx-3090:" in said or "--model" in said
    assert refusal.value.refused is not None
    assert not refusal.value.refused.fits
    assert refusal.value.refused.shortfall_gib > 0


@pytest.mark.parametrize(
    ("text", "name", "count"),
    [
        ("h100", "h100", 1),
        ("2x4090", "4090", 2),
        ("2 x rtx-4090", "rtx-4090", 2),
        ("8xH100", "h100", 8),
        ("h100:8", "h100", 8),
        (" 4090:2 ", "4090", 2),
        ("10x4090", "4090", 10),
        ("apple-m3-16gb", "apple-m3-16gb", 1),
        ("rtx-4060-ti-16gb:2", "rtx-4060-ti-16gb", 2),
    ],
)
def test_hardware_words(text: str, name: str, count: int) -> None:
    asked = split_count(text)
    assert (asked.name, asked.count) == (name, count)


@pytest.mark.parametrize("text", ["2x4090:2", "0xh100", "h100:0", "2000xh100", ":4", "", "3x"])
def test_no_hardware_words(text: str) -> None:
    with pytest.raises(UsageError):
        resolve_machine(text)


@pytest.mark.parametrize(
    ("text", "identity", "devices", "visible"),
    [
        ("4090", "rtx-4090", 1, None),
        ("2x4090", "rtx-4090:2", 2, None),
        ("apple-m3-24gb", "apple-m3-24gb", 1, 24.0),
        ("H100:8", "h100:8", 8, 79.18),
    ],
)
def test_machines(text: str, identity: str, devices: int, visible: float | None) -> None:
    machine = resolve_machine(text)
    assert machine.id == identity
    assert machine.devices == devices
    assert resolve_machine(machine.id) == machine, "the id must name the same machine again"
    if visible:
        assert machine.visible_gib == visible


def test_marketing_sizes_are_never_used() -> None:
    for name in store.names("hardware"):
        machine = resolve_machine(name)
        assert 0 < machine.usable_gib <= machine.visible_gib
        if machine.memory_kind == "discrete":
            nominal = store.index()["hardware"][name]["nominal_gib"]["value"]
            assert machine.visible_gib < nominal


def facts_of(*presets: ModelPreset, workload: str = "chat") -> Facts:
    spec = spec_from(Asked(hardware="h100", workload=workload))
    facts, _ = gather(spec, Path(), None)
    return replace(facts, models=tuple(map(ModelFacts, presets)) or facts.models)


def measured(name: str, value: float | None, scale: str = "one", billions: int = 8) -> ModelPreset:
    """A model that `auto` may take, of that quality and size."""
    quality = Quality(
        value=value, scale=scale, source="a", checked=date(2026, 1, 1), note="not measured"
    )
    size = Sourced[int](value=billions * 10**9, source="a", checked=date(2026, 1, 1))
    return store.load("models", "qwen3-8b", ModelPreset).model_copy(
        update={"id": name, "quality": quality, "params_total": size}
    )


def ordered(*presets: ModelPreset) -> list[str]:
    return [m.preset.id for m in model_order(facts_of(*presets))]


@pytest.mark.parametrize(
    ("presets", "expected"),
    [
        ([measured("old-72b", 9.4, billions=72), measured("new-27b", 37.7)], "new-27b old-72b"),
        ([measured("a", 5.0), measured("b", 5.0, billions=9)], "b a"),
        ([measured("a", 5.0), measured("b", 5.0)], "b a"),
        ([measured("poor", 0.5), measured("unmeasured", None, billions=900)], "poor unmeasured"),
        ([measured("a", None, billions=1), measured("b", None, billions=2)], "b a"),
        (
            [measured("a", 1.0), measured("b", 2.0), measured("other-scale", 99.0, "two")],
            "b a other-scale",
        ),
        ([measured("a", None, "two"), measured("b", 1.0), measured("c", None, "two")], "b c a"),
    ],
    ids=["quality", "size", "name", "unmeasured", "none", "two scales", "values, not scales"],
)
def test_models_are_ranked_by_quality(presets: list[ModelPreset], expected: str) -> None:
    for mixed in permutations(presets):
        assert " ".join(ordered(*mixed)) == expected


def test_a_preset_without_the_field_ranks_as_unmeasured() -> None:
    bare = measured("bare", None, billions=900).model_copy(update={"quality": None})
    assert ordered(bare, measured("poor", 0.5)) == ["poor", "bare"]


def test_auto_ranks_only_what_it_may_take() -> None:
    gated = Sourced[bool](value=True, source="a", checked=date(2026, 1, 1))
    shut = measured("shut", 99.0).model_copy(update={"gated": gated})
    assert ordered(shut, measured("open", 1.0)) == ["open"]
    for model in model_order(facts_of(workload="embed")):
        assert model.preset.task == "embed"


def test_a_named_model_is_not_ranked() -> None:
    facts = replace(facts_of(measured("a", 1.0), measured("b", 2.0)), auto_model=False)
    assert [m.preset.id for m in model_order(facts)] == ["a", "b"]


def test_presets_of_a_task_are_on_one_scale_and_most_have_a_value() -> None:
    for task in ("generate", "embed", "rerank"):
        presets = [p for p in store.models() if p.task == task]
        found = [p.quality for p in presets if p.quality]
        assert len({quality.scale for quality in found}) == 1
        assert len(found) == len(presets)
        open_to_all = [p for p in presets if p.license.value and p.gated.value is False]
        measured = [p for p in open_to_all if p.quality and p.quality.value is not None]
        assert len(measured) * 3 >= 2 * len(open_to_all)


def test_generations_of_one_size_are_in_the_order_that_people_expect() -> None:
    ranked = [m.preset.id for m in model_order(facts_of())]
    for better, worse in (
        ("qwen3.6-27b", "qwen3.5-27b"),
        ("qwen3.5-27b", "qwen3-32b"),
        ("qwen3-32b", "qwen2.5-32b-instruct"),
        ("qwen3.6-27b", "qwen2.5-72b-instruct"),
        ("gpt-oss-120b", "gpt-oss-20b"),
        ("qwen3-8b", "qwen3-1.7b"),
    ):
        assert ranked.index(better) < ranked.index(worse)
