"""The user's own vLLM flags in the plan: what each does to a device, and what is said otherwise."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from infra_gen import api
from infra_gen.cli.options import Asked, spec_from
from infra_gen.errors import DoesNotFitError, InfraGenError
from infra_gen.knowledge import store
from infra_gen.knowledge.machines import resolve_machine
from infra_gen.model.llm import ModelPreset
from infra_gen.model.plan import GIB, Memory, Parallelism, Plan
from infra_gen.plan import weights
from infra_gen.plan.memory import Shape
from infra_gen.plan.sizing import vllm_memory, vllm_memory_adapters, vllm_memory_weights
from infra_gen.plan.sizing.vllm_flag_values import at_least_zero, mapping, share, whole
from infra_gen.plan.sizing.vllm_memory_settings import (
    Settings,
    Speculation,
    moves_memory,
    settings,
)
from infra_gen.plan.sizing.vllm_memory_stage import part_of, stages, with_guess_layer
from infra_gen.plan.sizing.vllm_split import asked_split

CALIBRATION = store.calibration()
H100, NODE = resolve_machine("h100"), resolve_machine("h200:8")
MTP = '{"method": "deepseek_mtp", "num_speculative_tokens": 2}'


def preset(name: str) -> ModelPreset:
    return store.load("models", name, ModelPreset)


LLAMA = preset("llama-3.1-8b-instruct").architecture
DEEPSEEK = preset("deepseek-v3").architecture
HYBRID = preset("nemotron-3-nano-30b-a3b").architecture


def shape(**changed: object) -> Shape:
    plain = Shape(15 * GIB, 1, 1, 16_384, 256, 8192, "auto", version="0.25.0")
    return replace(plain, **changed)  # type: ignore[arg-type]


def memory(changed: Shape, name: str = "llama-3.1-8b-instruct") -> Memory:
    return vllm_memory.vllm_memory(H100, preset(name).architecture, changed, CALIBRATION)


def own(**flags: object) -> Settings:
    return settings({key.replace("_", "-"): value for key, value in flags.items()})  # type: ignore[misc]


def plan(hardware: str, model: str, *flags: str, users: int = 1, **more: str) -> Plan:
    asked = Asked(
        hardware=hardware,
        model=model,
        engine="vllm",
        engine_version=more.pop("version", "0.25.0"),
        users=users,
        set_args=flags,
        **more,  # type: ignore[arg-type]
    )
    return api.plan(spec_from(asked), Path())[0]


class TestValues:
    @pytest.mark.parametrize(
        ("text", "number"),
        [
            ("4096", 4096), (16, 16), ("1k", 1000), ("1K", 1024), ("1.5k", 1500), ("2G", 2 * GIB),
            ("2g", 2 * 10**9), ("1T", 2**40), ("3.0", 3),
        ],
    )  # fmt: skip
    def test_numbers(self, text: str | int, number: int) -> None:
        assert whole(text) == number

    @pytest.mark.parametrize("text", ["", "0", "-1", "1.5", "1.5K", "x", "1e9", "9" * 20, True])
    def test_no_numbers(self, text: str | bool) -> None:
        assert whole(text) is None

    @pytest.mark.parametrize("text", ["-0.1", "1.01", "nan", "inf", "x", True])
    def test_no_shares(self, text: str | bool) -> None:
        assert share(text) is None

    def test_gib_may_be_none(self) -> None:
        assert at_least_zero("0") == 0
        assert at_least_zero("-1") is None

    @pytest.mark.parametrize("text", ["", "[1]", "{", "null", "7"])
    def test_no_objects(self, text: str) -> None:
        assert mapping(text) == {}


class TestSettings:
    def test_short_names_and_objects(self) -> None:
        read = settings(
            {"-pp": 2, "-dp": "4", "-dcp": 2, "-ep": True, "-sc": MTP, "--max-model-len": "auto"},
        )
        assert (read.pipeline, read.data, read.context_parallel, read.expert) == (2, 4, 2, True)
        assert read.speculation == Speculation("layers", 2)
        assert read.fit_context
        assert read.context is None
        assert len(read.names) == 6

    @pytest.mark.parametrize(
        ("flag", "value"),
        [
            ("speculative-config", '{"method": "draft_model", "num_speculative_tokens": 3}'),
            ("speculative-config", '{"method": "mtp"}'),
            ("speculative-config", "mtp"),
            ("kv-cache-dtype", "turboquant_k8v4"),
            ("dtype", "float32"),
            ("limit-mm-per-prompt", '{"image": 2}'),
            ("limit-mm-per-prompt", '{"image": 0}'),
            ("mamba-cache-mode", "all"),
            ("mamba-ssm-cache-dtype", "fp8"),
            ("kv-cache-memory-bytes", "lots"),
            ("cpu-offload-gb", "-3"),
            ("compilation-config.cudagraph_mode", "NONE"),
        ],
    )
    def test_what_is_not_counted_is_known_to_matter(self, flag: str, value: str) -> None:
        assert settings({flag: value}) == Settings()
        assert moves_memory("vllm", flag)
        assert not moves_memory("llama.cpp", flag)

    def test_flags_that_change_nothing_are_read(self) -> None:
        assert own(swap_space=4, dtype="bfloat16").names == {"swap-space", "dtype"}
        assert not moves_memory("vllm", "--seed")


class TestStages:
    @pytest.mark.parametrize(
        ("layers", "count", "sizes"),
        [(32, 2, [16, 16]), (61, 8, [7, 7, 8, 8, 8, 8, 8, 7]), (10, 4, [2, 3, 3, 2]), (7, 1, [7])],
    )
    def test_left_over_layers_avoid_the_ends(
        self, layers: int, count: int, sizes: list[int]
    ) -> None:
        found = stages(layers, count)
        assert [stage.layers for stage in found] == sizes
        assert [stage.start for stage in found] == [sum(sizes[:i]) for i in range(count)]
        assert [stage.first for stage in found] == [True] + [False] * (count - 1)
        assert [stage.last for stage in found] == [False] * (count - 1) + [True]

    @pytest.mark.parametrize("name", ["qwen3.6-35b-a3b", "gemma-3-27b-it", "deepseek-v3"])
    def test_parts_hold_every_layer_once(self, name: str) -> None:
        arch = preset(name).architecture
        parts = [part_of(arch, stage) for stage in stages(arch.layers, 3)]
        held = [sum(g.layers for part in parts for g in part.layer_groups)]
        assert held == [arch.layers]
        if arch.moe:
            dense = sum(part.moe.dense_layers for part in parts if part.moe)
            assert dense == arch.moe.dense_layers

    def test_two_stages_share_the_weights(self) -> None:
        whole_gib = memory(shape()).weights_gib
        half = memory(shape(pipeline=2))
        # The head lies with the last half of the layers, the embedding with the first.
        assert half.weights_gib == pytest.approx(whole_gib / 2, rel=0.02)
        assert half.kv_bytes_per_token * 2 == memory(shape()).kv_bytes_per_token

    def test_the_stage_with_the_fewest_blocks_decides(self) -> None:
        # The last stage samples, and its sorted logits leave less for the cache.
        old = shape(pipeline=2, version="0.11.0", max_num_seqs=1024)
        assert memory(old).activation_gib > 4


class TestSplits:
    def split(self, settings: Settings, **parallel: int) -> tuple[Parallelism, str | None]:
        return asked_split(Parallelism(**parallel), settings, NODE, DEEPSEEK)

    def test_what_the_user_set(self) -> None:
        found, why = self.split(own(data_parallel_size=8, enable_expert_parallel=True))
        assert (found.tensor, found.data, found.expert, why) == (1, 8, True, None)
        found, why = self.split(own(pipeline_parallel_size=2), tensor=4)
        assert (found.pipeline, found.devices_per_replica, why) == (2, 8, None)

    @pytest.mark.parametrize(
        ("settings", "tensor", "reason"),
        [
            (own(pipeline_parallel_size=2), 8, "more than 8 devices"),
            (own(data_parallel_size=3, enable_expert_parallel=True), 1, "experts do not divide"),
            (own(data_parallel_size=3), 1, "does not divide by 3"),
            (own(decode_context_parallel_size=3), 8, "does not divide tensor"),
        ],
    )
    def test_what_cannot_be(self, settings: Settings, tensor: int, reason: str) -> None:
        assert reason in str(self.split(settings, tensor=tensor)[1])

    def test_dense_copies_fill_the_devices(self) -> None:
        found, why = asked_split(Parallelism(), own(pipeline_parallel_size=2), NODE, LLAMA)
        assert (found.data, why) == (4, None)

    def test_the_plan_says_why(self) -> None:
        with pytest.raises(InfraGenError, match="needs more than 2 devices"):
            plan("h100:2", "llama-3.1-8b", "pipeline-parallel-size=4")


class TestExperts:
    def test_copies_of_attention_share_them(self) -> None:
        count = vllm_memory_weights.expert_params(DEEPSEEK)
        size = 630 * GIB
        one, eight = (
            vllm_memory_weights.device_bytes(
                DEEPSEEK, "fp8-block", size, tensor=1, expert_parallel=True, data=data
            )
            for data in (1, 8)
        )
        assert one - eight == pytest.approx(count * 8.002 / 8 * 7 / 8)

    def test_58_layers_of_256_experts(self) -> None:
        assert vllm_memory_weights.expert_params(DEEPSEEK) == 58 * 256 * 3 * 7168 * 2048
        assert vllm_memory_weights.expert_params(LLAMA) == 0


class TestCache:
    def test_context_parallelism_spreads_tokens(self) -> None:
        plain, spread = (
            vllm_memory.vllm_memory(
                NODE, DEEPSEEK, shape(weight_bytes=630 * GIB, tensor=8, own=settings), CALIBRATION
            )
            for settings in (Settings(), own(decode_context_parallel_size=8))
        )
        assert spread.kv_cache_tokens == pytest.approx(8 * plain.kv_cache_tokens, rel=1e-3)

    def test_fixed_bytes_and_blocks(self) -> None:
        by_bytes = memory(shape(own=own(kv_cache_memory_bytes="8G")))
        assert (by_bytes.kv_cache_gib, by_bytes.kv_cache_tokens) == (8.0, 65_536)
        by_blocks = memory(shape(own=own(num_gpu_blocks_override=4096)))
        assert (by_blocks.kv_cache_gib, by_blocks.kv_cache_tokens) == (8.0, 65_536)
        assert by_bytes.headroom_gib == by_blocks.headroom_gib > 50

    def test_a_fixed_cache_beyond_the_device_does_not_fit(self) -> None:
        with pytest.raises(DoesNotFitError):
            plan("h100", "llama-3.1-8b", "kv-cache-memory-bytes=64G", quantization="bf16")

    def test_blocks_of_another_size_round_the_request(self) -> None:
        short = shape(context=100)
        assert memory(short).max_concurrency_at_context > (
            memory(replace(short, own=own(block_size=128))).max_concurrency_at_context
        )

    def test_a_layer_that_guesses_has_a_cache(self) -> None:
        assert with_guess_layer(DEEPSEEK).layers == 62
        guess = shape(weight_bytes=630 * GIB, tensor=8, own=own(speculative_config=MTP))
        found = vllm_memory.vllm_memory(NODE, DEEPSEEK, guess, CALIBRATION)
        assert found.kv_bytes_per_token == 62 * 576 * 2

    def test_states_are_kept_for_every_token_guessed(self) -> None:
        name = "nemotron-3-nano-30b-a3b"
        prompt = '{"method": "ngram", "num_speculative_tokens": 1}'
        fixed = {"kv_cache_memory_bytes": "12G", "no_enable_prefix_caching": True}
        one = memory(shape(own=own(**fixed), context=2048), name)
        two = memory(shape(own=own(**fixed, speculative_config=prompt), context=2048), name)
        assert one.most_requests is not None
        assert two.most_requests is not None
        # Four groups of states and one of attention: 5 blocks, then 9.
        assert two.most_requests / one.most_requests == pytest.approx(5 / 9, rel=0.02)

    @pytest.mark.parametrize(("dtype", "fewer"), [("float32", False), ("bfloat16", True)])
    def test_type_of_states(self, dtype: str, fewer: bool) -> None:
        name, context = "nemotron-3-nano-30b-a3b", 2048
        plain = memory(shape(context=context), name)
        found = memory(shape(context=context, own=own(mamba_ssm_cache_dtype=dtype)), name)
        assert (found.max_concurrency_at_context > plain.max_concurrency_at_context) is fewer

    @pytest.mark.parametrize(
        ("dtype", "layer_bytes"),
        [("nvfp4", 2 * 8 * (64 + 8)), ("int8_per_token_head", 2 * 8 * (128 + 4))],
    )
    def test_types_with_scales(self, dtype: str, layer_bytes: int) -> None:
        assert memory(shape(kv_dtype=dtype)).kv_bytes_per_token == 32 * layer_bytes

    @pytest.mark.parametrize(
        ("dtype", "layer_bytes"), [("auto", 1152), ("fp8", 656), ("fp8_ds_mla", 656)]
    )
    def test_an_index_of_tokens_asks_for_a_format_of_its_own(
        self, dtype: str, layer_bytes: int
    ) -> None:
        sparse = preset("deepseek-v3.2").architecture
        sized = shape(kv_dtype=dtype, weight_bytes=630 * GIB, tensor=8)
        found = vllm_memory.vllm_memory(NODE, sparse, sized, CALIBRATION)
        assert found.kv_bytes_per_token == 61 * (layer_bytes + 132)
        dense = vllm_memory.vllm_memory(NODE, DEEPSEEK, replace(sized, kv_dtype="fp8"), CALIBRATION)
        assert dense.kv_bytes_per_token == 61 * 576

    def test_the_longest_context_that_fits(self) -> None:
        found = plan("4090", "qwen2.5-7b", "max-model-len=auto", "max-num-seqs=256")
        assert found.limits.context == found.limits.context // 16 * 16 == 32_768
        tight = plan("4090", "qwen3-8b", "max-model-len=auto", "gpu-memory-utilization=0.8")
        assert tight.limits.context < 40_960
        assert 1 <= tight.memory.max_concurrency_at_context < 1.01


class TestWeights:
    def test_adapters(self) -> None:
        # A layer: queries, keys and values; output; gate and way up; way down.
        layer = 3 * 4096 + 6144 + 2 * 4096 + 2 * 4096 + 2 * 14_336 + 14_336 + 4096
        found = vllm_memory_adapters.adapter_bytes(
            LLAMA, shape(own=own(enable_lora=True, max_lora_rank=32, max_loras=4)), experts=True
        )
        assert found == 32 * layer * 32 * 4 * 2

    def test_adapters_of_experts_came_later(self) -> None:
        with_lora = own(enable_lora=True)
        old, new = (
            memory(shape(version=version, own=with_lora), "qwen3-30b-a3b").weights_gib
            - memory(shape(version=version), "qwen3-30b-a3b").weights_gib
            for version in ("0.11.0", "0.11.1")
        )
        assert new > 10 * old > 0

    @pytest.mark.parametrize(("version", "left_out"), [("0.14.1", 0), ("0.15.0", 421_290_864 * 2)])
    def test_towers_stay_out(self, version: str, left_out: int) -> None:
        gemma = preset("gemma-3-12b-it")
        sized = shape(
            weight_bytes=23 * GIB, version=version, tower_bytes=weights.tower_bytes(gemma)
        )
        with_tower = memory(sized, gemma.id).weights_gib
        text = memory(replace(sized, own=own(language_model_only=True)), gemma.id).weights_gib
        assert (with_tower - text) * GIB == pytest.approx(left_out)

    def test_a_tied_embedding_is_loaded_once(self) -> None:
        gemma = preset("gemma-4-31b-it")
        held = weights.checkpoint_weights(
            gemma, next(c for c in gemma.checkpoints if c.quantization == "bf16")
        )
        assert held.bytes - weights.loaded_bytes(gemma, held) == 262_144 * 5376 * 2
        assert weights.tower_bytes(gemma) == 575_741_232 * 2

    def test_layers_that_guess(self) -> None:
        model = preset("qwen3.6-35b-a3b")
        plain = shape(weight_bytes=60 * GIB, guess_bytes=model.guess_params * 2)
        more = memory(replace(plain, own=own(speculative_config=MTP)), model.id).weights_gib
        assert (more - memory(plain, model.id).weights_gib) * GIB == model.guess_params * 2

    def test_what_lies_on_the_host(self) -> None:
        plain, spared = memory(shape()), memory(shape(own=own(cpu_offload_gb=4)))
        assert plain.weights_gib - spared.weights_gib == pytest.approx(4)
        assert spared.kv_cache_gib - plain.kv_cache_gib == pytest.approx(4)
        assert spared.host_needed_gib - plain.host_needed_gib == 4

    def test_parts_that_a_checkpoint_keeps(self) -> None:
        model = preset("qwen3.5-122b-a10b")
        stored = next(c for c in model.checkpoints if c.quantization == "nvfp4")
        assert stored.layout is not None
        plain = stored.model_copy(update={"layout": None})
        more, _ = weights.checkpoint_bytes(model, stored)
        less, _ = weights.checkpoint_bytes(model, plain)
        assert 1.05 < more / less < 1.12

    def test_the_checkpoint_may_ask_for_an_fp8_cache(self) -> None:
        asked = shape(cache_dtype="fp8", version="0.14.0")
        plain = shape(version="0.14.0")
        assert memory(asked).kv_bytes_per_token * 2 == memory(plain).kv_bytes_per_token
        before = replace(asked, version="0.13.0")
        assert memory(before).kv_bytes_per_token == memory(plain).kv_bytes_per_token
        written = replace(asked, kv_dtype="bfloat16")
        assert memory(written).kv_bytes_per_token == memory(plain).kv_bytes_per_token


class TestPlan:
    def test_requests_have_states(self) -> None:
        found = plan("h100", "qwen3.5-122b-a10b", users=2000)
        assert found.memory.most_requests is not None
        assert found.memory.state_blocks is not None
        limit = found.limits.max_num_seqs
        assert 8 <= limit <= found.memory.most_requests < found.memory.state_blocks
        # Eight more would have no states: nothing was given away.
        assert limit + 16 > found.memory.most_requests

    def test_the_users_own_number_is_left(self) -> None:
        with pytest.raises(DoesNotFitError) as refused:
            plan("h100", "qwen3.5-122b-a10b", "max-num-seqs=512")
        assert refused.value.refused is not None
        assert refused.value.refused.limits.max_num_seqs == 512

    @pytest.mark.parametrize(
        ("version", "flags", "fits"),
        [
            ("0.25.0", ("max-num-seqs=1024",), False),
            ("0.25.0", ("max-num-seqs=1024", "enforce-eager=true"), True),
            ("0.19.1", ("max-num-seqs=1024",), True),
            ("0.25.0", ("max-num-seqs=512",), True),
        ],
    )
    def test_it_does_not_start_without_states_for_all(
        self, version: str, flags: tuple[str, ...], fits: bool
    ) -> None:
        name, more = "nemotron-3-nano-30b-a3b", {"quantization": "bf16", "version": version}
        if fits:
            assert plan("h100", name, *flags, **more).memory.states_lacking_gib == 0
            return
        with pytest.raises(DoesNotFitError) as refused:
            plan("h100", name, *flags, "max-num-batched-tokens=16384", **more)
        assert refused.value.refused is not None
        assert refused.value.refused.memory.state_blocks == pytest.approx(844, abs=2)  # as it said

    def test_blocks_that_were_measured(self) -> None:
        sized = shape(own=own(kv_cache_memory_bytes=int(12.07 * GIB)), context=32_768)
        found = memory(sized, "nemotron-3-nano-30b-a3b")
        # 50.30 requests of 20 blocks, as the run logged.
        assert found.state_blocks == pytest.approx(50.30 * 20, abs=2)
        assert memory(shape()).state_blocks is None

    def test_what_is_not_counted_is_said(self) -> None:
        guess = '{"method": "draft_model", "model": "x", "num_speculative_tokens": 3}'
        found = plan("h100", "qwen3-8b", f"speculative-config={guess}", "max-num-seqs=64")
        said = [text for text in found.warnings if text.startswith("engine_args sets")]
        assert said == [
            "engine_args sets speculative-config: the numbers here are those without it"
        ]
