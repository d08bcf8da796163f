"""Models from GGUF files: what the metadata says, and what damaged or hostile files do."""

from __future__ import annotations

import os
import struct
import sys
import time
from datetime import date
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit import gguf_maker as maker
from tests.unit.gguf_maker import F16, F32, Q4_K, keys, write

from infra_gen.errors import InfraGenError, UsageError
from infra_gen.knowledge import store
from infra_gen.knowledge.gguf_file import read_gguf
from infra_gen.knowledge.gguf_header import read_header
from infra_gen.knowledge.models import resolve_model
from infra_gen.model.llm import Architecture, LayerGroup, ModelPreset

DAY = date(2026, 1, 1)


def architecture(folder: Path, arch: str, **more: Any) -> Architecture:
    return read_gguf(write(folder / "m.gguf", keys(arch, **more)), DAY).preset.architecture


def kept(found: Architecture) -> list[tuple[Any, ...]]:
    """What each group keeps, with the whole model's head counts filled in."""
    rows = []
    for group in found.layer_groups:
        row: tuple[Any, ...] = (group.kind, group.layers, group.window)
        if group.kind not in ("none", "linear", "mamba"):
            row += (group.kv_heads or found.kv_heads, group.head_dim or found.head_dim)
        rows.append(row)
    return sorted(rows)


def test_a_plain_model(tmp_path: Path) -> None:
    path = write(
        tmp_path / "Tiny-Q4_K_M.gguf",
        {**keys("llama"), "general.name": "Tiny\n# one", "general.license": "mit",
         "tokenizer.chat_template": "{{ messages }}"},
        {"token_embd.weight": ((64, 32), F16), "output.weight": ((256, 3), Q4_K),
         "blk.0.attn_norm.weight": ((64,), F32)},
    )  # fmt: skip
    found = read_gguf(path, DAY)
    arch = found.preset.architecture
    assert (arch.layers, arch.hidden_size, arch.heads, arch.kv_heads) == (8, 64, 8, 2)
    assert (arch.head_dim, arch.vocab_size, arch.max_context) == (8, 3, 4096)
    assert not arch.tied_embeddings
    assert arch.known
    assert found.quantization == "Q4_K_M"
    assert found.bytes == 64 * 32 * 2 + 3 * 144 + 64 * 4
    assert found.preset.params_total.value == 64 * 32 + 256 * 3 + 64
    assert (found.preset.name, found.preset.id) == ("Tiny # one", "tiny-q4-k-m")
    assert found.preset.license.value == "mit"
    assert found.preset.chat_template
    assert found.preset.chat_template.value == "in the GGUF file"
    assert found.preset.task == "generate"


WINDOWS: dict[str, tuple[str, dict[str, Any], list[tuple[Any, ...]]]] = {
    "gpt-oss": ("gpt-oss", {"attention__sliding_window": 128},
                [("full", 4, None, 2, 8), ("sliding", 4, 128, 2, 8)]),
    "gemma3 5 to 1": ("gemma3", {"attention__sliding_window": 1024},
                      [("full", 1, None, 2, 8), ("sliding", 7, 1024, 2, 8)]),
    "gemma2 without its width": ("gemma2", {}, [("full", 4, None, 2, 8),
                                                ("sliding", 4, 4096, 2, 8)]),
    "a pattern for each layer": (
        "gemma4",
        {"attention__sliding_window": 512, "attention__sliding_window_pattern": [True] * 6 + [False] * 2,
         "attention__head_count_kv": [2] * 6 + [1] * 2, "attention__key_length": 16,
         "attention__value_length": 16, "attention__key_length_swa": 8,
         "attention__value_length_swa": 8},
        [("full", 2, None, 1, 16), ("sliding", 6, 512, 2, 8)]),
    "layers that share a cache": (
        "gemma4",
        {"attention__sliding_window": 512, "attention__sliding_window_pattern": [True, False] * 4,
         "attention__shared_kv_layers": 4},
        [("full", 2, None, 2, 8), ("none", 4, None), ("sliding", 2, 512, 2, 8)]),
    "chunks": ("llama4", {}, [("chunked", 6, 8192, 2, 8), ("full", 2, None, 2, 8)]),
    "a window that llama.cpp does not use": ("qwen2", {"attention__sliding_window": 64},
                                             [("full", 8, None, 2, 8)]),
    "phi3's neither": ("phi3", {"attention__sliding_window": 64}, [("full", 8, None, 2, 8)]),
    "heads differ by layer": ("deci", {"attention__head_count_kv": [2, 2, 4, 4, 0, 2, 2, 2]},
                              [("full", 2, None, 4, 8), ("full", 5, None, 2, 8),
                               ("none", 1, None)]),
    "an encoder": ("bert", {"pooling_type": 2}, [("none", 8, None)]),
    "prediction heads are no layers": ("glm4moe", {"nextn_predict_layers": 1},
                                       [("full", 7, None, 2, 8)]),
    "unequal keys and values": ("llama", {"attention__key_length": 12, "attention__value_length": 8},
                                [("full", 8, None, 2, 10)]),
}  # fmt: skip


@pytest.mark.parametrize("case", WINDOWS)
def test_what_the_layers_keep(case: str, tmp_path: Path) -> None:
    arch, more, expected = WINDOWS[case]
    assert kept(architecture(tmp_path, arch, **more)) == expected


SSM = {"ssm__conv_kernel": 4, "ssm__inner_size": 4096, "ssm__state_size": 128,
       "ssm__time_step_rank": 32, "ssm__group_count": 16}  # fmt: skip
MIB = 2**20


def states(found: Architecture) -> float:
    return sum(group.layers * (group.state_bytes or 0) for group in found.layer_groups) / MIB


def test_gated_delta_nets_keep_what_llama_cpp_reports(tmp_path: Path) -> None:
    """62.81 MiB a sequence for Qwen3.5/3.6-35B-A3B, 75.38 for Qwen3-Next: their start-up logs."""
    small = architecture(tmp_path, "qwen35moe", block_count=40, **SSM)
    assert {g.kind: g.layers for g in small.layer_groups} == {"linear": 30, "full": 10}
    assert states(small) == pytest.approx(62.81, abs=0.005)
    assert states(architecture(tmp_path, "qwen3next", block_count=48, **SSM)) == pytest.approx(
        75.38, abs=0.005
    )


def test_mamba_layers_are_those_without_heads(tmp_path: Path) -> None:
    hybrid = architecture(
        tmp_path, "granitehybrid", attention__head_count_kv=[0, 0, 0, 2] * 2, **SSM
    )
    assert {g.kind: g.layers for g in hybrid.layer_groups} == {"mamba": 6, "full": 2}
    parts = architecture(
        tmp_path, "nemotron_h", attention__head_count_kv=[0, 0, 2, 0] * 2,
        feed_forward_length=[0, 64, 0, 64] * 2, **SSM,
    )  # fmt: skip
    assert {g.kind: g.layers for g in parts.layer_groups} == {"mamba": 2, "full": 2, "none": 4}
    beside = architecture(tmp_path, "falcon-h1", **SSM)
    assert [(g.kind, g.layers) for g in beside.layer_groups] == [("full", 8)]
    assert beside.layer_groups[0].state_bytes == hybrid.layer_groups[0].state_bytes
    short = architecture(
        tmp_path, "lfm2", attention__head_count_kv=[0, 2] * 4, shortconv__l_cache=3
    )
    assert short.layer_groups[0].state_bytes == 2 * 64 * 4
    pure = architecture(
        tmp_path, "mamba", attention__head_count=0, attention__head_count_kv=0, **SSM
    )
    assert [(g.kind, g.layers) for g in pure.layer_groups] == [("mamba", 8)]


def test_latent_attention(tmp_path: Path) -> None:
    more = {"attention__kv_lora_rank": 512, "attention__key_length": 576,
            "attention__value_length": 512, "attention__key_length_mla": 192,
            "attention__value_length_mla": 128, "rope__dimension_count": 64,
            "attention__head_count": 16, "attention__head_count_kv": 1,
            "expert_count": 64, "expert_used_count": 6, "expert_feed_forward_length": 1408,
            "expert_shared_count": 2, "leading_dense_block_count": 1}  # fmt: skip
    found = architecture(tmp_path, "deepseek2", block_count=27, **more)
    preset = store.load("models", "deepseek-v2-lite-chat", ModelPreset).architecture
    assert found.mla == preset.mla
    assert found.head_dim == preset.head_dim
    assert found.moe == preset.moe
    old = architecture(
        tmp_path, "deepseek2", **{k: v for k, v in more.items() if not k.endswith("_mla")}
    )
    assert old.mla is None, "files from before build 5000 keep whole keys and values"


PRESETS: dict[str, tuple[str, dict[str, Any]]] = {
    "gpt-oss-20b": ("gpt-oss", {
        "block_count": 24, "embedding_length": 2880, "attention__head_count": 64,
        "attention__head_count_kv": 8, "attention__key_length": 64, "attention__value_length": 64,
        "attention__sliding_window": 128, "expert_count": 32, "expert_used_count": 4,
        "expert_feed_forward_length": 2880, "context_length": 131072}),
    "gemma-3-4b-it": ("gemma3", {
        "block_count": 34, "embedding_length": 2560, "attention__head_count": 8,
        "attention__head_count_kv": 4, "attention__key_length": 256,
        "attention__value_length": 256, "attention__sliding_window": 1024,
        "context_length": 131072}),
    "qwen3-30b-a3b": ("qwen3moe", {
        "block_count": 48, "embedding_length": 2048, "attention__head_count": 32,
        "attention__head_count_kv": 4, "attention__key_length": 128,
        "attention__value_length": 128, "expert_count": 128, "expert_used_count": 8,
        "expert_feed_forward_length": 768, "context_length": 40960}),
}  # fmt: skip


@pytest.mark.parametrize("name", PRESETS)
def test_the_same_model_as_the_preset(name: str, tmp_path: Path) -> None:
    arch, more = PRESETS[name]
    found = architecture(tmp_path, arch, **more)
    preset = store.load("models", name, ModelPreset).architecture
    assert kept(found) == kept(preset)
    assert (found.layers, found.hidden_size, found.heads) == (
        preset.layers, preset.hidden_size, preset.heads,
    )  # fmt: skip
    assert found.max_context == preset.max_context
    assert (found.moe is None) == (preset.moe is None)
    if found.moe and preset.moe:
        assert found.moe.experts == preset.moe.experts
        assert found.moe.experts_per_token == preset.moe.experts_per_token


def test_an_unknown_architecture_is_sized_as_if_it_kept_everything(tmp_path: Path) -> None:
    found = architecture(
        tmp_path, "magic", attention__sliding_window=8, attention__head_count_kv=[1, 4] * 4
    )
    assert not found.known
    assert found.layer_groups == (LayerGroup(kind="full", layers=8),)
    assert found.kv_heads == 4


def test_experts_count_by_their_share(tmp_path: Path) -> None:
    tensors = {"token_embd.weight": ((64, 32), F16), "blk.0.ffn_up_exps.weight": ((64, 32, 8), F16)}
    path = write(
        tmp_path / "m.gguf", keys("qwen3moe", expert_count=8, expert_used_count=2), tensors
    )
    preset = read_gguf(path, DAY).preset
    assert preset.params_total.value == 64 * 32 * 9
    assert preset.params_active.value == 64 * 32 * 3


@pytest.mark.parametrize(
    ("pooling", "task"), [(0, "generate"), (1, "embed"), (3, "embed"), (4, "rerank")]
)
def test_what_it_is_for(pooling: int, task: str, tmp_path: Path) -> None:
    path = write(tmp_path / "m.gguf", keys("qwen3", pooling_type=pooling))
    assert read_gguf(path, DAY).preset.task == task


@pytest.mark.parametrize(
    ("number", "name"),
    [(15, "Q4_K_M"), (0, "F32"), (38, "MXFP4"), (1024 + 7, "Q8_0"), (999, "F16")],
)
def test_the_name_of_the_quantization(number: int, name: str, tmp_path: Path) -> None:
    path = write(tmp_path / "m.gguf", {**keys("llama"), "general.file_type": number})
    assert read_gguf(path, DAY).quantization == name


def split(folder: Path, count: int = 3) -> list[Path]:
    tensors = {"token_embd.weight": ((64, 32), F16)}
    first: dict[str, Any] = {**keys("llama"), "split.no": 0, "split.count": count}
    later: dict[str, Any] = {"split.no": 1, "split.count": count}
    names = [f"big-{n:05d}-of-{count:05d}.gguf" for n in range(1, count + 1)]
    return [write(folder / name, later if n else first, tensors) for n, name in enumerate(names)]


def test_a_model_in_parts(tmp_path: Path) -> None:
    paths = split(tmp_path)
    for path in paths:
        found = read_gguf(path, DAY)
        assert found.names == tuple(p.name for p in paths)
        assert found.bytes == 3 * 64 * 32 * 2
        assert found.preset.id == "big"
    facts = resolve_model("./" + paths[1].name, tmp_path)
    assert (facts.file, facts.file_folder) == ("./" + paths[0].name, ".")
    assert facts.file_names == tuple(p.name for p in paths)


def test_a_missing_part(tmp_path: Path) -> None:
    split(tmp_path)[1].unlink()
    with pytest.raises(UsageError, match="1 of 3 parts are missing: big-00002-of-00003"):
        resolve_model("big-00001-of-00003.gguf", tmp_path)


def test_a_renamed_part(tmp_path: Path) -> None:
    split(tmp_path)[0].rename(tmp_path / "big.gguf")
    with pytest.raises(UsageError, match="one of 3 parts by its metadata, 1 by its name"):
        resolve_model("big.gguf", tmp_path)


def bad(folder: Path, name: str) -> Path:
    """A file or something else that is no model."""
    path = folder / "m.gguf"
    good = maker.header(keys("llama"), {"token_embd.weight": ((64, 32), F16)})
    start = b"GGUF" + struct.pack("<I", 3)
    contents = {
        "empty": b"",
        "short": b"GG",
        "magic": b"GGML" + good[4:],
        "pointer": b"version https://git-lfs.github.com/spec/v1\n",
        "version": b"GGUF" + struct.pack("<I", 1) + good[8:],
        "big endian": b"GGUF" + struct.pack(">I", 3) + good[8:],
        "tensors": start + struct.pack("<QQ", 2**60, 0),
        "keys": start + struct.pack("<QQ", 0, 2**60),
        "text": start + struct.pack("<QQ", 0, 1) + struct.pack("<Q", 2**62),
        "array": start + struct.pack("<QQ", 0, 1) + maker.text("a")
        + struct.pack("<IIQ", 9, 8, 2**50),
        "nested": start + struct.pack("<QQ", 0, 1) + maker.text("a") + struct.pack("<IIQ", 9, 9, 1),
        "type": start + struct.pack("<QQ", 0, 1) + maker.text("a") + struct.pack("<I", 77),
        "no weights": good,
        "no keys": start + struct.pack("<QQ", 0, 0),
    }  # fmt: skip
    if name in contents:
        path.write_bytes(contents[name])
    elif name == "folder":
        path.mkdir()
    elif name == "loop":
        path.symlink_to(path)
    elif name == "pipe":
        os.mkfifo(path)
    elif name == "no such file":
        pass
    else:
        values, tensors = ODD[name]
        write(path, values, tensors)
    return path


PLAIN = {"token_embd.weight": ((64, 32), F16)}
ODD: dict[str, tuple[dict[str, Any], Any]] = {
    "projector": ({**keys("clip"), "general.type": "mmproj"}, PLAIN),
    "adapter": ({**keys("llama"), "general.type": "adapter"}, PLAIN),
    "no layers": ({k: v for k, v in keys("llama").items() if "block" not in k}, PLAIN),
    "zero layers": (keys("llama", block_count=0), PLAIN),
    "many layers": (keys("llama", block_count=2**31), PLAIN),
    "short list": (keys("llama", attention__head_count_kv=[2, 2]), PLAIN),
    "no context": ({k: v for k, v in keys("llama").items() if "context" not in k}, PLAIN),
    "odd name": ({**keys("llama"), "general.architecture": "x\n- evil"}, PLAIN),
    "alignment": ({**keys("llama"), "general.alignment": 0}, PLAIN),
    "nothing": (keys("llama"), {}),
}
BAD = {
    "empty": "is empty", "short": "ends inside its header", "magic": "not a GGUF file",
    "pointer": "Git LFS pointer", "version": "GGUF version 1", "big endian": "big-endian",
    "tensors": "more than any model", "keys": "more than any model",
    "text": "ends inside its header", "array": "does not fit the file", "nested": "unknown type 9",
    "type": "unknown type 77", "no weights": "before its weights", "no keys": "architecture is missing",
    "folder": "a folder", "loop": "not readable", "pipe": "not a regular file",
    "no such file": "no such file", "projector": "not a model by itself",
    "adapter": "not a model by itself", "no layers": "llama.block_count is missing",
    "zero layers": "block_count is 0", "many layers": "block_count is", "short list": "head_count_kv",
    "no context": "llama.context_length is missing", "odd name": "architecture is missing",
    "alignment": "general.alignment", "nothing": "holds no weights",
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_is_no_model_says_so(case: str, tmp_path: Path) -> None:
    path = bad(tmp_path, case)
    started = time.monotonic()
    with pytest.raises(UsageError) as error:
        resolve_model("m.gguf", tmp_path)
    assert time.monotonic() - started < 5
    said = "\n".join(error.value.lines())
    assert BAD[case] in said
    assert str(path) in said


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "m.gguf", keys("llama"))

    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(UsageError, match=r"not readable: .*Permission denied"):
        read_gguf(path, DAY)


def test_a_header_of_nothing_but_empty_words_ends_in_time(tmp_path: Path) -> None:
    """The largest loop that a small hostile file can ask for: its own size in empty strings."""
    path = tmp_path / "m.gguf"
    start = b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + maker.text("a")
    path.write_bytes(start + struct.pack("<IIQ", 9, 8, 7_000_000))
    with path.open("r+b") as stream:
        stream.truncate(2**40)  # a terabyte, all of it a hole
    started = time.monotonic()
    with pytest.raises(UsageError):
        read_gguf(path, DAY)
    assert time.monotonic() - started < 30


def test_every_truncation_is_an_error(tmp_path: Path) -> None:
    more = {"attention__head_count_kv": [2, 1] * 4, "attention__sliding_window": 4,
            "attention__sliding_window_pattern": [True, False] * 4}  # fmt: skip
    whole = write(tmp_path / "whole.gguf", keys("gemma4", **more))
    data = whole.read_bytes()
    cut = tmp_path / "cut.gguf"
    for length in range(0, len(data), 7):
        cut.write_bytes(data[:length])
        with pytest.raises(UsageError):
            read_gguf(cut, DAY)


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(places=st.lists(st.tuples(st.integers(8, 2_000), st.integers(0, 255)), max_size=12))
def test_changed_bytes_are_read_or_refused(places: list[tuple[int, int]], tmp_path: Path) -> None:
    data = bytearray(
        maker.header(keys("qwen3next", **SSM, expert_count=4, expert_used_count=2), PLAIN)
        + bytes(8192)
    )
    for place, byte in places:
        data[place % len(data)] = byte
    path = tmp_path / "m.gguf"
    path.write_bytes(bytes(data))
    try:
        found = read_gguf(path, DAY)
    except InfraGenError as error:
        assert error.where  # noqa: PT017 - either outcome is right
    else:
        assert found.preset.architecture.layers <= 1024


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.binary(max_size=400))
def test_garbage_is_refused(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(b"GGUF\x03\x00\x00\x00" + data)
    with pytest.raises(InfraGenError):
        read_gguf(path, DAY)


def test_the_library_reads_the_same(tmp_path: Path) -> None:
    """A file by the gguf package's writer, read by its reader and by ours."""
    path = tmp_path / "m.gguf"
    writer = gguf.GGUFWriter(path, "gemma4")
    writer.add_block_count(4)
    writer.add_embedding_length(64)
    writer.add_context_length(1024)
    writer.add_feed_forward_length([128, 128, 64, 64])
    writer.add_head_count(4)
    writer.add_head_count_kv([2, 2, 2, 1])
    writer.add_sliding_window(32)
    writer.add_sliding_window_pattern([True, True, True, False])
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    writer.add_token_list([b"one", b"two", "drei \u00e4".encode()])
    writer.add_tensor("token_embd.weight", np.zeros((3, 64), dtype=np.float32))
    q8 = gguf.GGMLQuantizationType.Q8_0
    packed = gguf.quants.quantize(np.zeros((8, 64), np.float32), q8)
    writer.add_tensor("blk.0.attn_q.weight", packed, raw_dtype=q8)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    theirs = gguf.GGUFReader(path)
    ours = read_header(path)
    assert [t.name for t in ours.tensors] == [t.name for t in theirs.tensors]
    assert [t.elements for t in ours.tensors] == [int(t.n_elements) for t in theirs.tensors]
    assert ours.data_start == theirs.data_offset
    assert set(ours.values) == {k for k in theirs.fields if not k.startswith("GGUF.")}
    found = read_gguf(path, DAY)
    assert found.bytes == sum(int(t.n_bytes) for t in theirs.tensors)
    assert found.quantization == "Q8_0"
    assert found.preset.architecture.vocab_size == 3
    assert kept(found.preset.architecture) == [("full", 1, None, 1, 16), ("sliding", 3, 32, 2, 16)]


def test_without_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gguf", None)
    write(tmp_path / "m.gguf", keys("llama"))
    with pytest.raises(UsageError) as error:
        resolve_model("./m.gguf", tmp_path)
    assert "pip install 'infra-gen[gguf]'" in (error.value.hint or "")


def test_how_the_spec_names_it(tmp_path: Path) -> None:
    write(tmp_path / "models" / "m.gguf", keys("llama"))
    facts = resolve_model("models/m.gguf", tmp_path)
    assert (facts.file, facts.file_folder, facts.reference) == (
        "./models/m.gguf", "./models", "./models/m.gguf",
    )  # fmt: skip
    absolute = resolve_model(str(tmp_path / "models" / "m.gguf"), Path("/"))
    assert absolute.file_folder == str(tmp_path / "models")


def test_a_folder_with_gguf_files_names_them(tmp_path: Path) -> None:
    write(tmp_path / "models" / "m.gguf", keys("llama"))
    with pytest.raises(UsageError) as error:
        resolve_model("./models", tmp_path)
    assert error.value.hint == "name a file in it: m.gguf"
