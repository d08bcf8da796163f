"""llama.cpp's memory: each part alone, and what it printed when it loaded models."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra_gen.knowledge import store
from infra_gen.knowledge.machines import resolve_machine
from infra_gen.model.llm import Architecture, ModelPreset
from infra_gen.plan.memory import Shape
from infra_gen.plan.sizing import llamacpp_cache as caching
from infra_gen.plan.sizing import llamacpp_memory as sizing
from infra_gen.plan.sizing import llamacpp_weights as weights
from tools.fit_llamacpp import FOLDER, compared

CALIBRATION = store.calibration()
MIB = 2**20
FOUND = tuple(compared(FOLDER / "memory.csv"))


def arch(name: str) -> Architecture:
    return store.load("models", name, ModelPreset).architecture


LLAMA = arch("llama-3.1-8b-instruct")
SHAPE = Shape(
    weight_bytes=4_920_000_000, tensor=1, layer_split=1, context=8192, max_num_seqs=1,
    max_num_batched_tokens=2048, kv_dtype="f16", quantization="Q4_K_M",
)  # fmt: skip


class TestPrinted:
    def off(self, part: str) -> list[float]:
        return sorted(abs(guess / real - 1) for _, name, real, guess in FOUND if name == part)

    def test_the_cache_is_exact(self) -> None:
        assert len(self.off("cache")) >= 40
        assert max(self.off("cache")) < 0.0002  # as many digits as are printed

    def test_the_total_is_within_five_percent(self) -> None:
        off = self.off("total")
        assert off[int(0.9 * len(off))] <= 0.05

    def test_weights_on_devices(self) -> None:
        assert max(self.off("weights")) < 0.02


class TestParts:
    def test_logits_are_the_floor_of_the_compute_buffer(self) -> None:
        # build 2824 printed 258.5 MiB for 512 tokens
        found = sizing.compute_bytes(LLAMA, 512, 512, flash_attention=False)
        assert found / MIB == pytest.approx(258.5, rel=0.005)

    def test_scores_come_on_top_without_flash_attention(self) -> None:
        # build 2824 printed 560 MiB for 8192 tokens
        found = sizing.compute_bytes(LLAMA, 8192, 512, flash_attention=False)
        assert found / MIB == pytest.approx(560, rel=0.02)

    def test_several_devices_hold_copies(self) -> None:
        found = sizing.compute_bytes(LLAMA, 8192, 512, flash_attention=False, pipelined=True)
        assert found / MIB == pytest.approx(640, rel=0.03)

    def test_the_table_stays_on_the_cpu_unless_it_is_tied(self) -> None:
        assert weights.table_bytes(LLAMA, "Q4_K_M") / MIB == pytest.approx(281.81, abs=0.01)
        untied = weights.device_weight_bytes(LLAMA, "Q4_K_M", 5e9)
        assert untied == pytest.approx(5e9 - 281.81 * MIB, rel=1e-6)
        tied = LLAMA.model_copy(update={"tied_embeddings": True})
        assert weights.device_weight_bytes(tied, "Q4_K_M", 5e9) == 5e9

    def test_windows_keep_a_micro_batch_more(self) -> None:
        gemma = arch("gemma-3-12b-it")
        window = next(g.window for g in gemma.layer_groups if g.window) or 0
        small = caching.cache_bytes(gemma, window + 512, 1, "f16", ubatch=512)
        grown = caching.cache_bytes(gemma, 2 * (window + 512), 1, "f16", ubatch=512)
        full = sum(g.layers for g in gemma.layer_groups if g.window is None)
        token = 2 * gemma.kv_heads * gemma.head_dim * 2
        assert grown - small == full * token * (window + 512)

    def test_states_count_once_for_a_slot(self) -> None:
        qwen = arch("qwen3.6-35b-a3b")
        assert caching.states_bytes(qwen, 1) / MIB == pytest.approx(62.81, abs=0.01)
        assert caching.states_bytes(qwen, 16) == 16 * caching.states_bytes(qwen, 1)

    def test_quantized_caches(self) -> None:
        plain = caching.cache_bytes(LLAMA, 8192, 1, "f16", ubatch=512)
        assert caching.cache_bytes(LLAMA, 8192, 1, "q8_0", ubatch=512) == pytest.approx(
            0.53125 * plain
        )
        assert caching.cache_bytes(LLAMA, 8192, 1, "q4_0", ubatch=512) == pytest.approx(
            0.28125 * plain
        )

    def test_shared_memory_holds_the_host_part_too(self) -> None:
        card, shared = resolve_machine("rtx-4090"), resolve_machine("strix-halo")
        one = sizing.llamacpp_memory(card, LLAMA, SHAPE, CALIBRATION)
        other = sizing.llamacpp_memory(shared, LLAMA, SHAPE, CALIBRATION)
        assert one.host_needed_gib > 2
        assert other.host_needed_gib == 0
        assert other.headroom_gib < shared.usable_gib - other.planned_gib


@settings(max_examples=60, deadline=None)
@given(
    context=st.integers(256, 100_000),
    slots=st.integers(1, 32),
    more=st.integers(1, 10_000),
    name=st.sampled_from(["llama-3.1-8b-instruct", "gemma-3-12b-it", "qwen3.6-35b-a3b"]),
)
def test_more_context_and_slots_never_take_less(
    context: int, slots: int, more: int, name: str
) -> None:
    card, found = resolve_machine("rtx-4090"), arch(name)
    small = replace(SHAPE, context=context, max_num_seqs=slots)
    longer, wider = replace(small, context=context + more), replace(small, max_num_seqs=slots + 1)
    least = sizing.llamacpp_memory(card, found, small, CALIBRATION).headroom_gib
    assert sizing.llamacpp_memory(card, found, longer, CALIBRATION).headroom_gib <= least
    assert sizing.llamacpp_memory(card, found, wider, CALIBRATION).headroom_gib <= least
