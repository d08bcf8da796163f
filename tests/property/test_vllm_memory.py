"""What must hold of vLLM's memory for every model, card, version and setting."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from infra_gen.knowledge import store
from infra_gen.knowledge.machines import resolve_machine
from infra_gen.model.llm import ModelPreset
from infra_gen.model.machine import Machine
from infra_gen.model.plan import Memory
from infra_gen.plan.memory import Shape
from infra_gen.plan.sizing import vllm_memory, vllm_memory_settings
from infra_gen.plan.weights import computed_bytes

CALIBRATION = store.calibration()
MODELS = tuple(model for model in store.models() if model.task == "generate")
CARDS = tuple(resolve_machine(name) for name in ("4090", "a100-40gb", "l40s", "h100", "b200"))
VERSIONS = ("0.8.5", "0.10.2", "0.12.0", "0.17.0", "0.20.0", "0.25.0", "0.33.0")
# Slow machines and rare shapes are no failure of what is tried.
FEW = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


@st.composite
def asks(draw: st.DrawFn) -> tuple[Machine, ModelPreset, Shape]:
    """A model on a card, in weights that every card could hold a part of."""
    model = draw(st.sampled_from(MODELS))
    shape = Shape(
        weight_bytes=computed_bytes(model, "bf16"),
        tensor=draw(st.sampled_from((1, 2, 4))),
        layer_split=1,
        context=draw(st.sampled_from((512, 4096, 32_768))),
        max_num_seqs=draw(st.sampled_from((8, 64, 256, 1024))),
        max_num_batched_tokens=draw(st.sampled_from((2048, 8192))),
        kv_dtype="auto",
        version=draw(st.sampled_from(VERSIONS)),
        eager=draw(st.booleans()),
    )
    return draw(st.sampled_from(CARDS)), model, shape


def memory(machine: Machine, model: ModelPreset, shape: Shape) -> Memory:
    return vllm_memory.vllm_memory(machine, model.architecture, shape, CALIBRATION)


def own(shape: Shape, **flags: str | int | float | bool) -> Shape:
    named = {name.replace("_", "-"): value for name, value in flags.items()}
    read = vllm_memory_settings.settings(named)
    assert read.names == named.keys()
    return replace(shape, own=read)


@FEW
@given(asks(), st.floats(1, 200))
def test_more_memory_never_holds_fewer_tokens(
    ask: tuple[Machine, ModelPreset, Shape], more: float
) -> None:
    machine, model, shape = ask
    larger = replace(
        machine, visible_gib=machine.visible_gib + more, usable_gib=machine.usable_gib + more
    )
    shape = replace(shape, fraction=0.9)
    less = memory(machine, model, shape).kv_cache_tokens
    assert memory(larger, model, shape).kv_cache_tokens >= less


@FEW
@given(asks(), st.floats(0.1, 0.99), st.floats(0.1, 0.99))
def test_a_larger_share_never_holds_fewer_tokens(
    ask: tuple[Machine, ModelPreset, Shape], one: float, other: float
) -> None:
    machine, model, shape = ask
    small, large = sorted((one, other))
    less = memory(machine, model, replace(shape, fraction=small)).kv_cache_tokens
    assert memory(machine, model, replace(shape, fraction=large)).kv_cache_tokens >= less


@FEW
@given(asks())
def test_an_fp8_cache_never_holds_fewer_tokens(ask: tuple[Machine, ModelPreset, Shape]) -> None:
    machine, model, shape = ask
    plain = memory(machine, model, shape)
    assert memory(machine, model, replace(shape, kv_dtype="fp8")).kv_cache_tokens >= (
        plain.kv_cache_tokens
    )


@FEW
@given(asks())
def test_more_devices_hold_more_while_heads_divide(
    ask: tuple[Machine, ModelPreset, Shape],
) -> None:
    machine, model, shape = ask
    arch = model.architecture
    heads = min(group.kv_heads or arch.kv_heads for group in arch.layer_groups)
    assume(not arch.mla and heads % (2 * shape.tensor) == 0)
    fewer = memory(machine, model, shape)
    assume(fewer.kv_cache_gib > 2)
    more = memory(machine, model, replace(shape, tensor=2 * shape.tensor))
    assert more.kv_cache_tokens >= fewer.kv_cache_tokens
    assert more.weights_gib <= fewer.weights_gib


@FEW
@given(asks())
def test_longer_contexts_never_run_more_at_once(ask: tuple[Machine, ModelPreset, Shape]) -> None:
    machine, model, shape = ask
    longer = replace(shape, context=2 * shape.context)
    short = memory(machine, model, shape).max_concurrency_at_context
    assert memory(machine, model, longer).max_concurrency_at_context <= short


@FEW
@given(asks(), st.sampled_from((2, 3, 4)))
def test_a_pipeline_never_needs_more_of_a_device(
    ask: tuple[Machine, ModelPreset, Shape], stages: int
) -> None:
    machine, model, shape = ask
    one = memory(machine, model, shape)
    several = memory(machine, model, replace(shape, pipeline=stages))
    assert several.weights_gib <= one.weights_gib + 1e-6
    assert several.kv_bytes_per_token <= one.kv_bytes_per_token


@FEW
@given(asks(), st.sampled_from((1, 2, 4)))
def test_what_is_added_never_leaves_more(
    ask: tuple[Machine, ModelPreset, Shape], tokens: int
) -> None:
    machine, model, shape = ask
    plain = memory(machine, model, shape)
    guess = f'{{"method": "mtp", "num_speculative_tokens": {tokens}}}'
    for flags in (
        {"speculative_config": guess},
        {"enable_lora": True, "max_loras": tokens},
    ):
        found = memory(machine, model, own(shape, **flags))
        assert found.kv_cache_gib <= plain.kv_cache_gib
        assert found.weights_gib >= plain.weights_gib
    spared = memory(machine, model, own(shape, cpu_offload_gb=tokens))
    assert spared.kv_cache_gib >= plain.kv_cache_gib
    assert spared.host_needed_gib > plain.host_needed_gib


@FEW
@given(asks(), st.integers(1, 40))
def test_a_cache_of_fixed_size_is_that_size(
    ask: tuple[Machine, ModelPreset, Shape], gib: int
) -> None:
    machine, model, shape = ask
    fixed = own(shape, kv_cache_memory_bytes=f"{gib}G")
    found = memory(machine, model, fixed)
    assert found.kv_cache_gib == gib
    assert memory(machine, model, replace(fixed, fraction=0.3)).kv_cache_gib == gib
