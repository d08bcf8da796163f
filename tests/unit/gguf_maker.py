"""GGUF files for tests, written by hand: so that wrong ones can be written too."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

UINT32, BOOL, TEXT, ARRAY = 4, 7, 8, 9
F32, F16, Q4_K = 0, 1, 12
# Elements a block, bytes a block. Source: ggml-org/ggml:src/ggml-common.h
BLOCKS = {F32: (1, 4), F16: (1, 2), Q4_K: (256, 144)}
Value = int | bool | str | Sequence[int] | Sequence[bool] | Sequence[str]
Tensors = Mapping[str, tuple[tuple[int, ...], int]]


def text(value: str) -> bytes:
    raw = value.encode()
    return struct.pack("<Q", len(raw)) + raw


def value_bytes(value: Value) -> bytes:
    if isinstance(value, bool):
        return struct.pack("<I?", BOOL, value)
    if isinstance(value, int):
        return struct.pack("<II", UINT32, value)
    if isinstance(value, str):
        return struct.pack("<I", TEXT) + text(value)
    kind = TEXT if isinstance(value[0], str) else BOOL if isinstance(value[0], bool) else UINT32
    items = b"".join(
        text(v) if isinstance(v, str) else struct.pack("<?" if kind == BOOL else "<I", v)
        for v in value
    )
    return struct.pack("<IIQ", ARRAY, kind, len(value)) + items


def size_of(shape: tuple[int, ...], kind: int) -> int:
    elements = 1
    for size in shape:
        elements *= size
    block, width = BLOCKS[kind]
    return elements // block * width


def header(values: Mapping[str, Value], tensors: Tensors) -> bytes:
    found = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(values))
    for key, value in values.items():
        found += text(key) + value_bytes(value)
    offset = 0
    for name, (shape, kind) in tensors.items():
        found += text(name) + struct.pack("<I", len(shape)) + struct.pack(f"<{len(shape)}Q", *shape)
        found += struct.pack("<IQ", kind, offset)
        offset += -(-size_of(shape, kind) // 32) * 32
    return found


def write(path: Path, values: Mapping[str, Value], tensors: Tensors | None = None) -> Path:
    """A file whose weights are a hole: its size is right, its disk space is not used."""
    listed = {"token_embd.weight": ((64, 32), F16)} if tensors is None else tensors
    data = header(values, listed)
    weights = sum(-(-size_of(shape, kind) // 32) * 32 for shape, kind in listed.values())
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as stream:
        stream.write(data)
        stream.truncate(-(-len(data) // 32) * 32 + weights)
    return path


def keys(arch: str, **more: Value) -> dict[str, Value]:
    """A small model of that architecture; `more` by GGUF key, __ for a dot."""
    base: dict[str, Value] = {
        "block_count": 8, "embedding_length": 64, "feed_forward_length": 128,
        "context_length": 4096, "attention.head_count": 8, "attention.head_count_kv": 2,
    }  # fmt: skip
    base |= {key.replace("__", "."): value for key, value in more.items()}
    named = {f"{arch}.{key}": value for key, value in base.items()}
    return {
        "general.architecture": arch,
        "general.file_type": 15,
        "tokenizer.ggml.tokens": ["a", "b", "c"],
        **named,
    }
