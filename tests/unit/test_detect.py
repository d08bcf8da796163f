"""What `detect` makes of what tools really print, of broken tools, and of no tools at all."""

from __future__ import annotations

import json
import os
import re
import stat
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from infra_gen.cli import detect as command
from infra_gen.detect import (
    amd,
    apple,
    cpu,
    gather,
    intel,
    jetson,
    nvidia,
    pci,
    report,
    saving,
    surroundings,
    values,
)
from infra_gen.detect import here as here_module
from infra_gen.detect.commands import OUTPUT_LIMIT, System
from infra_gen.detect.document import to_json, to_yaml
from infra_gen.detect.match import label, match, match_host, products
from infra_gen.detect.probe import Probe, Ran
from infra_gen.detect.records import Found, Host, Seen
from infra_gen.errors import UsageError
from infra_gen.knowledge import store

DATA = Path(__file__).parent / "data" / "detect"
KFD = "/sys/class/kfd/kfd/topology/nodes"
LINUX = Host(os="linux", arch="x86_64", memory_gib=62.6, free_gib=60.0)
KEYS = [
    "schema",
    "hardware",
    "device",
    "devices",
    "visible_gib",
    "free_gib",
    "driver",
    "host",
    "notes",
]
HOST_KEYS = ["os", "arch", "memory_gib", "cpu_cores", "numa_nodes", "vector_extensions", "container",
             "wsl2"]  # fmt: skip
DEVICE_KEYS = ["name", "vendor", "arch", "os", "memory_kind", "visible_gib", "compute_capability",
               "gfx", "driver", "vector_extensions", "cpu_cores"]  # fmt: skip
PRESETS: dict[str, dict[str, Any]] = {
    "rtx-4080-super": {"name": "NVIDIA GeForce RTX 4080 SUPER", "vendor": "nvidia",
                       "nominal_gib": {"value": 16}, "compute_capability": "8.9", "max_per_node": 4},
    "rtx-3060-12gb": {"name": "NVIDIA GeForce RTX 3060 12GB", "vendor": "nvidia",
                      "nominal_gib": {"value": 12}, "compute_capability": "8.6"},
    "rtx-3060-8gb": {"name": "NVIDIA GeForce RTX 3060 8GB", "vendor": "nvidia",
                     "nominal_gib": {"value": 8}, "compute_capability": "8.6"},
    "h100": {"name": "NVIDIA H100 SXM 80GB", "aliases": ["h100-80gb-hbm3"], "vendor": "nvidia",
             "nominal_gib": {"value": 80}, "compute_capability": "9.0", "max_per_node": 8},
    "gb10": {"name": "NVIDIA GB10", "vendor": "nvidia", "memory_kind": "unified", "arch": "arm64",
             "memory_options": [{"gib": 128}], "compute_capability": "12.1"},
    "jetson-agx-orin": {"name": "NVIDIA Jetson AGX Orin", "vendor": "nvidia", "arch": "arm64",
                        "memory_options": [{"gib": 32}, {"gib": 64}], "compute_capability": "8.7"},
    "mi300x": {"name": "AMD Instinct MI300X", "vendor": "amd", "gfx": "gfx942",
               "nominal_gib": {"value": 192}},
    "rx-7900-xt": {"name": "AMD Radeon RX 7900 XT", "vendor": "amd", "gfx": "gfx1100",
                   "nominal_gib": {"value": 20}},
    "rx-6800-xt": {"name": "AMD Radeon RX 6800 XT", "vendor": "amd", "gfx": "gfx1030",
                   "nominal_gib": {"value": 16}},
    "ryzen-ai-max-395": {"name": "AMD Ryzen AI Max+ 395", "vendor": "amd", "gfx": "gfx1151",
                         "memory_options": [{"gib": 64}, {"gib": 128}]},
    "arc-pro-b60": {"name": "Intel Arc Pro B60", "vendor": "intel", "nominal_gib": {"value": 24}},
    "apple-m4-pro": {"name": "Apple M4 Pro", "vendor": "apple", "os": "macos", "arch": "arm64",
                     "memory_options": [{"gib": 24, "gpu_cores": 16}, {"gib": 48}], "gpu_cores": 20},
    "cpu": {"name": "x86-64 CPU with AVX2 (generic)", "vendor": "cpu",
            "vector_extensions": ["avx2", "fma"], "memory_options": [{"gib": 32}, {"gib": 64}]},
    "raspberry-pi-5": {"name": "Raspberry Pi 5", "vendor": "cpu", "arch": "arm64",
                       "vector_extensions": ["neon"], "memory_options": [{"gib": 8}, {"gib": 16}]},
}  # fmt: skip


def data(name: str) -> str:
    return (DATA / name).read_text("utf-8")


class Machine:
    """A machine made of files and of what programs print, by the beginning of their command line."""

    def __init__(
        self,
        programs: Mapping[str, str | Ran] | None = None,
        files: Mapping[str, str] | None = None,
        system: tuple[str, str] = ("Linux", "x86_64"),
        cpus: int | None = None,
    ) -> None:
        self.programs = {
            line: Ran(given, 0) if isinstance(given, str) else given
            for line, given in (programs or {}).items()
        }
        self.files = dict(files or {})
        self.uname, self.cpus, self.asked = system, cpus, list[str]()

    def run(self, *argv: str) -> Ran | None:
        line = " ".join(argv)
        self.asked.append(line)
        fitting = [known for known in self.programs if line.startswith(known)]
        return self.programs[max(fitting, key=len)] if fitting else None

    def read(self, path: str) -> str | None:
        return self.files.get(path)

    def children(self, folder: str) -> tuple[str, ...]:
        start = folder + "/"
        inside = {
            path.removeprefix(start).split("/")[0] for path in self.files if path.startswith(start)
        }
        return tuple(sorted(inside))

    def driver_of(self, device: str) -> str | None:
        return self.files.get(f"{device}/driver")

    def system(self) -> tuple[str, str]:
        return self.uname

    def usable_cpus(self) -> int | None:
        return self.cpus


def profile_of(machine: Probe, presets: Mapping[str, Any] = PRESETS) -> report.Profile:
    host, seen = gather.look(machine)
    return report.profile(host, seen, presets)


def pci_files(*devices: tuple[str, str, str, str]) -> dict[str, str]:
    """Sysfs of (address, vendor, device, driver); an empty driver is none."""
    files = {}
    for address, vendor, device, driver in devices:
        folder = f"/sys/bus/pci/devices/{address}"
        files |= {f"{folder}/class": "0x030000\n", f"{folder}/vendor": f"0x{vendor}\n",
                  f"{folder}/device": f"0x{device}\n"}  # fmt: skip
        if driver:
            files[f"{folder}/driver"] = driver
    return files


def amd_card(number: int, device: str, vram: int, used: int, gtt: int) -> dict[str, str]:
    folder = f"/sys/class/drm/card{number}/device"
    return {
        f"{folder}/vendor": "0x1002\n", f"{folder}/device": f"0x{device}\n",
        f"{folder}/mem_info_vram_total": f"{vram}\n", f"{folder}/mem_info_vram_used": f"{used}\n",
        f"{folder}/mem_info_gtt_total": f"{gtt}\n",
        f"{folder}/uevent": f"DRIVER=amdgpu\nPCI_SLOT_NAME=0000:0{number}:00.0\n",
    }  # fmt: skip


H100_VM = Machine(
    {"nvidia-smi --query-gpu": data("nvidia/h100.csv"), "lscpu -J": data("cpu/lscpu-h100-vm.json")},
    {"/proc/meminfo": data("cpu/meminfo-h100-vm.txt"), "/.dockerenv": "",
     **pci_files(("0000:00:06.0", "10de", "2330", "nvidia"))},
    cpus=16,
)  # fmt: skip


class TestWords:
    @pytest.mark.parametrize(
        "text",
        ["[N/A]", "N/A", "[Insufficient Permissions]", "[Unknown Error]", "ERR!", "[Not Supported]",
         "", " ", "-", "None", "[GPU is lost]"],
    )  # fmt: skip
    def test_the_ways_to_say_nothing(self, text: str) -> None:
        assert values.word(text) is None
        assert values.number(text) is None
        assert values.version(text) is None

    @pytest.mark.parametrize(
        "text", ["24564 MiB", "1e5", "-3", "0x10", "12,5", "١٢", "nan", "inf", "1" * 30, None, True]
    )
    def test_not_a_number(self, text: object) -> None:
        assert values.number(text) is None

    def test_numbers(self) -> None:
        assert values.number(" 24564 ") == 24564
        assert values.mib("81559") == pytest.approx(79.647, abs=0.001)
        assert values.mib("0") is None
        assert values.whole("4.5") is None
        assert values.rounded_down(23.999) == 23.99

    def test_identities_are_taken_out(self) -> None:
        said = values.word("GPU 0: NVIDIA A100 (UUID: GPU-cd37c572-ce37-74c4-f996-9e01f4dd1be3)")
        assert said == "GPU 0: NVIDIA A100"

    def test_uuids_are_taken_out(self) -> None:
        assert values.word("lost 00000000-0000-0029-0000-002f0bda8086 again") == "lost again"

    def test_json_after_warnings(self) -> None:
        assert values.json_in("WARNING: [low] power\n{broken\n [1, 2] tail") == [1, 2]
        assert values.json_in("[" * 100_000) is None
        assert values.json_in("\n" * 500_000) is None


class TestNvidia:
    def test_h100_sees_what_torch_sees(self) -> None:
        """torch.cuda.mem_get_info on that machine: 85017493504 bytes."""
        rows = nvidia.parse_rows(data("nvidia/h100.csv"), nvidia.FIELDS)
        found = nvidia.device_of(rows[0], LINUX)
        assert found.name == "NVIDIA H100 80GB HBM3"
        assert found.visible_gib == 85017493504 / 2**30
        assert (found.compute_capability, found.driver) == ("9.0", "580.159.04")
        assert match(found, PRESETS).word == "h100"

    def test_two_equal_cards_give_the_smallest(self) -> None:
        machine = Machine({"nvidia-smi": data("nvidia/4080-super.csv")})
        profile = profile_of(machine)
        assert (profile.hardware, profile.devices) == ("rtx-4080-super:2", 2)
        assert profile.visible_gib == (16376 - 330) / 1024
        assert profile.free_gib == 2421 / 1024

    def test_different_cards_leave_the_lesser_out(self) -> None:
        profile = profile_of(Machine({"nvidia-smi": data("nvidia/mixed.csv")}))
        assert profile.device is not None
        assert profile.device.name == "NVIDIA RTX 5880 Ada Generation"
        assert (profile.hardware, profile.devices) == (None, 1)
        assert "different devices: 1 x NVIDIA TITAN V left out" in profile.notes
        assert any("not among the hardware presets" in note for note in profile.notes)

    def test_an_old_driver_is_asked_for_less(self) -> None:
        refused = Ran(data("nvidia/unknown-field.txt"), 2)
        machine = Machine(
            {"nvidia-smi": refused,
             "nvidia-smi --query-gpu=name,memory.total,memory.free": data("nvidia/old-driver.csv")}
        )  # fmt: skip
        (found,) = nvidia.look(machine, LINUX).devices
        assert (found.name, found.driver) == ("GeForce RTX 2080", "440.64")
        assert found.compute_capability is None
        assert found.visible_gib == 7979 / 1024

    @pytest.mark.parametrize("name", ["mismatch", "none", "lost"])
    def test_trouble_becomes_a_note(self, name: str) -> None:
        text = data(f"nvidia/{name}.txt")
        seen = nvidia.look(Machine({"nvidia-smi": Ran(text, 9)}), LINUX)
        assert seen.devices == ()
        assert seen.notes == (f"nvidia-smi shows no GPU: {text.splitlines()[0]}",)

    def test_a_hanging_driver_is_a_note(self) -> None:
        seen = nvidia.look(Machine({"nvidia-smi": Ran("", None)}), LINUX)
        assert seen.notes == ("nvidia-smi shows no GPU: did not answer in time",)

    def test_no_program_is_nothing(self) -> None:
        assert nvidia.look(Machine(), LINUX) == Seen()

    def test_dgx_spark_shares_the_machines_memory(self) -> None:
        machine = Machine(
            {"nvidia-smi": data("nvidia/gb10.csv")},
            {"/proc/meminfo": "MemTotal:       127600748 kB\nMemAvailable:   118566368 kB\n"},
            ("Linux", "aarch64"),
        )
        profile = profile_of(machine)
        assert profile.hardware == "gb10-128gb"
        assert profile.visible_gib == 127600748 / 2**20
        assert profile.document()["visible_gib"] == 121.68

    def test_mig_slices_are_the_devices(self) -> None:
        machine = Machine(
            {"nvidia-smi --query-gpu": data("nvidia/mig.csv").splitlines()[0],
             "nvidia-smi -L": data("nvidia/mig-list.txt"), "nvidia-smi -q -x": data("nvidia/mig.xml")}
        )  # fmt: skip
        profile = profile_of(machine)
        assert profile.hardware is None
        assert profile.devices == 2
        assert profile.device is not None
        assert profile.device.name == "NVIDIA A100-SXM4-40GB MIG 3g.20gb"
        assert profile.document()["visible_gib"] == 19.5
        assert profile.document()["free_gib"] == 5.46
        assert any(note.startswith("MIG is on for GPU 0") for note in profile.notes)

    def test_a_whole_gpu_beside_slices_wins(self) -> None:
        machine = Machine(
            {"nvidia-smi --query-gpu": data("nvidia/mig.csv"),
             "nvidia-smi -L": data("nvidia/mig-list.txt"), "nvidia-smi -q -x": data("nvidia/mig.xml")}
        )  # fmt: skip
        profile = profile_of(machine)
        assert profile.devices == 1
        assert "different devices: 2 x NVIDIA A100-SXM4-40GB MIG 3g.20gb left out" in profile.notes

    def test_mig_without_readable_slices(self) -> None:
        machine = Machine({"nvidia-smi --query-gpu": data("nvidia/mig.csv").splitlines()[0]})
        seen = nvidia.look(machine, LINUX)
        assert seen.devices == ()
        assert "no slice that could be read" in seen.notes[0]

    def test_gpus_without_a_driver_are_said(self) -> None:
        files = pci_files(
            ("0000:05:00.0", "10de", "2204", ""), ("0000:00:02.0", "8086", "4680", "i915")
        )
        profile = profile_of(Machine({"lspci": data("intel/lspci.txt")}, files))
        assert (
            "nvidia device GeForce RTX 3090 (10de:2204) is on the PCI bus (no driver), and nvidia-smi "
            "does not show it: left out" in profile.notes
        )
        assert not any("8086" in note for note in profile.notes)


class TestJetson:
    def test_orin_is_named_by_its_board(self) -> None:
        machine = Machine(
            {"nvidia-smi": data("nvidia/orin.csv")},
            {"/etc/nv_tegra_release": data("jetson/r39.txt"),
             "/proc/device-tree/model": "NVIDIA Jetson AGX Orin Developer Kit",
             "/proc/meminfo": "MemTotal:       31433728 kB\n"},
            ("Linux", "aarch64"),
        )  # fmt: skip
        profile = profile_of(machine)
        assert profile.hardware == "jetson-agx-orin-32gb"
        assert profile.driver == "540.4.0"
        assert "Jetson Linux (L4T) 39.2.0" in profile.notes

    def test_without_nvidia_smi(self) -> None:
        files = {"/etc/nv_tegra_release": data("jetson/r35.txt"),
                 "/proc/device-tree/model": "NVIDIA Orin Nano Developer Kit"}  # fmt: skip
        profile = profile_of(Machine({}, files, ("Linux", "aarch64")))
        assert profile.device is not None
        assert profile.device.name == "NVIDIA Jetson Orin Nano"
        assert profile.device.memory_kind == "unified"
        assert "Jetson Linux (L4T) 35.3.1" in profile.notes

    def test_names(self) -> None:
        board = "NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super"
        assert jetson.names_of(board) == ("NVIDIA Jetson Orin Nano Super", board)
        assert jetson.release_of("garbage") is None


class TestAmd:
    def test_amd_smi(self) -> None:
        (found,) = amd.parse_amd_smi(data("amd/amd-smi-mi300x.json"))
        assert (found.name, found.gfx, found.driver) == ("AMD Instinct MI300X", "gfx942", "6.19.14")
        assert found.visible_gib == pytest.approx(191.98, abs=0.01)
        assert match(found, PRESETS).word == "mi300x"

    def test_a_kernel_banner_is_no_driver_version(self) -> None:
        (found,) = amd.parse_amd_smi(data("amd/amd-smi-mi210.json"))
        assert found.driver is None
        assert found.visible_gib == pytest.approx(63.98, abs=0.01)

    def test_warnings_before_the_json(self) -> None:
        (found,) = amd.parse_amd_smi(data("amd/amd-smi-rx7800xt.txt"))
        assert (found.name, found.gfx, found.visible_gib) == (
            "AMD Radeon RX 7800 XT",
            "gfx1101",
            None,
        )

    def test_no_permission_leaves_the_name(self) -> None:
        (found,) = amd.parse_amd_smi(data("amd/amd-smi-denied.txt"))
        assert (found.name, found.visible_gib) == ("AMD Instinct MI300X", None)
        assert match(found, PRESETS).word == "mi300x"

    def test_rocm_smi_takes_over(self) -> None:
        machine = Machine(
            {"amd-smi": Ran("", 1), "rocm-smi": data("amd/rocm-smi-rx7900xt.json")},
            {"/proc/meminfo": "MemTotal: 65000000 kB\n"},
        )
        profile = profile_of(machine)
        assert profile.hardware == "rx-7900-xt"
        assert profile.document()["free_gib"] == 19.95

    def test_a_chip_sold_under_several_names_is_no_match(self) -> None:
        machine = Machine({"rocm-smi": data("amd/rocm-smi-rx6800-raphael.json")})
        profile = profile_of(machine)
        assert profile.hardware is None
        assert profile.devices == 1
        assert any("may be rx-6800-xt: name the right one" in note for note in profile.notes)
        assert any("Raphael is graphics inside the processor" in note for note in profile.notes)

    def test_rocm_smi_before_6(self) -> None:
        devices = amd.parse_rocm_smi(data("amd/rocm-smi-mi100.json"))
        assert [one.name for one in devices] == ["Arcturus GL-XL [AMD Instinct MI100]"] * 2
        assert products(devices[0].name) == ("AMD Instinct MI100",)
        assert devices[0].driver == "4.18.0-348.12.2.el8_5.x86_64"

    def test_rocminfo_alone(self) -> None:
        card, own = amd.parse_rocminfo(data("amd/rocminfo-9800x3d.txt"))
        assert (card.name, card.integrated) == ("Radeon RX 7900 XTX", False)
        assert card.visible_gib == pytest.approx(23.98, abs=0.01)
        assert (own.gfx, own.integrated) == ("gfx1036", True)

    def test_strix_halo_has_the_machines_memory_and_a_limit(self) -> None:
        gib = 1 << 30
        machine = Machine(
            {"rocminfo": data("amd/rocminfo-strix-halo.txt")},
            {**amd_card(1, "1586", 4294967296, 2**20, 103079215104),
             f"{KFD}/1/properties": "gfx_target_version 110501\ndevice_id 5510\n",
             "/proc/cpuinfo": "processor : 0\nmodel name : AMD RYZEN AI MAX+ 395 w/ Radeon 8060S\n",
             "/proc/meminfo": f"MemTotal: {122 * gib // 1024} kB\n"},
        )  # fmt: skip
        profile = profile_of(machine)
        assert profile.hardware == "ryzen-ai-max-395-128gb"
        assert profile.visible_gib == 126.0
        assert any("may use 62.2 GiB of the machine's memory" in note for note in profile.notes)

    def test_only_the_kernel_driver(self) -> None:
        machine = Machine(
            {"lspci": "0000:01:00.0 VGA compatible controller [0300]: Advanced Micro Devices, Inc. "
             "[AMD/ATI] Navi 31 [Radeon RX 7900 XT/7900 XTX/7900 GRE/7900M] [1002:744c] (rev cc)\n"},
            {**amd_card(1, "744c", 21458059264, 27856896, 33668050944),
             **pci_files(("0000:01:00.0", "1002", "744c", "amdgpu")),
             f"{KFD}/1/properties": "gfx_target_version 110000\ndevice_id 29772\n"},
        )  # fmt: skip
        profile = profile_of(machine)
        assert profile.device is not None
        assert profile.device.gfx == "gfx1100"
        assert profile.document()["free_gib"] == 19.95
        assert any("may be rx-7900-xt: name the right one" in note for note in profile.notes)

    @pytest.mark.parametrize(
        ("number", "name"),
        [("90402", "gfx942"), ("90010", "gfx90a"), ("110501", "gfx1151"), ("120001", "gfx1201")],
    )
    def test_kernel_targets(self, number: str, name: str) -> None:
        assert amd.target_of(f"simd_count 304\ngfx_target_version {number}\ndevice_id 29857\n") == (
            "74a1",
            name,
        )

    @pytest.mark.parametrize(
        "text", ["", "gfx_target_version 0\ndevice_id 0", "gfx_target_version x"]
    )
    def test_a_processor_node_is_no_gpu(self, text: str) -> None:
        assert amd.target_of(text) is None

    def test_mi300a_is_not_graphics_of_a_processor(self) -> None:
        text = data("amd/rocminfo-strix-halo.txt").replace("gfx1151", "gfx942")
        (found,) = amd.parse_rocminfo(text)
        assert not found.integrated


class TestIntel:
    def test_the_list_and_the_page(self) -> None:
        machine = Machine(
            {"xpu-smi discovery -j": data("intel/xpu-smi-list.json"),
             "xpu-smi discovery -d 0 -j": data("intel/xpu-smi-max1100.json")}
        )  # fmt: skip
        (found,) = intel.look(machine, ()).devices
        assert found.name == "Intel(R) Data Center GPU Max 1100"
        assert found.visible_gib == 51522830336 / 2**30
        assert found.free_gib == 51493543936 / 2**30

    def test_marks_and_words_do_not_matter(self) -> None:
        machine = Machine({"xpu-smi": data("intel/xpu-smi-b60.json")})
        assert profile_of(machine).hardware == "arc-pro-b60"

    def test_gaudi(self) -> None:
        (found,) = intel.look(Machine({"hl-smi": data("intel/hl-smi.csv")}), ()).devices
        assert (found.name, found.total_gib, found.driver) == ("HL-225", 96.0, "1.20.0-abc123")

    def test_a_card_without_tools_has_no_memory_figure(self) -> None:
        files = pci_files(("0000:26:00.0", "8086", "56a0", "i915"))
        profile = profile_of(Machine({"lspci": data("intel/lspci.txt")}, files))
        assert profile.device is not None
        assert profile.device.name == "Arc A770"
        assert profile.visible_gib is None
        assert "xpu-smi is missing: the memory of the Intel GPU is not measured" in profile.notes

    def test_graphics_of_a_processor_are_no_card(self) -> None:
        slot = pci.Slot("0000:00:02.0", "intel", "8086:7d55", "Intel Arc Graphics", "i915")
        assert intel.on_the_bus((slot,)) == Seen()

    def test_products_on_the_bus(self) -> None:
        names = dict(pci.parse_lspci(data("intel/lspci.txt")).values())
        assert names == {"8086:4680": None, "10de:25a0": "GeForce RTX 3050 Ti Mobile",
                         "10de:2204": "GeForce RTX 3090", "8086:56a0": "Arc A770",
                         "1002:1681": None}  # fmt: skip


class TestApple:
    def mac(self, name: str, **programs: str) -> Machine:
        return Machine(
            {"sysctl": data(f"apple/{name}.txt"), "vm_stat": data("apple/vm_stat.txt"), **programs},
            system=("Darwin", "arm64"),
        )

    def test_the_size_of_memory_tells_the_preset(self) -> None:
        profile = profile_of(self.mac("sysctl-m4-pro"))
        document = profile.document()
        assert profile.hardware == "apple-m4-pro-24gb"
        assert document["visible_gib"] == 24
        assert document["free_gib"] == 6.84
        assert document["host"] == {
            "os": "macos", "arch": "arm64", "memory_gib": 24, "cpu_cores": 12, "numa_nodes": 1,
            "vector_extensions": ["neon", "dotprod"], "container": False, "wsl2": False,
        }  # fmt: skip

    def test_gpu_cores_that_differ_are_said(self) -> None:
        displays = data("apple/displays-m3-pro.json").replace("M3 Pro", "M4 Pro")
        profile = profile_of(self.mac("sysctl-m4-pro", system_profiler=displays))
        assert any(
            note.startswith("14 GPU cores, while apple-m4-pro-24gb") for note in profile.notes
        )

    def test_a_raised_limit_is_said(self) -> None:
        profile = profile_of(self.mac("sysctl-m1"))
        assert "iogpu.wired_limit_mb is 6144: the GPU may use 6.0 GiB" in profile.notes
        assert profile.hardware is None  # not in this small list

    def test_gpu_cores(self) -> None:
        text = data("apple/displays-m3-pro.json")
        assert apple.gpu_cores_of(text, "Apple M3 Pro") == 14
        assert apple.gpu_cores_of(text, "Apple M3") is None
        assert apple.gpu_cores_of("[]", "Apple M3") is None

    def test_a_python_for_intel_on_apple_silicon(self) -> None:
        facts = values.fields(data("apple/sysctl-m1.txt"))
        assert apple.host_of(facts, "x86_64").arch == "arm64"

    def test_a_mac_with_intel_is_a_processor(self) -> None:
        sysctl = "hw.memsize: 17179869184\nhw.physicalcpu: 4\nmachdep.cpu.brand_string: Intel(R) Core i5\n"
        profile = profile_of(Machine({"sysctl": sysctl}, system=("Darwin", "x86_64")))
        assert profile.device is not None
        assert (profile.device.vendor, profile.host.cpu_cores) == ("cpu", 4)

    def test_a_virtual_mac_is_not_guessed(self) -> None:
        text = data("apple/sysctl-m4-pro.txt").replace("M4 Pro", "M4 Pro (Virtual)")
        assert profile_of(Machine({"sysctl": text}, system=("Darwin", "arm64"))).hardware is None


class TestCpu:
    def test_the_words_are_those_of_the_presets(self) -> None:
        used = {
            word
            for preset in store.index()["hardware"].values()
            if preset["vendor"] == "cpu"
            for word in preset.get("vector_extensions", ())
        }
        assert used <= set(cpu.EXTENSIONS.values())

    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("debian-12", cpu.Cpu("AMD EPYC", 2, 1, ("avx2", "fma", "f16c", "avx512", "avx512-vnni",
                                                      "avx512-bf16"), "KVM")),
            ("h100-vm", cpu.Cpu("Intel(R) Xeon(R) Processor", 16, 1, ("avx2", "fma", "f16c", "avx512",
                                "avx512-vnni", "avx512-bf16", "avx-vnni", "amx-bf16", "amx-int8"), "KVM")),
            ("xeon-6326", cpu.Cpu("Intel(R) Xeon(R) Gold 6326 CPU @ 2.90GHz", 32, 2,
                                  ("avx2", "fma", "f16c", "avx512", "avx512-vnni"))),
            ("a64fx", cpu.Cpu("A64FX", 48, 4, ("neon", "fp16", "sve"))),
            ("raspberry-pi-4", cpu.Cpu("Cortex-A72", 4, None, ("neon",))),
        ],
    )  # fmt: skip
    def test_lscpu(self, name: str, expected: cpu.Cpu) -> None:
        assert cpu.parse_lscpu(data(f"cpu/lscpu-{name}.json")) == expected

    def test_cpuinfo_where_lscpu_is_missing(self) -> None:
        machine = Machine(
            files={"/proc/cpuinfo": data("cpu/cpuinfo-raspberry-pi-5.txt"),
                   "/proc/meminfo": "MemTotal: 8256000 kB\n",
                   "/proc/device-tree/model": "Raspberry Pi 5 Model B Rev 1.0",
                   "/sys/devices/system/node/node0/x": "", "/sys/devices/system/node/online": "0"},
            system=("Linux", "aarch64"),
        )  # fmt: skip
        profile = profile_of(machine)
        assert profile.hardware == "raspberry-pi-5-8gb"
        assert profile.host.cpu_cores == 4
        assert profile.host.numa_nodes == 1
        assert profile.host.vector_extensions == ("neon", "fp16", "dotprod")

    def test_hyperthreads_are_no_cores(self) -> None:
        text = "".join(
            f"processor : {n}\nphysical id : 0\ncore id : {n % 2}\nflags : avx2 hypervisor\n\n"
            for n in range(4)
        )
        assert cpu.parse_cpuinfo(text) == cpu.Cpu(None, 2, None, ("avx2",), "hypervisor")

    def test_a_container_has_what_its_cgroup_allows(self) -> None:
        machine = Machine(
            {"lscpu": data("cpu/lscpu-xeon-6326.json")},
            {"/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/memory.max": "44040192000\n",
             "/sys/fs/cgroup/cpu.max": "420000 100000\n",
             "/proc/meminfo": "MemTotal: 131981020 kB\nMemAvailable: 131488564 kB\n"},
            cpus=64,
        )  # fmt: skip
        profile = profile_of(machine)
        assert profile.document()["host"]["memory_gib"] == 41.01
        assert profile.document()["free_gib"] == 41.01
        assert profile.host.cpu_cores == 4
        assert "this process may use 4 of the machine's 32 cores" in profile.notes
        assert "a cgroup allows 41.0 GiB of the machine's 125.9 GiB of memory" in profile.notes

    def test_limits_of_groups_above_count(self) -> None:
        files = {
            "/proc/self/cgroup": "0::/user.slice/a.scope\n",
            "/sys/fs/cgroup/user.slice/a.scope/memory.max": "max\n",
            "/sys/fs/cgroup/user.slice/memory.max": "8589934592\n",
            "/sys/fs/cgroup/user.slice/a.scope/cpu.max": "max 100000\n",
        }
        assert cpu.limits(Machine(files=files)) == (8.0, None)

    def test_version_1(self) -> None:
        files = {
            "/proc/self/cgroup": data("cpu/cgroup-v1.txt"),
            "/sys/fs/cgroup/memory/job/main/memory.limit_in_bytes": "4294967296\n",
            "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
            "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
            "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
        }
        assert cpu.limits(Machine(files=files)) == (4.0, None)
        assert cpu.limits(Machine(files={"/proc/self/cgroup": "0::/../../etc\n"})) == (None, None)

    def test_fewer_cpus_than_cores(self) -> None:
        machine = Machine({"lscpu": data("cpu/lscpu-xeon-6326.json")}, cpus=8)
        assert profile_of(machine).host.cpu_cores == 8


class TestSurroundings:
    @pytest.mark.parametrize(
        ("version", "expected"),
        [
            (
                "Linux version 5.4.72-microsoft-standard-WSL2 (oe-user@oe-host) (gcc version 8.2.0)",
                2,
            ),
            ("Linux version 3.4.0-Microsoft (Microsoft@Microsoft.com) (gcc version 4.7 (GCC) )", 1),
            ("Linux version 6.8.0-31-generic (buildd@lcy02) (x86_64-linux-gnu-gcc-13)", 0),
        ],
    )
    def test_wsl(self, version: str, expected: int) -> None:
        assert surroundings.wsl_of(version) == expected

    @pytest.mark.parametrize(
        ("files", "expected"),
        [
            ({"/.dockerenv": ""}, True),
            ({"/run/.containerenv": ""}, True),
            ({"/proc/1/cgroup": "11:memory:/docker/0123\n"}, True),
            ({"/proc/1/cgroup": "0::/kubepods.slice/kubepods-burstable.slice\n"}, True),
            ({"/proc/1/cgroup": "0::/init.scope\n"}, False),
            ({}, False),
        ],
    )
    def test_containers(self, files: dict[str, str], expected: bool) -> None:
        assert surroundings.in_container(Machine(files=files)) is expected

    def test_wsl_profile(self) -> None:
        files = {"/proc/version": "Linux version 5.15.90.1-microsoft-standard-WSL2"}
        profile = profile_of(Machine({"nvidia-smi": data("nvidia/4080-super.csv")}, files))
        assert profile.document()["host"]["wsl2"] is True

    def test_other_systems_are_refused(self) -> None:
        with pytest.raises(UsageError, match="Linux and macOS, not FreeBSD"):
            gather.look(Machine(system=("FreeBSD", "amd64")))
        with pytest.raises(UsageError, match="this system"):
            gather.look(Machine(system=("", "")))


class TestMatch:
    @pytest.mark.parametrize(
        ("name", "total", "word"),
        [
            ("NVIDIA GeForce RTX 3060", 12.0, "rtx-3060-12gb"),
            ("NVIDIA GeForce RTX 3060", 8.0, "rtx-3060-8gb"),
            ("NVIDIA GeForce RTX 3060 Ti", 8.0, None),
            ("NVIDIA GeForce RTX 3060 Laptop GPU", 6.0, None),
            ("NVIDIA GeForce RTX 3060", 6.0, None),
            ("NVIDIA GeForce RTX 3060", None, None),
            ("NVIDIA H100 PCIe", 79.6, None),
            ("NVIDIA H100 80GB HBM3", None, "h100"),
            ("NVIDIA H100 80GB HBM3", 94.0, None),
            ("nvidia h100 sxm", 79.6, "h100"),
        ],
    )
    def test_names_and_memory_must_agree(
        self, name: str, total: float | None, word: str | None
    ) -> None:
        assert match(Found("nvidia", name, total_gib=total), PRESETS).word == word

    def test_all_that_fit_are_listed(self) -> None:
        note = match(Found("nvidia", "NVIDIA GeForce RTX 3060"), PRESETS).note
        assert note == (
            "NVIDIA GeForce RTX 3060 may be rtx-3060-12gb or rtx-3060-8gb: name the right one"
        )

    def test_a_measured_target_must_agree(self) -> None:
        found = Found("nvidia", "NVIDIA H100 80GB HBM3", total_gib=80.0, compute_capability="8.0")
        assert match(found, PRESETS).note == (
            "NVIDIA H100 80GB HBM3 is named like h100, and has 80.0 GiB of memory, 8.0"
        )

    def test_vendors_are_not_mixed(self) -> None:
        assert match(Found("amd", "H100 SXM 80GB", total_gib=80.0), PRESETS).word is None

    def test_labels(self) -> None:
        assert label("NVIDIA(R) GeForce RTX(TM) 4090 Laptop GPU") == (
            "geforce",
            "rtx",
            "4090",
            "laptop",
        )
        assert label("AMD Ryzen AI Max+ 395") != label("AMD Ryzen AI Max 395")

    def test_a_preset_without_facts_is_no_reason_to_fail(self) -> None:
        odd = {"a": {}, "b": {"vendor": "nvidia", "name": None, "aliases": None, "memory_options": 3},
               "c": {"vendor": "nvidia", "name": "T4", "memory_options": [None, {"gib": "x"}]}}  # fmt: skip
        assert match(Found("nvidia", "T4", total_gib=15.0), odd).word == "c"

    def test_the_generic_processor_says_so(self) -> None:
        host = Host(
            "linux", "x86_64", "AMD EPYC", 62.6, vector_extensions=("avx2", "fma", "avx512")
        )
        found = match_host(host, PRESETS)
        assert found.word == "cpu-64gb"
        assert found.note
        assert "assumed" in found.note
        assert match_host(replace(host, memory_gib=23.5), PRESETS).word == "cpu"
        assert match_host(replace(host, vector_extensions=("avx",)), PRESETS).word is None
        assert match_host(replace(host, arch="riscv64"), PRESETS).word is None

    @pytest.mark.parametrize("name", store.names("hardware"))
    def test_every_preset_is_found_by_its_own_name(self, name: str) -> None:
        """Two presets of one name and size could never be told apart."""
        preset = store.index()["hardware"][name]
        sizes = [option["gib"] for option in preset.get("memory_options", ())]
        total = sizes[-1] if sizes else preset["nominal_gib"]["value"]
        found = Found(
            preset["vendor"], preset["name"], total_gib=total, gfx=preset.get("gfx"),
            compute_capability=preset.get("compute_capability"),
        )  # fmt: skip
        assert match(found, store.index()["hardware"]).preset == name

    @pytest.mark.parametrize(
        ("name", "mib", "word"),
        [
            ("NVIDIA H100 80GB HBM3", 81559, "h100"),
            ("NVIDIA A100-SXM4-40GB", 40960, "a100-40gb"),
            ("NVIDIA A100-SXM4-80GB", 81920, "a100-80gb"),
            ("NVIDIA GeForce RTX 4090", 24564, "rtx-4090"),
            ("NVIDIA GeForce RTX 4090 Laptop GPU", 16376, None),
            ("NVIDIA GeForce RTX 3090", 24576, "rtx-3090"),
        ],
    )
    def test_what_drivers_call_them(self, name: str, mib: int, word: str | None) -> None:
        found = Found("nvidia", name, total_gib=mib / 1024)
        assert match(found, store.index()["hardware"]).word == word


class TestProfile:
    def test_keys(self) -> None:
        document = profile_of(H100_VM).document()
        assert list(document) == KEYS
        assert list(document["host"]) == HOST_KEYS
        assert document["schema"] == 1
        assert document["hardware"] == "h100"
        assert document["device"] is None
        assert document["visible_gib"] == 79.17
        assert document["driver"] == "580.159.04"
        assert document["host"]["container"] is True

    def test_inline_facts_of_an_unknown_device(self) -> None:
        document = profile_of(Machine({"nvidia-smi": data("nvidia/mixed.csv")})).document()
        assert list(document["device"]) == DEVICE_KEYS
        assert document["device"]["name"] == "NVIDIA RTX 5880 Ada Generation"
        assert document["device"]["compute_capability"] == "8.9"
        assert document["device"]["visible_gib"] == document["visible_gib"] == 47.46

    def test_a_machine_with_nothing(self) -> None:
        document = profile_of(Machine()).document()
        assert document["hardware"] is None
        assert document["device"]["vendor"] == "cpu"
        assert document["devices"] == 1
        assert document["visible_gib"] is None

    def test_more_devices_than_the_preset_expects(self) -> None:
        row = data("nvidia/4080-super.csv").splitlines()[0] + "\n"
        profile = profile_of(Machine({"nvidia-smi": row * 8}))
        assert profile.hardware == "rtx-4080-super:8"
        assert any("expects 4 at most" in note for note in profile.notes)

    def test_yaml_and_json_say_the_same(self) -> None:
        profile = profile_of(H100_VM)
        text = to_yaml(profile)
        assert text.startswith("# Written by `infra-gen detect`.\n")
        assert YAML(typ="safe", pure=True).load(text) == json.loads(to_json(profile))
        assert "# GiB free when this was written" in text

    def test_it_is_the_same_twice_and_holds_no_identity(self) -> None:
        text = to_yaml(profile_of(H100_VM))
        assert text == to_yaml(profile_of(H100_VM))
        assert os.uname().nodename not in text
        assert not re.search(r"GPU-|20\d\d-\d\d|\d\d:\d\d", text)


TOOLS = ["nvidia-smi", "amd-smi", "rocm-smi", "rocminfo", "xpu-smi", "hl-smi", "lspci", "lscpu",
         "sysctl", "system_profiler", "vm_stat"]  # fmt: skip
CAPTURED = sorted(path for path in DATA.rglob("*") if path.is_file() and path.name != "SOURCES.md")
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from(["gpu_data", "asic", "vram", "size", "value", "unit", "driver", "card0", "lscpu",
                         "field", "data", "children", "device_list", "device_id", "device_name",
                         "SPDisplaysDataType", "sppci_model", "market_name", "Card Series"]),
        inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@st.composite
def broken(draw: st.DrawFn) -> str:
    """A capture with a piece cut out, doubled or replaced."""
    text = draw(st.sampled_from(CAPTURED)).read_text("utf-8")
    start = draw(st.integers(0, len(text)))
    end = draw(st.integers(start, len(text)))
    return (
        text[:start]
        + draw(st.sampled_from(["", "[N/A]", "ERR!", "\x00", "ÄÖ", "{", text]))
        + text[end:]
    )


class TestGarbage:
    @settings(max_examples=150, deadline=None)
    @given(
        text=st.text(max_size=200) | broken() | JSON.map(json.dumps),
        system=st.sampled_from([("Linux", "x86_64"), ("Darwin", "arm64")]),
        code=st.sampled_from([0, 1, None]),
    )
    def test_no_output_breaks_it(
        self, text: str, system: tuple[str, str], code: int | None
    ) -> None:
        folders = ["/sys/bus/pci/devices/0000:01:00.0", "/sys/class/drm/card0/device"]
        folders.append(f"{KFD}/0")
        names = ["class", "vendor", "device", "driver", "properties", "uevent", "mem_info_vram_total",
                 "mem_info_vram_used", "mem_info_gtt_total", "product_name"]  # fmt: skip
        paths = [f"{folder}/{name}" for folder in folders for name in names]
        paths += ["/proc/cpuinfo", "/proc/meminfo", "/proc/self/cgroup", "/proc/1/cgroup",
                  "/proc/version", "/etc/nv_tegra_release", "/proc/device-tree/model",
                  "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/cpu.max"]  # fmt: skip
        files = dict.fromkeys(paths, text)
        files["/sys/class/drm/card0/device/vendor"] = "0x1002\n"
        files |= pci_files(("0000:02:00.0", "10de", "2204", ""))
        machine = Machine({tool: Ran(text, code) for tool in TOOLS}, files, system)
        profile = profile_of(machine)
        document = YAML(typ="safe", pure=True).load(to_yaml(profile))
        assert document == json.loads(to_json(profile))
        assert list(document) == KEYS
        assert not re.search("(GPU|MIG)-[0-9a-f]{8}|[0-9a-f]{8}-[0-9a-f]{4}-", to_json(profile))

    @pytest.mark.parametrize("path", CAPTURED, ids=lambda path: path.name)
    def test_every_capture_has_a_source(self, path: Path) -> None:
        sources = data("SOURCES.md")
        assert path.name in sources
        assert not re.search(
            r"GPU-(?!0000|XX)[0-9a-f]{4}|MIG-(?!0000)[0-9a-f]{4}", path.read_text("utf-8")
        )


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def program(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n", "utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


class TestSystem:
    def test_output_and_code(self, tools: Path) -> None:
        program(tools, "infra-gen-tool", 'echo "$LC_ALL $LANG $1"; echo bad >&2; exit 3')
        assert System().run("infra-gen-tool", "a b; ls") == Ran("C C a b; ls\n", 3)

    def test_a_missing_program(self) -> None:
        assert System().run("infra-gen-no-such-tool") is None

    def test_a_broken_program(self, tools: Path) -> None:
        (tools / "infra-gen-tool").write_bytes(b"\x00\x01")
        (tools / "infra-gen-tool").chmod(0o755)
        assert System().run("infra-gen-tool") is None

    def test_a_slow_one_is_ended(self, tools: Path) -> None:
        program(tools, "infra-gen-tool", "echo begun; sleep 30")
        begun = time.monotonic()
        assert System(each_seconds=0.5).run("infra-gen-tool") == Ran("begun\n", None)
        assert time.monotonic() - begun < 5

    def test_a_child_that_keeps_the_output_open(self, tools: Path) -> None:
        program(tools, "infra-gen-tool", "sleep 30 &\necho done")
        begun = time.monotonic()
        ran = System(each_seconds=0.5).run("infra-gen-tool")
        assert ran
        assert (ran.text, ran.code) == ("done\n", None)
        assert time.monotonic() - begun < 5

    def test_all_together_are_bounded(self, tools: Path) -> None:
        program(tools, "infra-gen-tool", "sleep 30")
        system = System(each_seconds=0.4, all_seconds=0.6)
        begun = time.monotonic()
        answers = [system.run("infra-gen-tool") for _ in range(20)]
        assert time.monotonic() - begun < 5
        assert answers[-1] is None

    def test_output_is_bounded(self, tools: Path) -> None:
        program(tools, "infra-gen-tool", "yes")
        ran = System(each_seconds=3).run("infra-gen-tool")
        assert ran
        assert ran.code is None
        assert len(ran.text) <= OUTPUT_LIMIT + (1 << 16)

    def test_the_current_folder_names_no_program(
        self, tools: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        program(tools, "infra-gen-tool", "echo mine")
        monkeypatch.setenv("PATH", f"{os.pathsep}.{os.pathsep}/usr/bin")
        monkeypatch.chdir(tools)
        assert System().run("infra-gen-tool") is None

    def test_files(self, tmp_path: Path) -> None:
        (tmp_path / "model").write_bytes(b"NVIDIA Jetson\x00\xff")
        (tmp_path / "driver").symlink_to("/sys/bus/pci/drivers/amdgpu")
        system = System()
        assert system.read(str(tmp_path / "model")) == "NVIDIA Jetson\ufffd"
        assert system.read(str(tmp_path)) is None
        assert system.read("/no/such\0file") is None
        assert system.children(str(tmp_path)) == ("driver", "model")
        assert system.children("/no/such") == ()
        assert system.driver_of(str(tmp_path)) == "amdgpu"
        assert system.driver_of("/no/such") is None

    def test_this_machine(self) -> None:
        document = here_module.profile_here().document()
        assert list(document) == KEYS
        assert document["devices"] >= 1
        assert document["host"]["cpu_cores"] >= 1


class TestCommand:
    @pytest.fixture(autouse=True)
    def machine(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(here_module, "profile_here", lambda: profile_of(H100_VM))

    def test_prints_the_document_alone(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert command.detect(write=None, force=False, as_json=False) == 0
        assert capsys.readouterr().out == to_yaml(profile_of(H100_VM))
        assert command.detect(write=None, force=False, as_json=True) == 0
        assert json.loads(capsys.readouterr().out)["hardware"] == "h100"

    def test_writes_once(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        file = tmp_path / "machine.yaml"
        command.detect(write=file, force=False, as_json=False)
        assert file.read_text("utf-8") == to_yaml(profile_of(H100_VM))
        assert names_in(tmp_path) == ["machine.yaml"]
        assert capsys.readouterr().out.startswith(f"wrote {file}: h100\n  note: inside a container")
        file.write_text("mine", "utf-8")
        with pytest.raises(UsageError, match="exists already"):
            command.detect(write=file, force=False, as_json=False)
        assert file.read_text("utf-8") == "mine"
        command.detect(write=file, force=True, as_json=True)
        assert json.loads(file.read_text("utf-8"))["hardware"] == "h100"

    def test_places_that_cannot_be_written(self, tmp_path: Path) -> None:
        for file, words in (
            (tmp_path, "is a folder"),
            (tmp_path / "no" / "m.yaml", "no such folder"),
        ):
            with pytest.raises(UsageError, match=words):
                command.detect(write=file, force=True, as_json=False)
        with pytest.raises(UsageError, match="--force needs --write"):
            command.detect(write=None, force=True, as_json=False)

    def test_another_process_was_faster(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file = tmp_path / "machine.yaml"
        monkeypatch.setattr(saving, "check", lambda *_, **__: file.write_text("theirs", "utf-8"))
        with pytest.raises(UsageError, match="exists already"):
            saving.save(file, "ours", force=False)
        assert file.read_text("utf-8") == "theirs"
        assert names_in(tmp_path) == ["machine.yaml"]

    def test_file_systems_without_links(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: object) -> None:
            raise PermissionError(1, "not permitted")

        monkeypatch.setattr(Path, "hardlink_to", refuse)
        saving.save(tmp_path / "machine.yaml", "ours", force=False)
        assert (tmp_path / "machine.yaml").read_text("utf-8") == "ours"
        assert names_in(tmp_path) == ["machine.yaml"]

    def test_a_full_disk_is_said(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(_: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(UsageError, match="No space left"):
            saving.save(tmp_path / "machine.yaml", "ours", force=False)
        assert names_in(tmp_path) == []
