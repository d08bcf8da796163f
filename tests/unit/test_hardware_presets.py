"""The hardware presets: every file is valid, named as it says, and within physical reason."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from ruamel.yaml import YAML

from infra_gen.model.hardware import DevicePreset
from infra_gen.model.sourced import Sourced

FOLDER = Path(__file__).resolve().parents[2] / "presets" / "hardware"
FILES = sorted(FOLDER.glob("*.yaml"))
WANTED = {
    *("rtx-3060-12gb", "rtx-3090", "rtx-4090", "rtx-5090", "l4", "l40s", "a10g"),
    *("a100-40gb", "a100-80gb", "h100", "h200", "mi300x", "cpu", "raspberry-pi-5"),
    *(f"apple-m{n}{tier}" for n in (1, 2, 3) for tier in ("", "-pro", "-max", "-ultra")),
    *("apple-m4", "apple-m4-pro", "apple-m4-max", "apple-m5"),
}


def load(path: Path) -> DevicePreset:
    return DevicePreset.model_validate(YAML(typ="safe").load(path.read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def presets() -> dict[str, DevicePreset]:
    return {path.stem: load(path) for path in FILES}


def sourced_values(node: object) -> list[Sourced[Any]]:
    """Every `Sourced` under a record, however deep."""
    if isinstance(node, Sourced):
        return [node]
    if isinstance(node, BaseModel):
        return [v for name in type(node).model_fields for v in sourced_values(getattr(node, name))]
    if isinstance(node, tuple):
        return [v for item in node for v in sourced_values(item)]
    return []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_file_is_valid_and_named_by_its_id(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    preset = load(path)
    assert preset.id == path.stem
    assert text.startswith("# "), "the first line names the device"
    assert text.endswith("\n")
    assert not re.search(r"(?:^|\s)/\w+/", text), "cite public sources, not paths of a machine"


def test_there_are_enough(presets: dict[str, DevicePreset]) -> None:
    assert presets.keys() >= WANTED
    assert len(presets) >= 24
    assert sum(len(p.memory_options) or 1 for p in presets.values()) >= 25


def test_names_are_unique(presets: dict[str, DevicePreset]) -> None:
    owner = {preset_id: preset_id for preset_id in presets}
    for preset in presets.values():
        for alias in preset.aliases:
            assert alias not in owner, f"{alias}: {preset.id} and {owner.get(alias)}"
            owner[alias] = preset.id


def test_every_value_is_dated_and_none_comes_from_the_future(
    presets: dict[str, DevicePreset],
) -> None:
    for preset in presets.values():
        values = sourced_values(preset)
        assert len(values) >= 4, preset.id
        for value in values:
            assert value.source is None or value.checked is not None, (preset.id, value)
            assert value.checked is None or value.checked <= date.today(), (preset.id, value)


def test_memory(presets: dict[str, DevicePreset]) -> None:
    for preset in presets.values():
        nominal = preset.nominal_gib.value
        assert nominal is not None
        assert 1 <= nominal <= 1024, preset.id
        reserved = preset.reserved_gib.value
        assert reserved is not None
        if preset.memory_kind == "discrete":
            assert preset.visible_gib is not None
            visible = preset.visible_gib.value
            assert visible is not None
            assert 0.9 * nominal <= visible <= nominal, preset.id
            assert 0 <= reserved <= 1.5, preset.id
            assert not preset.memory_options, preset.id
        else:
            sizes = [option.gib for option in preset.memory_options]
            assert sizes == sorted(set(sizes)), preset.id
            assert preset.default_memory_gib in sizes, preset.id
            assert preset.default_memory_gib == nominal, preset.id
            assert preset.default_memory_note, preset.id
            others = [str(size) for size in sizes if size != preset.default_memory_gib]
            assert all(size in preset.default_memory_note for size in others), preset.id
            assert 0 < reserved < min(sizes), preset.id


def test_bandwidth(presets: dict[str, DevicePreset]) -> None:
    for preset in presets.values():
        options = [o.bandwidth_gb_s for o in preset.memory_options if o.bandwidth_gb_s is not None]
        for bandwidth in (preset.bandwidth_gb_s, *options):
            assert bandwidth.value is not None, preset.id
            assert 10 <= bandwidth.value <= 10_000, preset.id


def test_compute(presets: dict[str, DevicePreset]) -> None:
    for preset in presets.values():
        fp16 = preset.fp16_tflops.value
        if fp16 is None:
            continue
        assert 0.1 <= fp16 <= 5_000, preset.id
        bandwidth = preset.bandwidth_gb_s.value
        assert bandwidth is not None
        # FLOP per byte: a sparse or FP16-accumulate figure would fall outside for most cards.
        assert 5 <= fp16 * 1000 / bandwidth <= 500, preset.id
        for narrow in (preset.fp8_tflops, preset.int8_tops):
            if narrow is not None and narrow.value is not None:
                assert 1.9 <= narrow.value / fp16 <= 4.1, preset.id


def test_links_and_architecture(presets: dict[str, DevicePreset]) -> None:
    for preset in presets.values():
        if preset.interconnect is not None:
            speed = preset.interconnect.gb_s.value
            assert speed is not None
            low, high = {"pcie": (8, 64), "nvlink": (100, 1000), "xgmi": (50, 600)}[
                preset.interconnect.kind
            ]
            assert low <= speed <= high, preset.id
        assert (preset.interconnect is not None) == (preset.max_per_node > 1), preset.id
        assert (preset.compute_capability is not None) == (preset.vendor == "nvidia"), preset.id
        assert (preset.gfx is not None) == (preset.vendor == "amd"), preset.id


def test_apple(presets: dict[str, DevicePreset]) -> None:
    apple = [preset for preset in presets.values() if preset.vendor == "apple"]
    assert all(preset.id.startswith("apple-") for preset in apple)
    for preset in apple:
        assert (preset.os, preset.arch, preset.memory_kind) == ("macos", "arm64", "unified")
        assert preset.visible_gib is None, "unified memory: the option's size is the RAM"
        assert preset.gpu_limit_fraction is not None
        limit = preset.gpu_limit_fraction.value
        assert limit is not None
        smallest = min(option.gib for option in preset.memory_options)
        assert limit <= (2 / 3 if smallest <= 36 else 3 / 4), preset.id
        assert preset.gpu_cores, preset.id
        assert preset.interconnect is None, preset.id


@pytest.mark.parametrize(
    ("preset_id", "gib", "bandwidth"),
    [
        ("apple-m3-max", 36, None),
        ("apple-m3-max", 96, None),
        ("apple-m3-max", 64, 400.0),
        ("apple-m4-max", 36, None),
        ("apple-m4-max", 128, 546.0),
        ("apple-m5-max", 48, 614.0),
    ],
)
def test_size_tells_the_bin(
    presets: dict[str, DevicePreset], preset_id: str, gib: int, bandwidth: float | None
) -> None:
    (option,) = (o for o in presets[preset_id].memory_options if o.gib == gib)
    assert (option.bandwidth_gb_s and option.bandwidth_gb_s.value) == bandwidth
    assert (option.gpu_cores == 40) == (bandwidth is not None)
