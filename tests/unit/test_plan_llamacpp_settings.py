"""llama-server's flags by the user: what is understood, and what it does to memory and limits."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra_gen.knowledge import store
from infra_gen.knowledge.machines import resolve_machine
from infra_gen.model.llm import Architecture, ModelPreset
from infra_gen.model.plan import Limits, Parallelism, Placement
from infra_gen.plan.sizing import llamacpp_cache as caching
from infra_gen.plan.sizing import llamacpp_memory, ollama_settings
from infra_gen.plan.sizing.llamacpp_layout import Layout
from infra_gen.plan.sizing.llamacpp_settings import LlamaSettings, settings

LIMITS = Limits(5120, 8, 2048, None, "f16", ubatch=512)
MIB = 2**20


def arch(name: str) -> Architecture:
    return store.load("models", name, ModelPreset).architecture


LLAMA, GEMMA = arch("llama-3.1-8b-instruct"), arch("gemma-3-12b-it")


class TestLimits:
    def test_total_context_is_divided_among_slots(self) -> None:
        own = settings({"--ctx-size": "16384", "-np": 4})
        found = own.on(LIMITS)
        assert (found.context, found.max_num_seqs) == (4096, 4)
        assert own.fixed_requests

    def test_a_total_alone_takes_as_many_slots_as_hold_a_planned_request(self) -> None:
        assert settings({"-c": 16_384}).on(LIMITS).max_num_seqs == 3
        assert settings({"-c": 100}).on(LIMITS).max_num_seqs == 1

    def test_a_shared_cache_gives_each_slot_all_of_it(self) -> None:
        found = settings({"--ctx-size": 16384, "--parallel": 4, "--kv-unified": True}).on(LIMITS)
        assert (found.context, found.max_num_seqs) == (16_384, 4)

    def test_four_slots_share_a_cache_when_llama_server_chooses(self) -> None:
        own = settings({"--parallel": "-1"})
        assert (own.slots, own.layout.unified) == (4, True)

    def test_a_slot_may_be_capped(self) -> None:
        own = settings({"--kv-unified": True, "--ctx-size": 16_384, "--kv-unified-per-slot": 6000})
        assert own.on(LIMITS).context == 6000

    def test_a_micro_batch_is_never_more_than_a_batch(self) -> None:
        found = settings({"-b": 256, "-ub": 1024}).on(LIMITS)
        assert (found.max_num_batched_tokens, found.ubatch, found.step_tokens) == (256, 256, 256)

    @pytest.mark.parametrize(
        ("args", "placement"),
        [
            ({"-ngl": "all"}, Placement()),
            ({"--n-gpu-layers": "-1"}, Placement()),
            ({"--gpu-layers": 20}, Placement(gpu_layers=20)),
            ({"-ncmoe": 12}, Placement(cpu_moe_layers=12)),
        ],
    )
    def test_layers(self, args: dict[str, Any], placement: Placement) -> None:
        own = settings(args)
        assert own.on(LIMITS).placement == placement
        assert own.placed

    def test_every_expert(self) -> None:
        assert settings({"--cpu-moe": True}).on(LIMITS).placement.cpu_moe_layers > 1000

    def test_a_locked_choice_is_read_the_same_again(self) -> None:
        for args in ({"-c": 16_384, "-np": 3}, {"-c": 16_384}, {"-c": 9000, "-kvu": True}):
            own = settings(args)
            once = own.on(LIMITS)
            assert own.on(once) == once

    def test_one_device_where_layers_are_not_split(self) -> None:
        split = Parallelism(layer_split=4)
        machine = resolve_machine("4x3090")
        arch = store.load("models", "qwen3-8b", ModelPreset).architecture
        assert settings({"-sm": "none"}).on_split(split, machine, arch)[0].layer_split == 1
        assert settings({"-sm": "layer"}).on_split(split, machine, arch) == (split, None)


class TestReading:
    @pytest.mark.parametrize("value", ["", "many", "-5", "1e3", "nan", 0.5])
    def test_what_llama_server_would_not_read_is_left_alone(self, value: object) -> None:
        flags = ("--ctx-size", "--parallel", "--ubatch-size", "--cache-type-k", "--tensor-split")
        assert settings(dict.fromkeys(flags[:4], value)) == LlamaSettings()  # type: ignore[arg-type]
        assert settings({"--flash-attn": "perhaps", "--split-mode": "diagonal"}).layout == Layout()

    @pytest.mark.parametrize("value", ["0,0", "a,b", "-1,2", "nan", "inf,1", ""])
    def test_shares_of_devices(self, value: str) -> None:
        assert settings({"--tensor-split": value}).layout.tensor_split == ()

    def test_what_is_not_counted_is_said(self) -> None:
        own = settings({"--override-tensor": "exps=CPU", "--mmproj": "x.gguf", "-sm": "tensor"})
        assert len(own.warnings) == 3

    def test_other_flags_are_nobodys(self) -> None:
        assert settings({"--temp": "0.2", "--max-num-seqs": 4}) == LlamaSettings()

    @given(st.dictionaries(st.text(max_size=12), st.one_of(st.text(max_size=9), st.integers())))
    def test_any_words_are_survived(self, args: dict[str, Any]) -> None:
        settings(args).on(LIMITS)


class TestCache:
    @pytest.mark.parametrize(
        ("window", "context", "cells"),
        [
            (2048, 32_768, 2560),  # window and one micro-batch, as llama.cpp prints it
            (128, 32_768, 768),
            (1024, 32_768, 1536),
            (1024, 1000, 1024),  # never more than the padded context
        ],
    )
    def test_windows(self, window: int, context: int, cells: int) -> None:
        assert caching.cells_of(context, 1, Layout()).windowed(window, 512) == cells

    @pytest.mark.parametrize(("context", "cells"), [(5000, 5120), (5120, 5120), (1, 256)])
    def test_padding(self, context: int, cells: int) -> None:
        assert caching.cells_of(context, 1, Layout()) == caching.Cells(cells, 1, 1)
        assert caching.cells_of(context, 3, Layout()).cells == cells

    def test_a_total_is_divided_and_padded(self) -> None:
        own = Layout(total_context=10_000)
        assert caching.cells_of(1, 3, own) == caching.Cells(3584, 3, 3)  # 10240 / 3, padded

    def test_keys_and_values_may_differ(self) -> None:
        both = caching.cache_bytes(
            LLAMA, 8192, 1, "q8_0", ubatch=512, layout=Layout(cache_v="q4_0")
        )
        plain = caching.cache_bytes(LLAMA, 8192, 1, "f16", ubatch=512)
        assert both == pytest.approx(plain * (0.53125 + 0.28125) / 2)

    def test_a_shared_cache_keeps_a_window_for_each_sequence(self) -> None:
        alone = caching.cache_bytes(GEMMA, 8192, 4, "f16", ubatch=512)
        shared = caching.cache_bytes(GEMMA, 8192, 4, "f16", ubatch=512, layout=Layout(unified=True))
        window = next(g for g in GEMMA.layer_groups if g.window)
        token = 2 * GEMMA.kv_heads * GEMMA.head_dim * 2 * window.layers
        # 4 caches of 1536 cells against one of 4 x 1024 + 512
        assert alone - shared == (4 * 1536 - 4608) * token

    def test_whole_windows_cost_the_whole_context(self) -> None:
        whole = caching.cache_bytes(GEMMA, 8192, 1, "f16", ubatch=512, layout=Layout(swa_full=True))
        assert whole == 8192 * 2 * GEMMA.kv_heads * GEMMA.head_dim * 2 * GEMMA.layers

    def test_latents_have_no_values(self) -> None:
        deepseek = arch("deepseek-v3")
        assert caching.bytes_per_token(deepseek, "f16", Layout(cache_v="q4_0")) == 70_272


class TestScores:
    def test_without_flash_attention_scores_are_kept(self) -> None:
        lean = llamacpp_memory.compute_bytes(LLAMA, 8192, 512)
        full = llamacpp_memory.compute_bytes(LLAMA, 8192, 512, flash_attention=False)
        assert full - lean > 200 * MIB

    def test_a_larger_micro_batch_needs_more(self) -> None:
        small = llamacpp_memory.compute_bytes(LLAMA, 8192, 512)
        assert llamacpp_memory.compute_bytes(LLAMA, 8192, 1024) == 2 * small


class TestOllama:
    def test_its_variables(self) -> None:
        own = ollama_settings.settings(
            {
                "OLLAMA_CONTEXT_LENGTH": "8192",
                "OLLAMA_NUM_PARALLEL": "3",
                "OLLAMA_KV_CACHE_TYPE": "Q8_0",
                "OLLAMA_FLASH_ATTENTION": "0",
                "OLLAMA_GPU_OVERHEAD": str(2**30),
                "OLLAMA_KEEP_ALIVE": "5m",
            }
        )
        found = own.on(LIMITS)
        assert (found.context, found.max_num_seqs, found.kv_cache_dtype) == (8192, 3, "q8_0")
        assert (own.layout.flash_attention, own.overhead_gib) == (False, 1.0)
        assert len(own.names) == 5

    def test_a_word_that_is_no_boolean_means_on(self) -> None:
        assert ollama_settings.settings({"OLLAMA_FLASH_ATTENTION": "x"}).layout.flash_attention

    def test_types_that_it_does_not_have_are_left_alone(self) -> None:
        own = ollama_settings.settings({"OLLAMA_KV_CACHE_TYPE": "fp8", "OLLAMA_NUM_PARALLEL": "-1"})
        assert own == LlamaSettings()
