"""What a spec may write for hardware: words, instances, nodes, profiles, a share of each card."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra_gen import api
from infra_gen.cli.options import Asked, spec_from
from infra_gen.errors import InfraGenError, UsageError
from infra_gen.knowledge import store
from infra_gen.knowledge.machines import resolve_machine
from infra_gen.knowledge.profiles import from_word, machine_of
from infra_gen.model.spec import Spec

PROFILE = """\
schema: 1
hardware: rtx-4090:2
devices: 2
visible_gib: 23.1
driver: "570.86.15"
host: {os: linux, arch: x86_64, memory_gib: 62.6, cpu_cores: 16}
"""
UNKNOWN = """\
schema: 1
device: {name: Mystery 9000, vendor: nvidia, arch: x86_64, compute_capability: "9.0"}
devices: 1
visible_gib: 40.0
"""


def spec(**keys: object) -> Spec:
    return Spec.model_validate({"name": "chat", "hardware": "h100", **keys})


class TestInstances:
    def test_an_instance_is_its_devices_with_the_hosts_memory(self) -> None:
        machine, device = resolve_machine("p5.48xlarge"), resolve_machine("h100:8")
        assert (machine.devices, machine.vendor) == (8, "nvidia")
        assert machine.visible_gib == device.visible_gib
        assert machine.host_memory_gib == 2048
        assert machine.id == "p5.48xlarge"

    def test_nobody_sits_in_front_of_a_rented_card(self) -> None:
        for word in ("g5.xlarge", "g6.xlarge"):
            assert resolve_machine(word).reserved_gib == 0

    def test_names_are_found_in_any_case_and_with_underscores(self) -> None:
        azure = resolve_machine("Standard_ND96isr_H100_v5")
        assert azure.id == "standard-nd96isr-h100-v5"
        assert azure.devices == 8

    def test_a_lock_finds_it_again(self) -> None:
        asked = spec(hardware="g6.xlarge", model="qwen3-4b")
        plan = api.plan(asked, Path())[0]
        assert resolve_machine(plan.machine.id) == plan.machine


class TestNodes:
    def test_the_load_is_spread_and_what_they_carry_adds_up(self) -> None:
        words = {"model": "qwen3-32b", "load": {"users": 100}}
        one = api.plan(spec(**words, hardware="h100"), Path())[0]
        nodes = {"nodes": {"count": 4, "each": "h100"}}
        four = api.plan(spec(**words, hardware=nodes), Path())[0]
        assert four.parallelism.replicas == 4
        assert four.users == 100
        assert four.limits.max_num_seqs < one.limits.max_num_seqs
        share = api.plan(spec(model="qwen3-32b", load={"users": 25}, hardware="h100"), Path())[0]
        carried, alone = four.performance.users_supported, share.performance.users_supported
        assert carried is not None
        assert alone is not None
        assert carried == 4 * alone >= 100

    def test_a_model_that_no_node_holds_is_refused(self) -> None:
        with pytest.raises(InfraGenError, match="does not fit"):
            api.plan(
                spec(model="deepseek-v3", hardware={"nodes": {"count": 4, "each": "rtx-3090"}}),
                Path(),
            )


class TestProfiles:
    def write(self, folder: Path, text: str) -> str:
        (folder / "machine.yaml").write_text(text, "utf-8")
        return "machine.yaml"

    def test_what_was_measured_wins_over_the_preset(self, tmp_path: Path) -> None:
        machine = from_word(self.write(tmp_path, PROFILE), tmp_path)
        preset = resolve_machine("rtx-4090:2")
        assert machine.visible_gib == 23.1
        assert machine.usable_gib == pytest.approx(23.1 - preset.reserved_gib)
        assert machine.devices == 2
        assert machine.cpu_cores == 16
        assert machine.host_memory_gib == 62.6
        assert machine.bandwidth_gb_s == preset.bandwidth_gb_s

    def test_more_devices_than_a_preset_expects_were_counted(self, tmp_path: Path) -> None:
        text = PROFILE.replace("rtx-4090:2", "rtx-4090:8").replace("devices: 2", "devices: 8")
        assert from_word(self.write(tmp_path, text), tmp_path).devices == 8

    def test_an_unknown_device_is_planned_without_speed(self, tmp_path: Path) -> None:
        word = self.write(tmp_path, UNKNOWN)
        plan = api.plan(spec(hardware=word, model="qwen3-8b"), tmp_path)[0]
        assert plan.performance.basis == "unknown"
        assert plan.machine.visible_gib == 40
        assert any("bandwidth is unknown" in line for line in plan.machine.assumptions)

    def test_inline_is_the_same_as_a_file(self, tmp_path: Path) -> None:
        inline = {
            "devices": 1,
            "visible_gib": 40.0,
            "device": {
                "name": "Mystery 9000", "vendor": "nvidia", "arch": "x86_64",
                "compute_capability": "9.0",
            },
        }  # fmt: skip
        machine = machine_of(spec(hardware=inline), tmp_path)
        assert machine.visible_gib == from_word(self.write(tmp_path, UNKNOWN), tmp_path).visible_gib

    @pytest.mark.parametrize(
        ("text", "word"),
        [
            ("", "profile"),
            ("schema: 1\n", "either hardware"),
            ("schema: 2\nhardware: h100\n", "schema"),
            ("hardware: [\n", "not valid YAML"),
            ("hardware: h100\ndevices: 0\n", "devices"),
            ("hardware: h100\ndevice: {name: x, vendor: cpu, arch: arm64}\n", "either hardware"),
            ("hardware: rtx-4900\n", "unknown hardware"),
            ("hardware: h100\nsecret: 1\n", "secret"),
        ],
    )
    def test_bad_profiles_are_told(self, tmp_path: Path, text: str, word: str) -> None:
        with pytest.raises(InfraGenError, match=word):
            from_word(self.write(tmp_path, text), tmp_path)

    def test_a_profile_in_the_deployment_is_checked_from_there(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.write(tmp_path, PROFILE)
        asked = spec(hardware="../machine.yaml", model="qwen3-8b")
        root = tmp_path / "chat"
        api.write_new(api.build(asked, root), root)
        monkeypatch.chdir("/")
        checked = api.check(root)
        assert not checked.drift
        assert not checked.findings or all(not f.counts for f in checked.findings)


class TestShare:
    @pytest.mark.parametrize("engine", ["vllm", "llama.cpp"])
    def test_two_deployments_fit_one_card(self, engine: str) -> None:
        asked = spec(hardware="l40s", model="qwen3-8b", engine=engine, gpu_fraction=0.5)
        plan = api.plan(asked, Path())[0]
        assert plan.memory.planned_gib <= plan.machine.visible_gib * 0.5
        whole = api.plan(asked.model_copy(update={"gpu_fraction": None}), Path())[0]
        assert plan.memory.kv_cache_tokens <= whole.memory.kv_cache_tokens

    def test_vllm_is_told(self) -> None:
        built = api.build(
            spec(hardware="l40s", model="qwen3-8b", engine="vllm", gpu_fraction=0.5), Path()
        )
        share = next(
            arg for arg in built.stack.service("engine").argv
            if arg.flag == "--gpu-memory-utilization"
        )  # fmt: skip
        assert float(str(share.value)) <= 0.5

    def test_too_small_a_share_does_not_fit(self) -> None:
        with pytest.raises(InfraGenError, match="does not fit"):
            api.plan(spec(hardware="rtx-3090", model="qwen3-32b", gpu_fraction=0.3), Path())


def test_words_that_name_nothing() -> None:
    for word in ("p5.49xlarge", "2xp5.48xlarge", "standard-x"):
        with pytest.raises(UsageError):
            resolve_machine(word)


def test_nodes_from_the_command_line() -> None:
    asked = spec_from(Asked(hardware="h100:8", nodes=2, users=10))
    assert not isinstance(asked.hardware, str)
    assert asked.hardware.model_dump() == {"nodes": {"count": 2, "each": "h100:8"}}


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("nvidia h100 80gb sxm", "h100"),
        ("NVIDIA H100 80GB HBM3", "h100"),
        ("H100 PCIe 80GB", "h100-pcie"),
        ("h200_sxm", "h200"),
        ("A100-40", "a100-40gb"),
        ("A100 SXM 80GB", "a100-80gb"),
        ("a100 pcie 40 gb", "a100-pcie-40gb"),
        ("L40S 48GB", "l40s"),
        ("RTX PRO 6000 Blackwell 96GB", "rtx-pro-6000"),
        ("rtx_pro_6000_server", "rtx-pro-6000-server"),
        ("B300 268GB", "b300"),
        ("GB300 NVL72", "gb300"),
        ("DGX Spark", "gb10"),
        ("GB10 (DGX Spark) 128GB", "gb10-128gb"),
        ("AMD Instinct MI355X", "mi355x"),
        ("GeForce RTX 5090 32GB", "rtx-5090"),
        ("5070 ti", "rtx-5070-ti"),
        ("RTX4070TiSUPER", "rtx-4070-ti-super"),
        ("7900 xtx", "rx-7900-xtx"),
        ("Apple M3 Max 40-core GPU 64GB", "apple-m3-max-64gb"),
        ("AMD Ryzen AI Max+ 395 (Strix Halo, Radeon 8060S)", "strix-halo"),
        ("8 x H100 80GB", "h100:8"),
        ("8 \u00d7 NVIDIA H200 SXM GPUs", "h200:8"),
        ("NVIDIA H200x8", "h200:8"),
        ("RTX 4090 24GB x4", "rtx-4090:4"),
        ("A single NVIDIA H100 SXM GPU", "h100"),
    ],
)
def test_hardware_as_people_write_it(text: str, word: str) -> None:
    assert resolve_machine(text) == resolve_machine(word)


@pytest.mark.parametrize(
    "text",
    [
        "A10G/L4 24GB",  # either of two
        "H100 40GB",  # never sold with it
        "RTX 4060 Ti 8/16GB",
        "48GB class",
        "24GB",
        "nvidia",
        "gpu",
        "H1000",
        "RTX",
        "4000",
        "H100 and A100",
    ],
)
def test_what_could_be_another_device_is_not_guessed(text: str) -> None:
    with pytest.raises(UsageError, match="hardware"):
        resolve_machine(text)


def test_every_name_of_a_preset_is_its_own() -> None:
    for name, document in store.index()["hardware"].items():
        for said in (name, *document.get("aliases", ())):
            device = resolve_machine(said.replace("-", " ")).id
            assert device.startswith(store.canonical("hardware", said) or "nothing"), said
