"""Bytes of the weights in a folder, by the headers of its safetensors files or by their index.

A file begins with the length of its header (8 bytes, little endian), then the header: JSON with the
type, shape and place of every tensor. Source: huggingface/safetensors:README.md.
"""

from __future__ import annotations

import math
import re
import struct
from pathlib import Path
from typing import Any

from infra_gen.errors import UsageError
from infra_gen.knowledge.hf_config import parse_json

INDEX_FILE = "model.safetensors.index.json"
_LENGTH = 8
_LARGEST_HEADER = 100 * 2**20  # the format's own limit
_LARGEST_INDEX = 64 * 2**20
_SHARD = re.compile(r"-\d{5}-of-(\d{5})\.safetensors$")
# Bits of one element, by the names of the format.
_BITS = {
    "F64": 64, "I64": 64, "U64": 64, "F32": 32, "I32": 32, "U32": 32, "F16": 16, "BF16": 16,
    "I16": 16, "U16": 16, "F8_E4M3": 8, "F8_E4M3FN": 8, "F8_E5M2": 8, "F8_E8M0": 8, "I8": 8,
    "U8": 8, "BOOL": 8, "F6_E2M3": 6, "F6_E3M2": 6, "F4": 4, "C64": 64,
}  # fmt: skip


def weight_bytes(folder: Path) -> int | None:
    """Bytes of the tensors that an engine reads; None where the folder holds no weights.

    With an index and no file, its `total_size`. `consolidated` files are a second copy of the same
    weights. Raises UsageError naming the file that is missing, cut off or no safetensors file.
    """
    index = _index(folder)
    here = _files(folder)
    if index is None:
        _all_parts(here, folder)
        return sum(tensor_bytes(path) for path in here) or None
    listed, total = index
    missing = sorted(name for name in listed if not (folder / name).is_file())
    if missing and len(missing) < len(listed):
        raise UsageError(
            f"{len(listed) - len(missing)} of {len(listed)} weight files are here, {missing[0]} is "
            "not",
            where=str(folder), hint=f"fetch the rest: {INDEX_FILE} lists them",
        )  # fmt: skip
    if missing:
        return total
    return sum(tensor_bytes(folder / name) for name in sorted(listed))


def _files(folder: Path) -> list[Path]:
    return [
        path
        for path in sorted(folder.glob("*.safetensors"))
        if not path.name.startswith(("consolidated", "adapter_"))
    ]


def _all_parts(paths: list[Path], folder: Path) -> None:
    counts = {int(match[1]) for path in paths if (match := _SHARD.search(path.name))}
    if len(counts) == 1 and (wanted := counts.pop()) > len(paths):
        raise UsageError(
            f"{len(paths)} of {wanted} weight files are here", where=str(folder),
            hint="fetch the rest, or leave config.json alone to plan without weights",
        )  # fmt: skip


def _index(folder: Path) -> tuple[frozenset[str], int | None] | None:
    """Files that the index lists and the bytes that it states; None where there is no index."""
    path = folder / INDEX_FILE
    if not path.is_file():
        return None
    document = parse_json(_read(path, _LARGEST_INDEX), str(path))
    listed = document.get("weight_map") if isinstance(document, dict) else None
    if not isinstance(listed, dict) or not listed or not all(map(_is_name, listed.values())):
        raise UsageError("weight_map is not a list of tensors and their files", where=str(path))
    metadata = document.get("metadata")
    total = metadata.get("total_size") if isinstance(metadata, dict) else None
    if isinstance(total, float) and math.isfinite(total) and total == int(total):
        total = int(total)  # some publishers write 1.6e10
    if total is not None and (type(total) is not int or total <= 0):
        raise UsageError("metadata.total_size is not a number of bytes", where=str(path))
    return frozenset(listed.values()), total


def _is_name(name: object) -> bool:
    return isinstance(name, str) and name.endswith(".safetensors") and Path(name).name == name


def _read(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as stream:
            text = stream.read(limit + 1)
    except OSError as error:
        raise UsageError(f"not readable: {error}", where=str(path)) from error
    if len(text) > limit:
        raise UsageError(f"more than {limit >> 20} MiB: no {path.name}", where=str(path))
    return text


def tensor_bytes(path: Path) -> int:
    """Bytes of all tensors of one file, by its header. UsageError when the file is not whole."""
    try:
        with path.open("rb") as stream:
            start = stream.read(_LENGTH)
            length = struct.unpack("<Q", start)[0] if len(start) == _LENGTH else 0
            if not 2 <= length <= _LARGEST_HEADER:
                raise _broken(path, "it does not begin with the length of a header")
            text = stream.read(length)
        size = path.stat().st_size
    except OSError as error:
        raise UsageError(f"not readable: {error}", where=str(path)) from error
    if len(text) < length:
        raise _broken(path, "its header is cut off")
    header = parse_json(text, str(path))
    if not isinstance(header, dict):
        raise _broken(path, "its header is no JSON object")
    ends = [_tensor(path, name, one) for name, one in header.items() if name != "__metadata__"]
    last = max((end for _, end in ends), default=0)
    if _LENGTH + length + last > size:
        raise _broken(
            path, f"it ends {_LENGTH + length + last - size} bytes before its last tensor"
        )
    return sum(count for count, _ in ends)


def _tensor(path: Path, name: str, one: Any) -> tuple[int, int]:
    """Bytes of a tensor and where it ends, both by its offsets; its type and shape must agree."""
    fields = one if isinstance(one, dict) else {}
    offsets, shape = _counts(fields.get("data_offsets")), _counts(fields.get("shape"))
    if offsets is None or shape is None or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise _broken(path, f"its header says no place or shape for {name[:80]!r}")
    bits = _BITS.get(str(fields.get("dtype")))
    size = offsets[1] - offsets[0]
    if bits is not None and -(-math.prod(shape) * bits // 8) != size:
        raise _broken(path, f"{name[:80]!r} has {size} bytes, its shape and type say otherwise")
    return size, offsets[1]


def _counts(value: object) -> list[int] | None:
    """`value` as a list of numbers that are not negative, None when it is none."""
    if not isinstance(value, list) or not all(type(one) is int and one >= 0 for one in value):
        return None
    return value


def _broken(path: Path, why: str) -> UsageError:
    return UsageError(
        f"no whole safetensors file: {why}", where=str(path), hint="fetch it again, or remove it"
    )
