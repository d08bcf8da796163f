"""What `--set` of parallelism, cache and speculation does to the speeds of a plan."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.test_plan_speed import model

from infra_gen import api
from infra_gen.cli.options import Asked, spec_from
from infra_gen.knowledge import store
from infra_gen.knowledge.machines import resolve_machine
from infra_gen.model.plan import Plan, Point
from infra_gen.plan.speed.serving import Engine

MINIMAX = "MiniMaxAI/MiniMax-M2.5"


def asked(hardware: str, word: str, point: tuple[int, int, int], *flags: str) -> tuple[Plan, Point]:
    """The plan and its answer at one point, as the command line would give them."""
    spec = spec_from(Asked(
        hardware=hardware, model=word, engine="vllm", engine_version="0.19.0", set_args=flags,
    ))  # fmt: skip
    plan, facts = api.plan(spec, Path())
    return plan, api.predict(plan, facts, (point,))[0]


def tpot(point: Point) -> float:
    assert point.tpot_ms is not None
    return point.tpot_ms


def ttft(point: Point) -> float:
    assert point.ttft_ms is not None
    return point.ttft_ms


def test_groups_that_share_experts_are_as_fast_as_tensor_parallelism() -> None:
    """As many requests in all on as many devices: public runs differ by a few per cent."""
    shared, both = asked(
        "b200:2", MINIMAX, (32, 1024, 1024), "tensor-parallel-size=1", "data-parallel-size=2",
        "enable-expert-parallel=true",
    )  # fmt: skip
    _, one = asked("b200:2", MINIMAX, (64, 1024, 1024), "tensor-parallel-size=2")
    assert shared.parallelism.data == 2
    assert tpot(both) == pytest.approx(tpot(one), rel=0.15)


def test_a_pipeline_is_slower_for_one_request_than_tensor_parallelism() -> None:
    word = "llama-3.3-70b"
    _, stages = asked(
        "h200:4", word, (1, 1024, 256), "pipeline-parallel-size=4", "tensor-parallel-size=1"
    )
    _, tensor = asked("h200:4", word, (1, 1024, 256), "tensor-parallel-size=4")
    assert tpot(stages) > 1.5 * tpot(tensor)
    assert ttft(stages) > ttft(tensor)


def test_copies_of_a_dense_model_do_not_change_one_of_them() -> None:
    word = "llama-3.1-8b"
    _, four = asked("h100:4", word, (8, 1024, 256), "data-parallel-size=4")
    _, one = asked("h100", word, (8, 1024, 256))
    assert tpot(four) == pytest.approx(tpot(one))


def test_guesses_quicken_a_small_batch_and_widen_the_band() -> None:
    word, flag = (
        "llama-3.1-8b",
        'speculative-config={"method": "ngram", "num_speculative_tokens": 3}',
    )
    plain, without = asked("h100", word, (1, 1024, 256))
    plan, guessed = asked("h100", word, (1, 1024, 256), flag)
    assert tpot(guessed) < tpot(without)
    assert plan.performance.error_band > plain.performance.error_band + 0.2
    assert any("guessed ahead" in said for said in plan.warnings)
    assert not any("guessed ahead" in said for said in plain.warnings)


def test_guesses_gain_less_in_a_large_batch() -> None:
    h100 = resolve_machine("h100")

    def gain(batch: int) -> float:
        plain = model("llama-3.1-8b-instruct", h100).decode_step_ms(batch, 1024) or 0.0
        guess = model("llama-3.1-8b-instruct", h100, guesses=3).decode_step_ms(batch, 1024) or 1.0
        return plain / guess

    assert gain(1) > gain(64) > gain(256)


def test_an_fp8_cache_holds_more_and_is_read_faster() -> None:
    word = "llama-3.1-8b"
    _, wide = asked("h100", word, (256, 4096, 512))
    _, narrow = asked("h100", word, (256, 4096, 512), "kv-cache-dtype=fp8")
    assert ttft(narrow) < ttft(wide)
    _, wide = asked("h100", word, (32, 4096, 512))
    _, narrow = asked("h100", word, (32, 4096, 512), "kv-cache-dtype=fp8")
    assert tpot(narrow) < tpot(wide)


def test_a_checkpoint_that_asks_for_an_fp8_cache_gets_it_where_vllm_reads_that() -> None:
    def bytes_a_token(version: str) -> int:
        spec = spec_from(Asked(
            hardware="b200:4", model=MINIMAX, engine="vllm", engine_version=version,
            quantization="nvfp4",
        ))  # fmt: skip
        return api.plan(spec, Path())[0].memory.kv_bytes_per_token

    assert bytes_a_token("0.13.0") == 2 * bytes_a_token("0.14.0")


def test_every_checkpoint_names_a_cache_type_that_is_known() -> None:
    from infra_gen.plan.kv_cache import KV_ELEMENT_BYTES  # noqa: PLC0415

    for preset in store.models():
        for checkpoint in preset.checkpoints:
            if checkpoint.cache_dtype is not None:
                assert checkpoint.cache_dtype.value in KV_ELEMENT_BYTES


def test_devices_without_a_link_of_their_own_wait_longer_for_each_other() -> None:
    def step(word: str) -> float:
        found = model("llama-3.1-8b-instruct", resolve_machine(word))
        return found.decode_step_ms(1, 1024) or 0.0

    assert step("4090:4") > step("4090:2") * 0.7
    engine = model("llama-3.1-8b-instruct", resolve_machine("4090:4"))._engine
    assert isinstance(engine, Engine)
    assert engine.limits.relayed
    two = model("llama-3.1-8b-instruct", resolve_machine("4090:2"))._engine
    assert isinstance(two, Engine)
    assert not two.limits.relayed
