"""TGI's memory: what its warm-up leaves for the cache, and the user's own flags."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra_gen import api
from infra_gen.cli.options import Asked, spec_from
from infra_gen.knowledge import store
from infra_gen.knowledge.machines import resolve_machine
from infra_gen.model.calibration import known
from infra_gen.model.llm import Architecture, ModelPreset
from infra_gen.model.plan import GIB, Limits
from infra_gen.plan.memory import Shape
from infra_gen.plan.sizing import tgi_memory
from infra_gen.plan.sizing.tgi_settings import TgiSettings, settings

CALIBRATION = store.calibration()
MACHINE = resolve_machine("l40s")


def arch(name: str) -> Architecture:
    return store.load("models", name, ModelPreset).architecture


LLAMA = arch("llama-3.1-8b-instruct")
SHAPE = Shape(
    weight_bytes=16_060_000_000, tensor=1, layer_split=1, context=8192, max_num_seqs=32,
    max_num_batched_tokens=8192, kv_dtype="auto",
)  # fmt: skip


def test_the_parts_are_the_share_that_it_fills() -> None:
    found = tgi_memory.tgi_memory(MACHINE, LLAMA, replace(SHAPE, fraction=1.0), CALIBRATION)
    parts = found.weights_gib + found.activation_gib + found.runtime_gib + found.kv_cache_gib
    assert parts == pytest.approx(known(CALIBRATION.tgi.room) * MACHINE.visible_gib)


def test_graphs_lie_in_what_is_left() -> None:
    found = tgi_memory.tgi_memory(MACHINE, LLAMA, replace(SHAPE, fraction=1.0), CALIBRATION)
    assert found.headroom_gib > 0
    assert found.cuda_graph_gib < (1 - known(CALIBRATION.tgi.room)) * MACHINE.visible_gib


def test_tokens_are_cache_over_bytes_of_a_token() -> None:
    found = tgi_memory.tgi_memory(MACHINE, LLAMA, SHAPE, CALIBRATION)
    assert found.kv_bytes_per_token == 131_072
    tokens = found.kv_cache_gib * GIB / 131_072
    assert found.kv_cache_tokens == pytest.approx(tokens, rel=1e-4)


def test_windows_save_nothing() -> None:
    gemma = arch("gemma-3-12b-it")
    found = tgi_memory.tgi_memory(MACHINE, gemma, SHAPE, CALIBRATION)
    assert found.kv_bytes_per_token == gemma.layers * 2 * gemma.kv_heads * gemma.head_dim * 2


def test_a_large_prefill_takes_cache_and_requests_take_none() -> None:
    plain = tgi_memory.tgi_memory(MACHINE, LLAMA, SHAPE, CALIBRATION)
    large = replace(SHAPE, max_num_batched_tokens=65_536)
    many = replace(SHAPE, max_num_seqs=512)
    assert tgi_memory.tgi_memory(MACHINE, LLAMA, large, CALIBRATION).kv_cache_gib < (
        plain.kv_cache_gib - 4
    )
    assert tgi_memory.tgi_memory(MACHINE, LLAMA, many, CALIBRATION) == plain


@given(st.integers(1, 200_000), st.integers(1, 50_000))
def test_more_prefill_never_leaves_more_cache(tokens: int, more: int) -> None:
    small = replace(SHAPE, max_num_batched_tokens=tokens)
    large = replace(SHAPE, max_num_batched_tokens=tokens + more)
    least = tgi_memory.tgi_memory(MACHINE, LLAMA, large, CALIBRATION).kv_cache_gib
    assert least <= tgi_memory.tgi_memory(MACHINE, LLAMA, small, CALIBRATION).kv_cache_gib


class TestSettings:
    LIMITS = Limits(4096, 64, 4096, 0.95, "auto")

    def test_user_flags_replace_planned_numbers(self) -> None:
        own = settings(
            {
                "--max-total-tokens": "8192",
                "--max-batch-prefill-tokens": 16384,
                "--cuda-memory-fraction": "0.8",
                "--kv-cache-dtype": "fp8_e4m3fn",
                "--num-shard": 2,
                "--max-batch-size": 16,
            }
        )
        assert own.on(self.LIMITS) == Limits(8192, 16, 16_384, 0.8, "fp8_e4m3")
        assert (own.tensor, own.fixed_requests, len(own.names)) == (2, True, 6)

    def test_a_flag_that_tgi_ignores_is_said(self) -> None:
        own = settings({"--max-batch-total-tokens": 50_000})
        assert own.on(self.LIMITS) == self.LIMITS
        assert "warm-up" in own.warnings[0]

    @pytest.mark.parametrize("value", ["", "many", "-1", "0"])
    def test_what_cannot_be_read_is_left_alone(self, value: str) -> None:
        flags = ("--max-total-tokens", "--cuda-memory-fraction", "--num-shard", "--kv-cache-dtype")
        assert settings(dict.fromkeys(flags, value)) == TgiSettings()


class TestSpeed:
    def test_it_is_said_to_be_another_engines(self) -> None:
        asked = {"hardware": "h100", "model": "llama-3.1-8b-instruct"}
        own = api.plan(spec_from(Asked(engine="tgi", **asked)), Path())[0]  # type: ignore[arg-type]
        other = api.plan(spec_from(Asked(engine="vllm", **asked)), Path())[0]  # type: ignore[arg-type]
        assert own.performance.basis == "roofline"
        assert own.performance.error_band > other.performance.error_band
        assert any("planned as vllm's" in said for said in own.warnings)
