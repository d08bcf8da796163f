"""Presets that people edit: read as they are, and named when they are wrong."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra_gen.cli.main import run
from infra_gen.errors import PresetError
from infra_gen.knowledge import engines, store
from infra_gen.model.hardware import DevicePreset
from infra_gen.resources import data_dir

CARD = "hardware/rtx-4090.yaml"


@pytest.fixture
def presets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A checkout's presets to edit, all older than their index."""
    copy = tmp_path / "presets"
    shutil.copytree(data_dir("presets"), copy)
    for path in copy.rglob("*.yaml"):
        os.utime(path, (1, 1))
    monkeypatch.setattr(store, "data_dir", lambda _: copy)
    caches = (store.index, store._index_written, engines.engine_info)
    for cache in caches:
        cache.cache_clear()
    yield copy
    for cache in caches:
        cache.cache_clear()


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")
    os.utime(path)
    later = path.stat().st_mtime + 60
    os.utime(path, (later, later))


def name_of_card() -> str:
    return store.load("hardware", "rtx-4090", DevicePreset).name


def test_an_edited_preset_counts_before_the_index_is_rebuilt(presets: Path) -> None:
    edit(presets / CARD, "name: NVIDIA GeForce RTX 4090", "name: Another card")
    assert name_of_card() == "Another card"


def test_so_does_an_edited_engine(presets: Path) -> None:
    edit(presets / "engines/vllm/engine.yaml", "title: vLLM", "title: Another")
    assert engines.engine_info("vllm").facts.title == "Another"


def test_a_file_that_is_only_newer_is_not_parsed(
    presets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit(presets / CARD, "name:", "name:")
    monkeypatch.setattr(store, "read_yaml", lambda _: pytest.fail("parsed"))
    assert name_of_card() == "NVIDIA GeForce RTX 4090"


def test_an_installed_package_never_looks_at_the_files(
    presets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit(presets / CARD, "name: NVIDIA GeForce RTX 4090", "name: Another card")
    monkeypatch.setattr(store, "in_checkout", lambda: False)
    assert name_of_card() == "NVIDIA GeForce RTX 4090"


def test_a_wrong_preset_is_no_bug(presets: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(presets / CARD, "family:", "famly:")
    assert run(["plan", "-H", "rtx-4090", "-u", "2"]) == 1
    said = capsys.readouterr().err
    assert f"{presets / CARD}: family: Field required (1 more)" in said
    assert "make index" in said
    assert "report" not in said


def test_what_is_no_yaml_is_named_with_its_line(presets: Path) -> None:
    (presets / "hardware/mine.yaml").write_text("id: mine\nname: [\n", "utf-8")
    with pytest.raises(PresetError) as told:
        store.load("hardware", "mine", DevicePreset)
    assert (told.value.where or "").startswith(f"{presets / 'hardware/mine.yaml'}:")
