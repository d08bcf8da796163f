"""The speed model: each formula alone, and what real engines measured."""

from __future__ import annotations

import csv
import itertools
import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra_gen.knowledge import store
from infra_gen.knowledge.machines import resolve_machine
from infra_gen.model.calibration_speed import (
    EngineSpeed,
    Rates,
    band_of,
    names_of,
    rates,
    table_of,
)
from infra_gen.model.llm import ModelPreset
from infra_gen.model.machine import Machine
from infra_gen.plan import kv_cache, weights
from infra_gen.plan.speed import SpeedModel
from infra_gen.plan.speed.precision import compute_tflops, precision_of
from infra_gen.plan.speed.serving import Engine
from infra_gen.plan.speed.step import (
    Limits,
    Step,
    draft_s,
    exchange_s,
    fixed_s,
    joined_s,
    matrices_s,
    prompt_attention_s,
    read_s,
    step_s,
)
from infra_gen.plan.speed.work import Attention, Work, work_of
from tools.fit_speed import covered, errors
from tools.fit_speed_rows import Row, predicted_ms, rows_of

CALIBRATION = store.calibration()
H100 = resolve_machine("h100")
FOLDER = Path(__file__).parents[1] / "measurements" / "speed"

PLAIN = Rates(
    weights=1.0, experts=1.0, matrices=1.0, expert_matrices=1.0, cache=1.0, attention=1.0,
    step_us=0.0, layer_us=0.0, expert_layer_us=0.0, state_layer_us=0.0, sequence_us=0.0,
    stream_us=0.0, launch_us=0.0, link_us=0.0, link_share=1.0, read_gb_s=None, sharpness=1.0,
    expert_sharpness=1.0, coverage=1.0, arrival_ms=0.0, burst=0.0, acceptance=0.5,
    relay_us=0.0, acceptance_spread=0.1, graph_tokens=512, band=0.1, measured=True,
)  # fmt: skip
LIMITS = Limits(bandwidth=1e12, compute=1e15, attention_compute=1e15, link=1e11, ranks=1)
FULL = Attention(layers=2, window=None, cache_bytes=1000.0, flops=400.0, prefill_flops=400.0)
WORK = Work(
    layers=2, expert_layers=0, state_layers=0, hidden=64, common_bytes=2e9, common_params=1e9,
    expert_bytes=0.0, expert_active=0.0, head_bytes=0.0, head_params=0.0, expert_share=0.0,
    attention=(FULL,), state_bytes=0.0,
)  # fmt: skip
EXPERTS = replace(WORK, expert_layers=2, expert_bytes=8e9, expert_active=1e9, expert_share=0.25)


def preset(name: str) -> ModelPreset:
    return store.load("models", name, ModelPreset)


def model(name: str, machine: Machine, quantization: str = "bf16", **more: object) -> SpeedModel:
    found = preset(name)
    groups = kv_cache.cache_groups(found.architecture, machine.devices, "auto")
    asked: dict[str, object] = {
        "machine": machine,
        "engine": "vllm",
        "devices": machine.devices,
        "tensor": True,
        "weight_bytes": weights.computed_bytes(found, quantization),
        "params_total": found.params_total.value or 0,
        "params_active": found.params_active.value or 0,
        "arch": found.architecture,
        "kv_bytes_per_token": kv_cache.bytes_per_token(groups) * machine.devices,
        "calibration": CALIBRATION,
        "quantization": quantization,
        "batched_tokens": 8192,
        "version": "0.25.0",
    }
    return SpeedModel(**(asked | more))  # type: ignore[arg-type]


class TestFormulas:
    def test_two_times_are_joined_between_the_larger_and_the_sum(self) -> None:
        assert joined_s(2.0, 1.0, 1.0) == 3.0
        assert joined_s(2.0, 1.0, 50.0) == pytest.approx(2.0)
        assert joined_s(3.0, 4.0, 2.0) == pytest.approx(5.0)
        assert joined_s(0.0, 4.0, 2.0) == 4.0

    def test_matrices_read_bytes_and_multiply(self) -> None:
        # 2e9 bytes at 1e12 B/s and 2 x 1e9 x 10 operations at 1e15 a second, added
        assert matrices_s(WORK, LIMITS, PLAIN, 10, 0) == pytest.approx(0.002 + 2e-5)

    def test_a_slow_reader_is_bound_by_itself(self) -> None:
        slow = replace(PLAIN, read_gb_s=500.0, sharpness=50.0)
        assert read_s(1e9, 1.0, LIMITS, slow) == pytest.approx(0.002)

    def test_experts_touched_follow_the_batch(self) -> None:
        assert EXPERTS.experts_touched(1, 1.0) == pytest.approx(0.25)
        assert EXPERTS.experts_touched(2, 1.0) == pytest.approx(1 - 0.75**2)
        assert EXPERTS.experts_touched(4, 0.5) == pytest.approx(1 - 0.75**2)
        assert WORK.experts_touched(8, 1.0) == 0.0

    def test_cache_is_read_for_every_sequence(self) -> None:
        quiet = replace(PLAIN, sharpness=50.0)
        one = step_s(WORK, LIMITS, quiet, Step(1, 1000)) - matrices_s(WORK, LIMITS, quiet, 1, 1)
        assert one == pytest.approx(1000 * 1000 / 1e12, rel=1e-3)

    def test_a_window_caps_what_is_read_and_compared(self) -> None:
        window = replace(FULL, window=100)
        assert (window.seen(50), window.seen(1000)) == (50, 100)
        assert window.seen_by_all(100) == 5000
        assert window.seen_by_all(300) == 5000 + 200 * 100
        assert FULL.seen_by_all(300) == 45000

    def test_attention_of_a_prompt_grows_with_its_square(self) -> None:
        short = prompt_attention_s(WORK, LIMITS, PLAIN, 1000)
        assert prompt_attention_s(WORK, LIMITS, PLAIN, 2000) == pytest.approx(4 * short)

    def test_exchange_is_nothing_alone_and_latency_when_small(self) -> None:
        latent = replace(PLAIN, link_us=10.0)
        assert exchange_s(WORK, LIMITS, latent, 8) == 0.0
        two = exchange_s(WORK, replace(LIMITS, ranks=2), latent, 8)
        # 2 layers, 2 all-reduces each, 2 x (2 - 1) / 2 = 1 of (10 us + 8 x 64 x 2 bytes / 1e11)
        assert two == pytest.approx(4 * (10e-6 + 1024 / 1e11))
        assert exchange_s(WORK, replace(LIMITS, ranks=8), latent, 8) == pytest.approx(1.75 * two)

    def test_exchange_through_the_host_takes_longer_to_begin(self) -> None:
        rates_ = replace(PLAIN, link_us=10.0, relay_us=30.0)
        four = replace(LIMITS, ranks=4)
        more = exchange_s(WORK, replace(four, relayed=True), rates_, 8)
        assert more - exchange_s(WORK, four, rates_, 8) == pytest.approx(4 * 1.5 * 20e-6)
        unknown = exchange_s(WORK, replace(four, link=None), rates_, 8)
        assert unknown == pytest.approx(4 * 1.5 * 30e-6)

    def test_groups_that_share_experts_exchange_all_their_tokens(self) -> None:
        latent = replace(PLAIN, link_us=10.0)
        shared = replace(EXPERTS, data=4)
        # 2 layers with experts, 2 x (4 - 1) / 4 of (10 us + 4 groups x 8 x 64 x 2 bytes / 1e11)
        assert exchange_s(shared, LIMITS, latent, 8) == pytest.approx(3 * (10e-6 + 4096 / 1e11))

    def test_groups_that_share_experts_meet_there(self) -> None:
        quiet = replace(PLAIN, expert_sharpness=50.0)
        alone = matrices_s(EXPERTS, LIMITS, quiet, 8, 0) - matrices_s(WORK, LIMITS, quiet, 8, 0)
        shared = replace(EXPERTS, data=4, expert_bytes=2e9, expert_active=0.25e9)
        met = matrices_s(shared, LIMITS, quiet, 2, 0) - matrices_s(WORK, LIMITS, quiet, 2, 0)
        assert met == pytest.approx(alone / 4)  # as many tokens in all, a quarter of the bytes

    def test_a_pipeline_works_on_parts_of_the_batch(self) -> None:
        one = Engine(WORK, LIMITS, PLAIN, 1000)
        four = replace(one, stages=4, rates=replace(PLAIN, link_us=5.0), _known={})
        passing = 3 * (5e-6 + 2 * 64 * 2 / 1e11)
        assert four.decode_s(8, 1000) == pytest.approx(one.decode_s(2, 1000) + passing)
        assert four.decode_s(1, 1000) > one.decode_s(1, 1000)
        # chunks follow each other: 4 of them through 4 stages take 7 turns of a quarter each
        turn = four.step_s(Step(0, 0, 1000, 1000, 1)) / 4
        assert four.prefill_s(4, 1000) == pytest.approx(7 * turn)
        request = WORK.request_bytes(1000, 1000)
        assert replace(four, cache_bytes=request).running(9, 1000) == 4

    def test_guesses_are_checked_in_one_step(self) -> None:
        plain = Engine(WORK, LIMITS, PLAIN, 1000)
        guessing = replace(plain, guesses=2, _known={})
        assert guessing.tokens_a_step == pytest.approx(1 + 0.5 + 0.25)
        drafts = 2 * draft_s(WORK, LIMITS, PLAIN, 4)
        checked = step_s(WORK, LIMITS, PLAIN, Step(4, 1000, guesses=2))
        assert guessing.decode_s(4, 1000) == pytest.approx((checked + drafts) / 1.75)
        assert checked > step_s(WORK, LIMITS, PLAIN, Step(4, 1000))

    def test_fixed_times_add_up(self) -> None:
        fixed = replace(PLAIN, step_us=100, layer_us=10, expert_layer_us=5, sequence_us=2)
        assert fixed_s(EXPERTS, fixed, 8) == pytest.approx((100 + 20 + 10 + 16) / 1e6)

    def test_large_steps_wait_for_the_cpu(self) -> None:
        slow = replace(PLAIN, launch_us=1e6)
        assert step_s(WORK, LIMITS, slow, Step(512, 1)) < 1
        assert step_s(WORK, LIMITS, slow, Step(513, 1)) == pytest.approx(2.0)

    def test_prompts_are_read_in_chunks(self) -> None:
        engine = Engine(WORK, LIMITS, PLAIN, batched_tokens=1000)
        whole = engine.step_s(Step(0, 0, 1000, 500, 2))
        assert engine.prefill_s(4, 500) == pytest.approx(2 * whole)
        rest = engine.step_s(Step(0, 0, 500, 500, 1))
        assert engine.prefill_s(5, 500) == pytest.approx(2 * whole + rest)

    def test_a_small_cache_means_waves(self) -> None:
        request = WORK.request_bytes(1100, 1000)
        roomy = Engine(WORK, LIMITS, PLAIN, 1000, None)
        tight = Engine(WORK, LIMITS, PLAIN, 1000, 2.5 * request)
        assert tight.running(5, 1100) == 2
        assert tight.running(1, 10**9) == 1
        waves = 2 * tight.together_s(2, 1000, 100) + tight.together_s(1, 1000, 100)
        assert tight.waves_s(5, 1000, 100) == pytest.approx(waves - tight.prefill_s(5, 1000))
        assert roomy.waves_s(1, 1000, 100) == pytest.approx(99 * roomy.decode_s(1, 1050))

    def test_answers_begin_while_others_are_read(self) -> None:
        """Steps that multiply all the time have no room for a token that costs nothing."""
        quiet = replace(PLAIN, sharpness=50.0)
        engine = Engine(WORK, LIMITS, quiet, batched_tokens=1000)
        busy = replace(engine, limits=replace(LIMITS, compute=2e14), _known={})
        for each, least, most in ((engine, 0.98, 1.01), (busy, 1.01, 1.1)):
            apart = each.prefill_s(50, 1000) + 99 * each.decode_s(50, 1050)
            assert least * apart < each.together_s(50, 1000, 100) < most * apart
        whole = replace(engine, batched_tokens=None, _known={})
        assert whole.together_s(5, 1000, 100) == pytest.approx(
            whole.prefill_s(5, 1000) + 99 * whole.decode_s(5, 1050)
        )

    def test_long_answers_to_short_prompts_end(self) -> None:
        """More would write than a step has tokens for: as many write as begin."""
        engine = Engine(WORK, LIMITS, PLAIN, batched_tokens=512)
        assert 0 < engine.together_s(5000, 16, 4000) < 5000 * engine.together_s(1, 16, 4000)

    def test_waiting_requests_wait_for_running_ones(self) -> None:
        request = WORK.request_bytes(1100, 1000)
        roomy = Engine(WORK, LIMITS, PLAIN, 1000, 10 * request)
        tight = Engine(WORK, LIMITS, PLAIN, 1000, 2 * request)
        assert tight.first_token_s(4, 1000, 100) > 10 * roomy.first_token_s(4, 1000, 100)
        assert tight.per_token_s(4, 1000, 100) == pytest.approx(tight.per_token_s(2, 1000, 100))


class TestWork:
    def test_a_dense_model_reads_all_but_its_embedding(self) -> None:
        found = preset("llama-3.1-8b-instruct")
        work = work_of(found.architecture, tensor=1, weight_bytes=16.06e9,
                       cache_bytes_per_token=131072, quantization="bf16", writes=True)  # fmt: skip
        table = found.architecture.vocab_size * found.architecture.hidden_size * 2
        assert work.common_bytes + work.head_bytes == pytest.approx(16.06e9 - table, rel=1e-3)
        assert work.common_params == pytest.approx(6.98e9, rel=1e-2)

    def test_tensor_parallelism_divides_weights(self) -> None:
        found = preset("qwen3-30b-a3b")
        asked = {"weight_bytes": 61e9, "cache_bytes_per_token": 98304.0, "writes": True}
        one = work_of(found.architecture, tensor=1, quantization="bf16", **asked)  # type: ignore[arg-type]
        four = work_of(found.architecture, tensor=4, quantization="bf16", **asked)  # type: ignore[arg-type]
        assert four.expert_bytes == pytest.approx(one.expert_bytes / 4)
        assert one.expert_bytes == pytest.approx(57.98e9, rel=1e-2)
        assert one.expert_share == pytest.approx(8 / 128)

    def test_gpt_oss_keeps_attention_at_16_bits(self) -> None:
        found = preset("gpt-oss-20b")
        work = work_of(found.architecture, tensor=1, weight_bytes=13.8e9,
                       cache_bytes_per_token=49152, quantization="mxfp4", writes=True)  # fmt: skip
        assert work.expert_bytes == pytest.approx(10.2e9, rel=0.06)

    def test_precisions(self) -> None:
        old, new = resolve_machine("a100-80gb"), resolve_machine("b200")
        assert precision_of("fp8-block", H100) == "fp8"
        assert precision_of("fp8", old) == "bf16"
        assert precision_of("Q4_K_M", H100) == "Q4_K_M"
        assert compute_tflops("fp8", H100) == H100.fp8_tflops
        assert compute_tflops("awq-int4", H100) == H100.fp16_tflops
        assert compute_tflops("nvfp4", new) == 2 * (new.fp8_tflops or 0)


class TestLookUp:
    def table(self, engine: str = "vllm") -> EngineSpeed:
        found = table_of(CALIBRATION.speed, engine)
        assert found is not None
        return found

    def test_the_narrowest_name_wins(self) -> None:
        assert names_of(resolve_machine("b200")) == ("blackwell-sm10", "blackwell", "nvidia", "any")
        own = rates(self.table(), names_of(H100), "bf16")
        other = rates(self.table(), names_of(resolve_machine("rtx-4090")), "bf16")
        assert own is not None
        assert own.measured
        assert other is not None
        assert not other.measured

    def test_an_unknown_engine_or_vendor_has_no_speed(self) -> None:
        assert rates(self.table(), ("xe2-hpg", "intel", "any"), "bf16") is None
        unknown = model("llama-3.1-8b-instruct", H100, engine="another")
        point = unknown.point(1, 1000, 100)
        assert (point.ttft_ms, point.tpot_ms, point.output_tokens_per_s) == (None, None, None)
        assert unknown.decode_step_ms(1, 1000) is None
        assert unknown.residence_s(1, 1000, 100) is None
        assert unknown.error_band == 1.0

    def test_a_version_not_measured_has_a_wider_band(self) -> None:
        numbers = rates(self.table(), names_of(H100), "bf16")
        assert numbers is not None
        known = band_of(self.table(), numbers, "0.25.0")
        assert band_of(self.table(), numbers, "0.33.0") > known
        assert band_of(self.table(), numbers, None) > known

    def test_every_engine_that_is_calibrated_has_a_table(self) -> None:
        assert {table.id for table in CALIBRATION.speed} == {"vllm", "llama.cpp"}


def missed(rows: list[Row], engine: str) -> list[float]:
    table = store.load("calibration/speed", engine, EngineSpeed)
    return sorted(abs(predicted_ms(table, row, {}) / row.ms - 1) for row in rows)


class TestMeasurements:
    """Wide enough for a new fit, narrow enough to see a formula that broke."""

    @pytest.mark.parametrize(
        ("kind", "experts", "median", "most"),
        [
            ("step", False, 0.05, 0.15),
            ("step", True, 0.10, 0.15),
            ("prefill", False, 0.08, 0.30),
            ("prefill", True, 0.08, 0.20),
            ("tpot", False, 0.08, 0.35),
            ("tpot", True, 0.08, 0.40),
        ],
    )
    def test_vllm(self, kind: str, experts: bool, median: float, most: float) -> None:
        rows = [
            r
            for r in rows_of("vllm")
            if r.use == "fit" and r.kind == kind and bool(r.preset.architecture.moe) == experts
        ]
        off = missed(rows, "vllm")
        assert off[len(off) // 2] <= median
        assert off[-1] <= most

    def test_data_parallelism_which_no_constant_was_fitted_to(self) -> None:
        rows = [r for r in rows_of("vllm") if "data parallelism" in r.use and r.kind == "tpot"]
        off = missed(rows, "vllm")
        assert len(rows) > 30
        assert off[len(off) // 2] <= 0.10
        assert off[int(0.9 * len(off))] <= 0.20

    def test_bands_hold_most_of_what_was_measured(self) -> None:
        table = store.load("calibration/speed", "vllm", EngineSpeed)
        shares = covered(table, errors(table, [r for r in rows_of("vllm") if r.use == "fit"]))
        assert shares["step"] >= 0.9
        assert shares["tpot"] >= 0.85

    def test_llama_cpp_decodes(self) -> None:
        rows = [r for r in rows_of("llama.cpp") if r.use == "fit" and r.kind == "step"]
        off = missed(rows, "llama.cpp")
        assert off[len(off) // 2] <= 0.12

    def test_every_row_says_where_it_is_from(self) -> None:
        for path in FOLDER.glob("*.csv"):
            with path.open(encoding="utf-8") as lines:
                for row in csv.DictReader(lines):
                    assert row["source"], row
                    assert row["use"], row
                    assert float(row["ms"]) > 0, row


class TestMonotony:
    MODELS = (
        "llama-3.1-8b-instruct", "qwen3-30b-a3b", "gemma-3-12b-it", "deepseek-v2-lite-chat",
        "nemotron-3-nano-30b-a3b",
    )  # fmt: skip

    @settings(max_examples=60, deadline=None)
    @given(
        name=st.sampled_from(MODELS),
        batch=st.integers(1, 400),
        more=st.integers(1, 100),
        context=st.integers(1, 100_000),
    )
    def test_more_requests_at_once_never_take_less(
        self, name: str, batch: int, more: int, context: int
    ) -> None:
        found = model(name, H100, cache_bytes=20 * 2**30)
        tokens = max(1, context // 50)
        one, two = found.point(batch, tokens, 128), found.point(batch + more, tokens, 128)
        assert (two.decode_step_ms or 0) >= (one.decode_step_ms or 0) * 0.98
        assert (two.ttft_ms or 0) >= (one.ttft_ms or 0) * 0.98
        assert (two.tpot_ms or 0) >= (one.tpot_ms or 0) * 0.98

    @settings(max_examples=60, deadline=None)
    @given(
        name=st.sampled_from(MODELS),
        batch=st.integers(1, 400),
        more=st.integers(1, 100),
        context=st.integers(1, 100_000),
    )
    def test_more_work_never_takes_less(
        self, name: str, batch: int, more: int, context: int
    ) -> None:
        found = model(name, H100)
        one = found.decode_step_ms(batch, context) or 0
        assert (found.decode_step_ms(batch + more, context) or 0) >= one
        assert (found.decode_step_ms(batch, context + more) or 0) >= one
        read = found.prefill_ms(batch, 512) or 0
        assert (found.prefill_ms(batch + more, 512) or 0) >= read

    @settings(max_examples=40, deadline=None)
    @given(
        name=st.sampled_from(MODELS),
        requests=st.integers(1, 300),
        gib=st.floats(0.1, 60.0),
        more=st.floats(0.1, 60.0),
    )
    def test_more_cache_is_never_slower(
        self, name: str, requests: int, gib: float, more: float
    ) -> None:
        tight = model(name, H100, cache_bytes=gib * 2**30).point(requests, 1024, 128)
        roomy = model(name, H100, cache_bytes=(gib + more) * 2**30).point(requests, 1024, 128)
        assert (roomy.ttft_ms or 0) <= (tight.ttft_ms or math.inf) * 1.5

    def test_devices_quicken_a_step_by_less_than_their_number(self) -> None:
        steps = [
            model("llama-3.3-70b-instruct", resolve_machine(word), "fp8").decode_step_ms(8, 2048)
            or 0.0
            for word in ("h200", "h200:2", "h200:4", "h200:8")
        ]
        for one, two in itertools.pairwise(steps):
            assert one / 2 < two < one
