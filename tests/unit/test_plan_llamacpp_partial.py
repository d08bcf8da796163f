"""Models that no device holds: what lies where, what it costs, and when it is planned at all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra_gen import api
from infra_gen.cli.options import Asked, spec_from
from infra_gen.errors import DoesNotFitError
from infra_gen.knowledge import store
from infra_gen.lifecycle import lock_file
from infra_gen.model.llm import Architecture, ModelPreset
from infra_gen.model.plan import HostShare, Placement, Plan
from infra_gen.plan.sizing import llamacpp_weights as weights
from infra_gen.plan.sizing.llamacpp_layout import Layout
from infra_gen.plan.speed.host import host_part
from infra_gen.plan.speed.work import work_of

CALIBRATION = store.calibration()


def arch(name: str) -> Architecture:
    return store.load("models", name, ModelPreset).architecture


LLAMA, OSS = arch("llama-3.3-70b-instruct"), arch("gpt-oss-120b")
LLAMA_PARTS = weights.parts_of(LLAMA, "Q4_K_M", 42.5e9)
OSS_PARTS = weights.parts_of(OSS, "MXFP4", 63.4e9)


def planned(hardware: str, model: str, **asked: Any) -> Plan:
    return api.plan(spec_from(Asked(hardware=hardware, model=model, **asked)), Path())[0]


class TestPlaced:
    def test_everything_is_somewhere(self) -> None:
        whole = weights.placed(LLAMA_PARTS, Placement(), 1, Layout())
        assert sum(whole.device_bytes) == pytest.approx(LLAMA_PARTS.plain + LLAMA_PARTS.experts)
        assert (whole.host_plain, whole.host_layers) == (0, 0)

    def test_the_output_layer_counts_as_one(self) -> None:
        found = weights.placed(LLAMA_PARTS, Placement(gpu_layers=1), 1, Layout())
        assert found.host_layers == LLAMA.layers
        assert found.device_bytes[0] == LLAMA_PARTS.head
        assert weights.placed(LLAMA_PARTS, Placement(0), 1, Layout()).device_bytes == (0,)

    def test_experts_of_the_first_layers(self) -> None:
        found = weights.placed(OSS_PARTS, Placement(cpu_moe_layers=12), 1, Layout())
        assert found.host_experts == pytest.approx(12 * OSS_PARTS.expert_layer)
        assert (found.host_plain, found.host_layers) == (0, 0)

    def test_dense_layers_have_no_experts_to_move(self) -> None:
        deepseek = arch("deepseek-v3")
        parts = weights.parts_of(deepseek, "Q4_K_M", 400e9)
        dense = deepseek.moe.dense_layers if deepseek.moe else 0
        assert weights.placed(parts, Placement(None, dense), 1, Layout()).host_experts == 0

    def test_layers_are_spread_and_the_last_device_has_the_output(self) -> None:
        found = weights.placed(LLAMA_PARTS, Placement(), 4, Layout())
        assert found.device_layers == (21, 20, 20, 19)
        last, third = found.device_bytes[3], found.device_bytes[2]
        assert last == pytest.approx(third - LLAMA_PARTS.plain_layer + LLAMA_PARTS.head)

    def test_shares_of_devices(self) -> None:
        found = weights.placed(LLAMA_PARTS, Placement(), 2, Layout(tensor_split=(3, 1)))
        assert found.device_layers == (61, 19)  # layers below 3/4 of 81

    def test_rows_are_even_and_the_cache_is_one_devices(self) -> None:
        found = weights.placed(LLAMA_PARTS, Placement(), 2, Layout(split_mode="row"))
        assert found.device_bytes[0] == found.device_bytes[1]
        assert found.device_layers == (LLAMA.layers, 0)

    @settings(max_examples=60, deadline=None)
    @given(st.integers(0, 81), st.integers(1, 8))
    def test_more_layers_on_devices_leave_less_on_the_host(self, layers: int, count: int) -> None:
        less = weights.placed(LLAMA_PARTS, Placement(layers), count, Layout())
        more = weights.placed(LLAMA_PARTS, Placement(layers + 1), count, Layout())
        assert more.host_plain <= less.host_plain
        assert sum(more.device_bytes) >= sum(less.device_bytes)
        whole = LLAMA_PARTS.plain
        assert sum(less.device_bytes) + less.host_plain == pytest.approx(whole)


class TestSpeed:
    def test_host_bytes_are_read_at_its_bandwidth(self) -> None:
        work = work_of(
            LLAMA, tensor=1, weight_bytes=42.5e9, cache_bytes_per_token=327_680,
            quantization="Q4_K_M", writes=True,
        )  # fmt: skip
        from infra_gen.model.calibration_speed import rates, table_of  # noqa: PLC0415
        from infra_gen.plan.speed.step import Step  # noqa: PLC0415

        table = table_of(CALIBRATION.speed, "llama.cpp")
        assert table is not None
        numbers = rates(table, ("cpu", "cpu", "any"), "Q4_K_M")
        assert numbers is not None
        half = host_part(work, HostShare(0.5), CALIBRATION.host, numbers, shared_gb_s=None)
        one = half.step_s(Step(1, 0))
        bandwidth = CALIBRATION.host.bandwidth_gb_s.value or 0
        read = 0.5 * work.common_bytes / (bandwidth * 1e9 * numbers.weights)
        assert one == pytest.approx(read, rel=0.01)
        # A long prompt's weights are fetched by the device, once for all of its tokens.
        link = (CALIBRATION.host.link_gb_s.value or 0) * 1e9
        assert half.step_s(Step(0, 0, 512, 0)) == pytest.approx(0.5 * work.common_bytes / link)

    def test_experts_on_the_cpu_as_seen(self) -> None:
        """gpt-oss-120b with the experts of 31 layers on the CPU: 9.7 tokens/s beside an RTX 4070."""
        plan = planned("rtx-4090", "gpt-oss-120b", engine="llama.cpp", set_args=("n-cpu-moe=31",))
        tpot_ms = plan.performance.points[0].tpot_ms
        assert tpot_ms is not None
        assert 1e3 / tpot_ms == pytest.approx(9.7, rel=0.3)

    def test_more_on_the_cpu_is_never_faster(self) -> None:
        found = [
            planned(
                "rtx-4090", "llama-3.1-8b-instruct", engine="llama.cpp",
                set_args=(f"n-gpu-layers={layers}",),
            )
            for layers in (33, 24, 16, 1)
        ]  # fmt: skip
        speeds = [plan.performance.points[0].tpot_ms or 0 for plan in found]
        assert speeds == sorted(speeds)
        assert all(plan.warnings for plan in found[1:])


class TestChoice:
    def test_a_known_host_takes_what_devices_do_not_hold(self) -> None:
        plan = planned("g6.4xlarge", "gpt-oss-120b")
        assert plan.engine == "llama.cpp"
        assert plan.limits.placement.cpu_moe_layers > 0
        assert plan.memory.headroom_gib >= 0
        assert any("run on the CPU: about" in said for said in plan.warnings)
        assert plan.decision("offload") is not None

    def test_no_more_than_is_needed_lies_on_the_cpu(self) -> None:
        plan = planned("g6.4xlarge", "gpt-oss-120b")
        less = plan.limits.placement.cpu_moe_layers - 1
        with pytest.raises(DoesNotFitError):
            planned(
                "g6.4xlarge", "gpt-oss-120b", engine="llama.cpp", set_args=(f"n-cpu-moe={less}",)
            )

    def test_a_host_that_is_too_small_takes_nothing(self) -> None:
        with pytest.raises(DoesNotFitError):
            planned("g6.xlarge", "gpt-oss-120b")  # 16 GiB

    def test_an_unknown_host_is_not_counted_on_but_named(self) -> None:
        with pytest.raises(DoesNotFitError) as caught:
            planned("rtx-4090", "llama-3.3-70b-instruct", engine="llama.cpp")
        assert "--set n-gpu-layers=" in str(caught.value.hint)

    def test_shared_memory_is_never_spilled_into(self) -> None:
        with pytest.raises(DoesNotFitError) as caught:
            planned("strix-halo-64gb", "gpt-oss-120b", engine="llama.cpp")
        assert "n-cpu-moe" not in str(caught.value.hint)

    def test_targets_that_it_cannot_meet_refuse_it(self) -> None:
        with pytest.raises(DoesNotFitError):
            planned("g6.4xlarge", "gpt-oss-120b", tpot_ms=20)

    def test_the_lock_carries_the_choice(self) -> None:
        spec = spec_from(Asked(hardware="g6.4xlarge", model="gpt-oss-120b"))
        built = api.build(spec, Path())
        pins = lock_file.resolved_of(built.plan)
        assert pins.cpu_moe_layers == built.plan.limits.placement.cpu_moe_layers > 0
        again = api.build(spec, Path(), pins)
        assert again.tree == built.tree
        fewer = api.build(spec, Path(), pins.model_copy(update={"cpu_moe_layers": 30}))
        assert fewer.plan.limits.placement == Placement(cpu_moe_layers=30)

    def test_the_launch_says_it(self) -> None:
        spec = spec_from(Asked(hardware="g6.4xlarge", model="gpt-oss-120b"))
        built = api.build(spec, Path())
        argv = [arg.flag for arg in built.stack.service("engine").argv]
        assert "--n-cpu-moe" in argv
        assert replace(built.plan.limits.placement, cpu_moe_layers=0).whole
