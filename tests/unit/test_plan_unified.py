"""Machines whose memory is shared, and CPU hosts: what may be filled, and what llama.cpp is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from infra_gen import api
from infra_gen.cli.options import Asked, spec_from
from infra_gen.errors import DoesNotFitError
from infra_gen.knowledge.engines import engine_info
from infra_gen.knowledge.machines import resolve_machine
from infra_gen.model.plan import Plan
from infra_gen.plan.speed.precision import compute_tflops, short_sum_tflops
from infra_gen.stack.build import build_stack

MIB = 2**20


def planned(hardware: str, model: str, *sets: str, quantization: str = "auto") -> Plan:
    asked = Asked(
        hardware=hardware, model=model, engine="llama.cpp", set_args=sets, quantization=quantization
    )
    return api.plan(spec_from(asked), Path())[0]


class TestLimits:
    @pytest.mark.parametrize(
        ("machine", "logged_mib"),
        [
            ("apple-m1-16gb", 10_922.67),
            ("apple-m2-24gb", 17_179.89e6 / MIB),
            ("apple-m1-max-32gb", 21_845.34),
            ("apple-m4-max-36gb", 28_991.03e6 / MIB),
            ("apple-m3-max-48gb", 38_654.71e6 / MIB),
            ("apple-m1-max-64gb", 49_152.0),
        ],
    )
    def test_metal_working_sets(self, machine: str, logged_mib: float) -> None:
        """What ggml_metal_init printed; never more is planned, and little less."""
        usable = resolve_machine(machine).usable_gib * 1024
        assert 0.98 * logged_mib <= usable <= logged_mib

    @pytest.mark.parametrize("machine", ["strix-halo-128gb", "gb10", "jetson-agx-orin"])
    def test_what_the_system_keeps_is_left_to_it(self, machine: str) -> None:
        found = resolve_machine(machine)
        assert found.memory_kind == "unified"
        assert found.usable_gib <= found.visible_gib - found.reserved_gib

    def test_the_kernel_lends_a_strix_halo_half(self) -> None:
        assert resolve_machine("strix-halo-128gb").usable_gib == 64

    def test_the_hosts_part_counts(self) -> None:
        plan = planned("gb10", "llama-3.1-8b-instruct")
        free = plan.machine.usable_gib - plan.memory.planned_gib
        assert plan.memory.headroom_gib < free
        assert plan.memory.host_needed_gib == 0

    def test_nothing_is_spilled(self) -> None:
        with pytest.raises(DoesNotFitError):
            planned("apple-m3-16gb", "llama-3.3-70b-instruct")


class TestHosts:
    def launch(self, nodes: int | None) -> dict[str, object]:
        spec = spec_from(Asked(hardware="epyc-genoa", model="llama-3.1-8b-instruct"))
        plan = api.plan(spec, Path())[0]
        plan = replace(plan, machine=replace(plan.machine, numa_nodes=nodes))
        stack = build_stack(spec, plan, engine_info(plan.engine, plan.engine_version))
        return {arg.flag: arg.value for arg in stack.service("engine").argv}

    def test_memory_in_several_parts_is_spread_over(self) -> None:
        assert self.launch(2)["--numa"] == "distribute"
        assert "--numa" not in self.launch(1)
        assert "--numa" not in self.launch(None)

    def test_one_thread_a_physical_core(self) -> None:
        assert self.launch(None)["--threads"] == "64"


class TestCompute:
    def test_geforce_cards_multiply_gguf_types_in_integers(self) -> None:
        card, server = resolve_machine("rtx-4090"), resolve_machine("l40s")
        assert compute_tflops("Q4_K_M", card) == pytest.approx(
            2 * (card.fp16_tflops or 0), rel=0.01
        )
        assert compute_tflops("BF16", card) == card.fp16_tflops
        assert short_sum_tflops("bf16", card) == card.fp16_tflops
        assert compute_tflops("Q4_K_M", server) == pytest.approx(server.fp16_tflops, rel=0.02)

    def test_a_step_of_prefill_is_a_micro_batch(self) -> None:
        small = planned("rtx-4090", "llama-3.1-8b-instruct", "ubatch-size=64")
        usual = planned("rtx-4090", "llama-3.1-8b-instruct")
        large = planned("rtx-4090", "llama-3.1-8b-instruct", "batch-size=4096")
        assert (small.performance.points[0].prefill_ms or 0) > (
            usual.performance.points[0].prefill_ms or 0
        )
        assert large.performance.points[0].prefill_ms == usual.performance.points[0].prefill_ms


def test_ollama_is_told_its_batch() -> None:
    """It makes batches larger by itself where it sees memory, which is planned for the cache."""
    spec = spec_from(Asked(hardware="rtx-4090", model="llama-3.1-8b-instruct", engine="ollama"))
    built = api.build(spec, Path())
    (modelfile,) = (f.text for path, f in built.tree.items() if path.endswith("Modelfile"))
    assert "PARAMETER num_batch 512" in modelfile
    assert built.plan.limits.max_num_batched_tokens == 512
