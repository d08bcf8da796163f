"""vLLM's memory term by term, against its sources and what it logged."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from infra_gen.knowledge import store
from infra_gen.knowledge.machines import resolve_machine
from infra_gen.model.calibration_memory import at_version, reached, tile_for
from infra_gen.model.llm import Architecture, LayerGroup, ModelPreset
from infra_gen.model.params import count_params
from infra_gen.model.plan import GIB, Limits
from infra_gen.plan import weights
from infra_gen.plan.memory import Shape
from infra_gen.plan.sizing import (
    shared_cache,
    vllm_memory,
    vllm_memory_cache,
    vllm_memory_graphs,
    vllm_memory_peak,
    vllm_memory_weights,
)
from infra_gen.plan.sizing.vllm_memory_release import Release, batch_default, release_of
from infra_gen.plan.sizing.vllm_memory_settings import Settings, settings
from infra_gen.plan.sizing.vllm_memory_stage import stages

MIB = 2**20
CALIBRATION = store.calibration()
CONSTANTS = vllm_memory.constants_of(CALIBRATION)
H100 = resolve_machine("h100")
RUNS = json.loads(
    (Path(__file__).parents[1] / "measurements/vllm/h100-0.25.0.json").read_text("utf-8")
)["rows"]


def preset(name: str) -> ModelPreset:
    return store.load("models", name, ModelPreset)


def arch(name: str) -> Architecture:
    return preset(name).architecture


LLAMA, MOE = arch("llama-3.1-8b-instruct"), arch("qwen3-30b-a3b")


def shape(**changed: object) -> Shape:
    plain = Shape(16 * GIB, 1, 1, 16_384, 256, 8192, "auto", version="0.25.0")
    return replace(plain, **changed)  # type: ignore[arg-type]


def release(model: Architecture = LLAMA, **changed: object) -> Release:
    return release_of(CONSTANTS, model, shape(**changed))


class TestVersions:
    @pytest.mark.parametrize(
        ("version", "fraction"),
        [("0.8.5", 0.9), ("0.19.1", 0.9), ("0.20.0", 0.92), ("0.33.0", 0.92), (None, 0.92)],
    )
    def test_default_fraction(self, version: str | None, fraction: float) -> None:
        assert vllm_memory.fraction(H100, CONSTANTS, version) == fraction

    def test_fraction_leaves_what_is_held_already(self) -> None:
        half = replace(H100, usable_gib=H100.visible_gib / 2)
        assert vllm_memory.fraction(half, CONSTANTS, "0.25.0") < 0.5

    @pytest.mark.parametrize(
        ("version", "machine", "expected"),
        [
            ("0.8.5", "a100-80gb", (1024, 8192)),
            ("0.9.2", "a100-80gb", (256, 2048)),
            ("0.25.0", "h100", (1024, 8192)),
            ("0.25.0", "b200", (1024, 8192)),
            ("0.33.0", "b200", (1024, 16_384)),
            ("0.25.0", "gb10", (1024, 8192)),
            ("0.33.0", "gb10", (256, 2048)),
            ("0.33.0", "l4", (256, 2048)),
        ],
    )
    def test_batch_defaults(self, version: str, machine: str, expected: tuple[int, int]) -> None:
        found = batch_default(CONSTANTS, version, resolve_machine(machine))
        assert (found.max_num_seqs, found.max_num_batched_tokens) == expected

    @pytest.mark.parametrize(
        ("version", "model", "quantization", "second"),
        [
            ("0.21.0", "qwen3-8b", "bf16", False),
            ("0.22.0", "qwen3-8b", "bf16", True),
            ("0.22.0", "qwen3-8b", "fp8", False),
            ("0.22.0", "llama-3.1-8b-instruct", "bf16", False),
            ("0.24.0", "llama-3.1-8b-instruct", "fp8", True),
            ("0.25.0", "deepseek-v2-lite-chat", "bf16", True),
            ("0.25.0", "qwen3-30b-a3b", "bf16", False),
            ("0.25.0", "nemotron-3-nano-30b-a3b", "bf16", False),
            ("0.29.0", "qwen3-30b-a3b", "bf16", True),
        ],
    )
    def test_second_runner(self, version: str, model: str, quantization: str, second: bool) -> None:
        found = release_of(
            CONSTANTS, arch(model), shape(version=version, quantization=quantization)
        )
        assert found.second is second

    @pytest.mark.parametrize(
        ("version", "model", "budgeted"),
        [
            ("0.19.1", "qwen3-30b-a3b", False),
            ("0.25.0", "qwen3-30b-a3b", True),
            ("0.25.0", "qwen3-8b", False),
            ("0.29.0", "qwen3-8b", True),
        ],
    )
    def test_graphs_in_the_budget(self, version: str, model: str, budgeted: bool) -> None:
        assert release_of(CONSTANTS, arch(model), shape(version=version)).budgeted is budgeted

    def test_rows_hold_from_their_version_on(self) -> None:
        assert at_version(CONSTANTS.near_layer_counts, "0.11.2").value == 1.0
        assert at_version(CONSTANTS.near_layer_counts, "0.17.1").value == 1.25
        assert at_version(CONSTANTS.near_layer_counts, None).value == 1.5
        assert not reached(CONSTANTS.fused_sampler_since, "0.17.0rc1")
        assert reached(CONSTANTS.fused_sampler_since, "0.17.0")

    def test_old_versions_count_the_drivers_context(self) -> None:
        old, new = shape(version="0.9.0"), shape(version="0.9.1")
        more = vllm_memory.outside_torch(H100, old, CONSTANTS)
        less = vllm_memory.outside_torch(H100, new, CONSTANTS)
        assert 0.5 < more - less == pytest.approx(vllm_memory.driver_context(H100, CONSTANTS))

    @pytest.mark.parametrize(
        ("machine", "tensor", "gib"),
        [("h100:8", 1, 0.24), ("h100:8", 2, 0.6), ("h100:8", 8, 1.8), ("a100-80gb:8", 8, 0.6),
         ("4090:4", 4, 0.6), ("gb10", 1, 2.4)],
    )  # fmt: skip
    def test_what_the_process_holds_outside(self, machine: str, tensor: int, gib: float) -> None:
        found = vllm_memory.outside_torch(resolve_machine(machine), shape(tensor=tensor), CONSTANTS)
        assert found == gib


class TestPeak:
    """MiB in the comments are the terms of the formula."""

    def test_sampler_of_the_second_runner(self) -> None:
        found = vllm_memory_peak.sampler(LLAMA, shape(), release(), CONSTANTS)
        assert found == 256 * 128_256 * 6 + 8192 * 4096 * 2

    def test_sampler_that_sorts(self) -> None:
        old = shape(version="0.11.0", max_num_seqs=1024)
        found = vllm_memory_peak.sampler(LLAMA, old, release(version="0.11.0"), CONSTANTS)
        assert found / GIB == pytest.approx(4.8, abs=0.1)  # H100 defaults: 4.76 to 4.84 GiB logged

    def test_fused_sampler_and_kept_workspace(self) -> None:
        small = shape(max_num_seqs=256)
        found = vllm_memory_peak.sampler(MOE, small, release(MOE), CONSTANTS)
        rows = 256 * 151_936 * 14 + 132 * 151_936 * 4
        workspace = 8192 * 8 * (2048 + 2048) * 2
        assert found == rows + workspace + 8192 * 2048 * 2

    def test_workspace_of_experts_without_a_gate(self) -> None:
        nemotron = arch("nemotron-3-nano-30b-a3b")
        assert (
            vllm_memory_peak.workspace(nemotron, shape(), release()) == 8192 * 6 * (2688 + 2688) * 2
        )
        assert vllm_memory_peak.workspace(LLAMA, shape(), release()) == 0

    def test_compiler_times_a_copy_of_the_embedding(self) -> None:
        found = vllm_memory_peak.compiler(LLAMA, shape(), release())
        assert found / MIB == 1002 + 128
        assert vllm_memory_peak.compiler(LLAMA, shape(), release(eager=True)) == 0
        quantized = shape(quantization="fp8")
        assert vllm_memory_peak.compiler(LLAMA, quantized, release()) / MIB == 1002 + 160

    def test_latent_attention_projects_cached_tokens_up(self) -> None:
        lite = arch("deepseek-v2-lite-chat")
        few = {"max_num_batched_tokens": 64, "max_num_seqs": 64}
        long, short = shape(context=32_768, **few), shape(context=1024, **few)
        up = 16 * (128 + 128) * 2  # bytes a token
        found = vllm_memory_peak.forward(lite, long, release(lite))
        less = vllm_memory_peak.forward(lite, short, release(lite))
        assert found - less == (65_536 - 8 * 1024) * up

    @pytest.mark.parametrize(
        "run", [r for r in RUNS if "activation_gib" in r], ids=lambda r: r["run"]
    )
    def test_measured_peaks(self, run: dict[str, object]) -> None:
        given: dict[str, object] = run["settings"]  # type: ignore[assignment]
        asked = shape(
            context=given["max-model-len"],
            max_num_seqs=given["max-num-seqs"],
            max_num_batched_tokens=given["max-num-batched-tokens"],
            quantization=given.get("quantization", "mxfp4" if "oss" in str(run["run"]) else "bf16"),
        )
        model = arch(str(run["preset"]))
        found = release_of(CONSTANTS, model, asked)
        assert found.second is (run["runner"] == "v2")
        (whole,) = stages(model.layers, 1)
        peak = vllm_memory_peak.peak(model, asked, found, CONSTANTS, whole) / GIB
        assert peak == pytest.approx(run["activation_gib"], rel=0.08)


class TestGraphs:
    def test_sizes(self) -> None:
        assert len(vllm_memory_graphs.capture_sizes(512, light=True)) == 51
        assert len(vllm_memory_graphs.capture_sizes(256, light=True)) == 35
        assert len(vllm_memory_graphs.capture_sizes(512, light=False)) == 67
        assert vllm_memory_graphs.capture_sizes(3, light=True) == [1, 2]

    @pytest.mark.parametrize(("seqs", "reported"), [(256, 0.49), (1024, 0.64)])
    def test_estimate(self, seqs: int, reported: float) -> None:
        found = vllm_memory_graphs.estimated(
            MOE, shape(max_num_seqs=seqs), release(MOE), CONSTANTS.graphs
        )
        assert found / GIB == pytest.approx(reported, rel=0.05)

    def test_none_without_capture(self) -> None:
        eager = shape(eager=True)
        assert vllm_memory_graphs.taken(MOE, eager, release(MOE), CONSTANTS.graphs) == 0

    def test_what_lies_outside_lessens_the_headroom(self) -> None:
        tight = shape(fraction=0.995)
        found = vllm_memory.vllm_memory(H100, LLAMA, tight, CALIBRATION)
        assert found.cuda_graph_gib > 0.5
        assert found.headroom_gib < 0
        held = vllm_memory.driver_context(H100, CONSTANTS)
        assert shared_cache.shortfall(found, tight.context) == held - found.headroom_gib
        desktop = replace(found, reserved_gib=1 - found.headroom_gib)
        assert shared_cache.shortfall(desktop, tight.context) == 0


class TestCache:
    def capacity(self, model: Architecture, kv_gib: float, **changed: object) -> float:
        asked = shape(**changed)
        found = release_of(CONSTANTS, model, asked)
        return vllm_memory_cache.capacity(model, asked, found, kv_gib).concurrency

    @pytest.mark.parametrize(
        ("model", "kv_gib", "version", "context", "reported"),
        [
            ("llama-3.1-8b-instruct", 56.51, "0.25.0", 16_384, 28.26),
            ("gemma-3-12b-it", 48.01, "0.25.0", 32_768, 9.97),
            ("gemma-3-27b-it", 109.86, "0.11.0", 4096, 50.05),
            ("gpt-oss-20b", 56.15, "0.25.0", 32_768, 59.68),
            ("nemotron-3-nano-30b-a3b", 12.07, "0.25.0", 32_768, 50.30),
            ("qwen3.6-35b-a3b", 47.55, "0.19.1", 131_072, 18.44),
            ("deepseek-v2-lite-chat", 42.18, "0.25.0", 32_768, 44.44),
        ],
    )
    def test_concurrency_that_vllm_printed(
        self, model: str, kv_gib: float, version: str, context: int, reported: float
    ) -> None:
        found = self.capacity(arch(model), kv_gib, version=version, context=context)
        assert found == pytest.approx(reported, rel=0.003)

    def test_attention_blocks_grow_to_hold_a_state(self) -> None:
        nemotron = arch("nemotron-3-nano-30b-a3b")
        group = next(g for g in nemotron.layer_groups if g.state_bytes)
        page = vllm_memory_cache.state_page(nemotron, group, shape(), wide=True)
        assert page == 64 * 64 * 128 * 4 + 3 * (4096 + 2 * 8 * 128) * 2
        assert -(-page // (16 * 1024)) * 16 == 2096  # as it logs the block size

    def test_near_layer_counts_share_a_size(self) -> None:
        groups = (
            LayerGroup(kind="full", layers=13),
            LayerGroup(kind="sliding", layers=12, window=128),
        )
        near = LLAMA.model_copy(update={"layers": 25, "layer_groups": groups})
        old = self.capacity(near, 10, version="0.11.0")
        assert self.capacity(near, 10, version="0.25.0") > old

    def test_windows_do_not_help_before_the_pool(self) -> None:
        gemma = arch("gemma-3-12b-it")
        assert self.capacity(gemma, 20, version="0.9.0") < self.capacity(gemma, 20)

    def test_a_prefix_cache_keeps_two_states(self) -> None:
        nemotron = arch("nemotron-3-nano-30b-a3b")
        one = self.capacity(nemotron, 12, prefix_cache=False)
        # 8 attention blocks of 2,096 tokens and four groups of states, of one or two blocks each.
        assert self.capacity(nemotron, 12, prefix_cache=True) == pytest.approx(one * 12 / 16)

    def test_fp8_holds_twice_as_much(self) -> None:
        assert self.capacity(LLAMA, 40, kv_dtype="fp8") == pytest.approx(
            2 * self.capacity(LLAMA, 40), rel=1e-3
        )

    def test_encoders_keep_nothing(self) -> None:
        found = vllm_memory.vllm_memory(H100, arch("bge-m3"), shape(), CALIBRATION)
        assert found.max_concurrency_at_context == 256


class TestWeights:
    @pytest.mark.parametrize(
        ("model", "quantization", "tensor", "reported"),
        [
            ("llama-3.1-8b-instruct", "bf16", 1, 14.9889),
            ("qwen3-8b", "bf16", 1, 15.2683),
            ("qwen3-0.6b", "bf16", 1, 1.12),
            ("qwen2.5-7b-instruct", "bf16", 1, 14.29),
            ("qwen3-30b-a3b", "bf16", 2, 28.4767),
            ("gpt-oss-20b", "mxfp4", 1, 13.02),
            ("gemma-3-27b-it", "bf16", 1, 51.7891),
            ("exaone-4.0-32b", "fp8", 1, 30.9891),
            ("deepseek-v3", "fp8-block", 8, 79.739),
            ("mistral-small-3.2-24b", "bf16", 1, 44.76),
            ("nemotron-3-nano-30b-a3b", "bf16", 1, 58.92),
        ],
    )
    def test_loaded_size_that_vllm_logged(
        self, model: str, quantization: str, tensor: int, reported: float
    ) -> None:
        found = preset(model)
        checkpoint = next(
            c
            for c in found.checkpoints
            if c.quantization == quantization and c.format == "safetensors"
        )
        held = weights.checkpoint_weights(found, checkpoint)
        size = vllm_memory_weights.device_bytes(
            found.architecture,
            quantization,
            weights.loaded_bytes(found, held),
            tensor=tensor,
            expert_parallel=False,
            tile=tile_for(CONSTANTS.mxfp4_tiles, "9.0"),
        )
        assert size / GIB == pytest.approx(reported, rel=0.006)

    @pytest.mark.parametrize(
        ("capability", "hidden", "width"),
        [("8.0", 3072, 2944), ("9.0", 2880, 2944), ("10.0", 3072, 3072), ("12.1", 3072, 2944),
         (None, 3072, 3072)],
    )  # fmt: skip
    def test_experts_fill_the_tiles_of_their_kernels(
        self, capability: str | None, hidden: int, width: int
    ) -> None:
        oss, size = arch("gpt-oss-20b"), 12 * GIB
        tile = tile_for(CONSTANTS.mxfp4_tiles, capability)
        same = {"tensor": 1, "expert_parallel": False}
        plain = vllm_memory_weights.device_bytes(oss, "mxfp4", size, **same)
        padded = vllm_memory_weights.device_bytes(oss, "mxfp4", size, **same, tile=tile)
        share = hidden * width / 2880**2 - 1
        assert padded - plain == pytest.approx(count_params(oss).mlp * 4.25 / 8 * share)

    def test_second_copies_and_guessing_layers_are_not_loaded(self) -> None:
        small = preset("qwen3-0.6b")
        checkpoint = next(c for c in small.checkpoints if c.quantization == "bf16")
        held = weights.checkpoint_weights(small, checkpoint)
        table = 151_936 * 1024 * 2
        assert weights.loaded_bytes(small, held) == held.bytes - table
        large = preset("qwen3.6-35b-a3b")
        held = weights.checkpoint_weights(
            large, next(c for c in large.checkpoints if c.quantization == "bf16")
        )
        assert held.bytes - weights.loaded_bytes(large, held) == large.guess_params * 2


class TestSettings:
    LIMITS = Limits(4096, 256, 2048, 0.9, "auto")

    def test_user_flags_replace_planned_numbers(self) -> None:
        own = settings(
            {
                "--max-num-seqs": "64",
                "--max_num_batched_tokens": 4096,
                "--max-model-len": "16K",
                "--gpu-memory-utilization": "0.8",
                "--kv-cache-dtype": "fp8",
                "-tp": "2",
                "--enforce-eager": True,
                "--seed": "1",
            },
        )
        assert own.on(self.LIMITS) == Limits(16_384, 64, 4096, 0.8, "fp8")
        assert (own.tensor, own.eager) == (2, True)
        assert "--seed" not in own.names
        assert len(own.names) == 7

    @pytest.mark.parametrize("value", ["0", "-2", "many", "", "1.5K", "nan"])
    def test_what_cannot_be_read_is_left_alone(self, value: str) -> None:
        own = settings({"--max-model-len": value, "--gpu-memory-utilization": value})
        assert own == Settings()

    def test_other_engines_have_other_flags(self) -> None:
        assert settings({"--ctx-size": "64"}) == Settings()
        assert Settings().on(self.LIMITS) == self.LIMITS


class TestProperties:
    MODELS = ("llama-3.1-8b-instruct", "qwen3-30b-a3b", "gemma-3-12b-it", "nemotron-3-nano-30b-a3b")
    VERSIONS = ("0.8.5", "0.11.0", "0.17.0", "0.20.0", "0.25.0", "0.33.0")

    @pytest.mark.parametrize("model", MODELS)
    @pytest.mark.parametrize("version", VERSIONS)
    def test_more_memory_never_holds_fewer_tokens(self, model: str, version: str) -> None:
        asked = shape(version=version, weight_bytes=8 * GIB)
        tokens = [
            vllm_memory.vllm_memory(
                replace(H100, visible_gib=visible, usable_gib=visible),
                arch(model),
                asked,
                CALIBRATION,
            ).kv_cache_tokens
            for visible in (16.0, 24.0, 40.0, 80.0, 141.0)
        ]
        assert tokens == sorted(tokens)

    @pytest.mark.parametrize("model", MODELS)
    @pytest.mark.parametrize("version", VERSIONS)
    @pytest.mark.parametrize("field", ["max_num_seqs", "max_num_batched_tokens"])
    def test_larger_batches_never_leave_more(self, model: str, version: str, field: str) -> None:
        left = [
            vllm_memory.vllm_memory(
                H100, arch(model), shape(version=version, **{field: value}), CALIBRATION
            ).kv_cache_gib
            for value in (8, 64, 256, 1024, 4096)
        ]
        assert left == sorted(left, reverse=True)

    @pytest.mark.parametrize("model", MODELS)
    def test_more_devices_never_hold_more_weights_each(self, model: str) -> None:
        found = [
            vllm_memory.vllm_memory(
                H100, arch(model), shape(tensor=tensor), CALIBRATION
            ).weights_gib
            for tensor in (1, 2, 4, 8)
        ]
        assert found == sorted(found, reverse=True)
