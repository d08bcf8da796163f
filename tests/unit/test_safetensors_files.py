"""Weights of a folder: by the headers of real (tiny) safetensors files, or by their index."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from infra_gen.errors import UsageError
from infra_gen.knowledge.safetensors_files import INDEX_FILE, tensor_bytes, weight_bytes

SIZES = {"BF16": 2, "F8_E4M3": 1, "F32": 4, "U8": 1}


def file(path: Path, tensors: dict[str, tuple[str, list[int]]], **change: Any) -> Path:
    """A safetensors file with zeros; `change` overwrites entries of its header."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    at = 0
    for name, (kind, shape) in tensors.items():
        size = SIZES[kind]
        for width in shape:
            size *= width
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps({**header, **change}).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(at))
    return path


def index(folder: Path, listed: dict[str, str], total: object) -> None:
    document = {"metadata": {"total_size": total}, "weight_map": listed}
    (folder / INDEX_FILE).write_text(json.dumps(document), "utf-8")


def test_a_file_weighs_its_tensors_not_its_header(tmp_path: Path) -> None:
    path = file(tmp_path / "model.safetensors", {"a": ("BF16", [3, 5]), "s": ("F8_E4M3", [7])})
    assert tensor_bytes(path) == 30 + 7
    assert path.stat().st_size > 37
    assert weight_bytes(tmp_path) == 37


def test_second_copies_and_adapters_do_not_count(tmp_path: Path) -> None:
    file(tmp_path / "model.safetensors", {"a": ("BF16", [10])})
    file(tmp_path / "consolidated.safetensors", {"a": ("BF16", [10])})
    file(tmp_path / "adapter_model.safetensors", {"a": ("F32", [10])})
    assert weight_bytes(tmp_path) == 20


def test_only_what_the_index_lists_counts(tmp_path: Path) -> None:
    file(tmp_path / "model-00001-of-00002.safetensors", {"a": ("BF16", [10])})
    file(tmp_path / "model-00002-of-00002.safetensors", {"b": ("BF16", [20])})
    file(tmp_path / "extra.safetensors", {"c": ("BF16", [1000])})
    index(tmp_path, {k: f"model-0000{n}-of-00002.safetensors" for k, n in (("a", 1), ("b", 2))}, 60)
    assert weight_bytes(tmp_path) == 60


@pytest.mark.parametrize(("total", "expected"), [(123_456, 123_456), (1.5e3, 1500), (None, None)])
def test_an_index_alone_states_the_size(tmp_path: Path, total: object, expected: object) -> None:
    index(tmp_path, {"a": "model-00001-of-00001.safetensors"}, total)
    assert weight_bytes(tmp_path) == expected


def test_no_weights_are_no_size(tmp_path: Path) -> None:
    assert weight_bytes(tmp_path) is None


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    file(tmp_path / "model-00001-of-00002.safetensors", {"a": ("BF16", [10])})
    with pytest.raises(UsageError, match="1 of 2 weight files"):
        weight_bytes(tmp_path)
    index(tmp_path, {k: f"model-0000{n}-of-00002.safetensors" for k, n in (("a", 1), ("b", 2))}, 60)
    with pytest.raises(UsageError, match=r"model-00002-of-00002\.safetensors"):
        weight_bytes(tmp_path)


ENTRY = {"dtype": "BF16", "shape": [10], "data_offsets": [0, 20]}
BROKEN: dict[str, dict[str, Any]] = {
    "no offsets": {"a": {"dtype": "BF16", "shape": [10]}},
    "backwards": {"a": {**ENTRY, "data_offsets": [20, 0]}},
    "negative": {"a": {**ENTRY, "data_offsets": [-20, 0]}},
    "text for a tensor": {"a": "BF16"},
    "another shape": {"a": {**ENTRY, "shape": [11]}},
    "beyond the end": {"a": {**ENTRY, "shape": [1000], "data_offsets": [0, 2000]}},
    "a fraction": {"a": {**ENTRY, "data_offsets": [0, 20.0]}},
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_wrong_header_is_refused(case: str, tmp_path: Path) -> None:
    path = file(tmp_path / "model.safetensors", {"a": ("BF16", [10])}, **BROKEN[case])
    with pytest.raises(UsageError, match="no whole safetensors file") as error:
        weight_bytes(tmp_path)
    assert str(path) in "\n".join(error.value.lines())


@pytest.mark.parametrize(
    "text",
    [
        b"", b"\0" * 7, b"\0" * 64, b"\xff" * 64, (10**6).to_bytes(8, "little") + b"{}",
        (4).to_bytes(8, "little") + b"[[]]", (4).to_bytes(8, "little") + b"\xff\xfe{}",
    ],
)  # fmt: skip
def test_other_files_are_refused(text: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(text)
    with pytest.raises(UsageError):
        weight_bytes(tmp_path)


def test_a_file_that_is_cut_off(tmp_path: Path) -> None:
    path = file(tmp_path / "model.safetensors", {"a": ("BF16", [100])})
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(UsageError, match="ends 1 bytes before"):
        weight_bytes(tmp_path)


@pytest.mark.parametrize(
    "document",
    ["[]", "{}", '{"weight_map": []}', '{"weight_map": {"a": "../x.safetensors"}}',
     '{"weight_map": {"a": 5}}', '{"metadata": {"total_size": -1}, "weight_map": {"a": "a.safetensors"}}',
     '{"metadata": {"total_size": true}, "weight_map": {"a": "a.safetensors"}}', "{"],
)  # fmt: skip
def test_a_wrong_index_is_refused(document: str, tmp_path: Path) -> None:
    (tmp_path / INDEX_FILE).write_text(document, "utf-8")
    with pytest.raises(UsageError) as error:
        weight_bytes(tmp_path)
    assert INDEX_FILE in "\n".join(error.value.lines())
