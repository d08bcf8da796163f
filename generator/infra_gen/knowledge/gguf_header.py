"""The header of a GGUF file, read within fixed bounds and never beyond it into the weights.

The file may come from anywhere, so no count or length in it is believed before it is compared with
what is left of the file: reading takes time and memory in proportion to the header alone.
Format: ggml-org/ggml:docs/gguf.md.
"""

from __future__ import annotations

import re
import stat
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from infra_gen.errors import UsageError

_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
# Published headers have up to about 30 MiB (a quarter million tokens and half a million merges).
_HEADER_LIMIT = 64 * 2**20
_MOST_KEYS = 10_000
_MOST_TENSORS = 200_000
_MOST_DIMENSIONS = 4  # GGML_MAX_DIMS
_MOST_LISTED = 4_096  # elements of an array that are kept: one value a layer, never a vocabulary
_LONGEST_KEPT = 64 * 2**10  # bytes of a text that are kept
_STEP = 2**20
_NAME = re.compile(r"^[a-z0-9][a-z0-9_.-]{0,63}$")
_SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q",
            11: "<q", 12: "<d"}  # fmt: skip
_TEXT, _ARRAY = 8, 9
_DAMAGED = "the file is damaged or its download is incomplete: fetch it again"


@dataclass(frozen=True, slots=True)
class Listed:
    """An array: how many elements, and the numbers themselves where they are few."""

    count: int
    values: tuple[int | float | bool, ...] | None


Value = int | float | bool | str | Listed


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor as the header describes it. `kind` is ggml's number of the element type."""

    name: str
    shape: tuple[int, ...]
    kind: int
    offset: int

    @property
    def elements(self) -> int:
        """How many numbers it holds."""
        total = 1
        for size in self.shape:
            total *= size
        return total


@dataclass(frozen=True, slots=True)
class Header:
    """Metadata and tensors of one file; weights start at `data_start`, the file has `size` bytes."""

    values: dict[str, Value]
    tensors: tuple[Tensor, ...]
    data_start: int
    size: int


class _Cursor:
    """Reads forward through the header; every read is compared with what is left."""

    def __init__(self, stream: BinaryIO, size: int, where: str) -> None:
        self._stream = stream
        self._data = bytearray()
        self._end = min(size, _HEADER_LIMIT)
        self._cut = size > _HEADER_LIMIT
        self.where = where
        self.position = 0

    def _need(self, length: int) -> int:
        """The position of the next `length` bytes, read into memory."""
        start = self.position
        if length > self._end - start:
            if self._cut:
                raise UsageError(
                    f"a header of more than {_HEADER_LIMIT // 2**20} MiB", where=self.where,
                    hint=_DAMAGED,
                )  # fmt: skip
            raise UsageError("the file ends inside its header", where=self.where, hint=_DAMAGED)
        missing = start + length - len(self._data)
        if missing > 0:
            wanted = min(max(missing, _STEP), self._end - len(self._data))
            self._data += self._stream.read(wanted)
            if start + length > len(self._data):
                raise UsageError("the file ends inside its header", where=self.where, hint=_DAMAGED)
        self.position = start + length
        return start

    def left(self) -> int:
        """Bytes that the header may still have."""
        return self._end - self.position

    def number(self, form: str) -> int:
        """One integer."""
        start = self._need(struct.calcsize(form))
        return int(struct.unpack_from(form, self._data, start)[0])

    def scalar(self, kind: int) -> int | float | bool:
        """One value of GGUF's type number `kind`."""
        form = _SCALARS[kind]
        start = self._need(struct.calcsize(form))
        found: int | float | bool = struct.unpack_from(form, self._data, start)[0]
        return found

    def text(self) -> str:
        """One string; what is beyond the kept length is passed over."""
        length = self.number("<Q")
        start = self._need(length)
        kept = bytes(self._data[start : start + min(length, _LONGEST_KEPT)])
        return kept.decode("utf-8", errors="replace")

    def pass_texts(self, count: int) -> None:
        """Pass over `count` strings."""
        for _ in range(count):
            self._need(self.number("<Q"))

    def array(self) -> Listed:
        """One array; few numbers are kept, everything else is counted."""
        kind, count = self.number("<I"), self.number("<Q")
        if kind != _TEXT and kind not in _SCALARS:
            raise UsageError(f"an array of the unknown type {kind}", where=self.where,
                             hint=_DAMAGED)  # fmt: skip
        width = 8 if kind == _TEXT else struct.calcsize(_SCALARS[kind])
        if count * width > self.left():
            raise UsageError(
                f"an array of {count} elements does not fit the file", where=self.where,
                hint=_DAMAGED,
            )  # fmt: skip
        if kind == _TEXT:
            self.pass_texts(count)
            return Listed(count, None)
        if count > _MOST_LISTED:
            self._need(count * width)
            return Listed(count, None)
        return Listed(count, tuple(self.scalar(kind) for _ in range(count)))


def _magic(cursor: _Cursor) -> None:
    magic = cursor.number("<I").to_bytes(4, "little")
    if magic == b"vers":
        raise UsageError(
            "a Git LFS pointer, not the model itself", where=cursor.where, hint="git lfs pull"
        )
    if magic != _MAGIC:
        raise UsageError("not a GGUF file", where=cursor.where, hint=_DAMAGED)
    version = cursor.number("<I")
    if version not in _VERSIONS:
        swapped = int.from_bytes(version.to_bytes(4, "little"), "big") in _VERSIONS
        what = "a big-endian GGUF file" if swapped else f"GGUF version {version}"
        raise UsageError(
            f"{what} is not read", where=cursor.where, hint="little-endian versions 2 and 3 are"
        )


def _counted(cursor: _Cursor, what: str, most: int) -> int:
    count = cursor.number("<Q")
    if count > most:
        raise UsageError(
            f"{count} {what} are more than any model has", where=cursor.where, hint=_DAMAGED
        )
    return count


def _values(cursor: _Cursor, count: int) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for _ in range(count):
        key, kind = cursor.text(), cursor.number("<I")
        if key in found:
            raise UsageError(f"the key {key[:80]!r} is there twice", where=cursor.where)
        if kind == _TEXT:
            found[key] = cursor.text()
        elif kind == _ARRAY:
            found[key] = cursor.array()
        elif kind in _SCALARS:
            found[key] = cursor.scalar(kind)
        else:
            raise UsageError(
                f"{key[:80]!r} has the unknown type {kind}", where=cursor.where, hint=_DAMAGED
            )
    return found


def _tensor(cursor: _Cursor) -> Tensor:
    name, dimensions = cursor.text(), cursor.number("<I")
    if dimensions > _MOST_DIMENSIONS:
        raise UsageError(
            f"tensor {name[:80]!r} has {dimensions} dimensions", where=cursor.where, hint=_DAMAGED
        )
    shape = tuple(cursor.number("<Q") for _ in range(dimensions))
    return Tensor(name, shape, cursor.number("<I"), cursor.number("<Q"))


def _scan(stream: BinaryIO, size: int, where: str) -> Header:
    cursor = _Cursor(stream, size, where)
    _magic(cursor)
    tensor_count = _counted(cursor, "tensors", _MOST_TENSORS)
    key_count = _counted(cursor, "keys", _MOST_KEYS)
    values = _values(cursor, key_count)
    tensors = tuple(_tensor(cursor) for _ in range(tensor_count))
    alignment = values.get("general.alignment", 32)
    if not isinstance(alignment, int) or not 0 < alignment <= _STEP:
        raise UsageError(f"general.alignment is {alignment!r}", where=where, hint=_DAMAGED)
    return Header(values, tensors, -(-cursor.position // alignment) * alignment, size)


def read_header(path: Path) -> Header:
    """The header of the GGUF file at `path`.

    Raises UsageError for whatever is not a readable GGUF file, saying what it is instead.
    """
    where = str(path)
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise UsageError("a folder, not a GGUF file", where=where)
        if not stat.S_ISREG(status.st_mode):
            raise UsageError("not a regular file", where=where)
        if status.st_size == 0:
            raise UsageError("the file is empty", where=where, hint=_DAMAGED)
        with path.open("rb") as stream:
            return _scan(stream, status.st_size, where)
    except FileNotFoundError as error:
        raise UsageError("no such file", where=where) from error
    except (OSError, ValueError) as error:
        raise UsageError(f"not readable: {error}", where=where) from error


class Metadata:
    """The keys of one file; every read names the key."""

    def __init__(self, values: dict[str, Value], where: str) -> None:
        """`where` is the file's name for messages."""
        self.values = values
        self.where = where
        name = values.get("general.architecture")
        if not isinstance(name, str) or not _NAME.match(name):
            raise UsageError(
                "general.architecture is missing", where=where,
                hint="it is no model, or a later part of one: name the first part",
            )  # fmt: skip
        self.name = name

    def get(self, key: str) -> Value | None:
        """`<architecture>.<key>`, None when it is missing."""
        return self.values.get(f"{self.name}.{key}")

    def fault(self, key: str, what: str) -> UsageError:
        """The error that `<architecture>.<key>` is wrong."""
        return UsageError(f"{self.name}.{key} {what}", where=self.where)

    def whole(self, key: str, default: int | None = None) -> int:
        """A number of things; the largest where every layer has its own."""
        numbers = self.each(key, 1, default)
        return max(numbers)

    def positive(self, key: str, default: int | None = None) -> int:
        """As `whole`, but not zero."""
        found = self.whole(key, default)
        if found <= 0:
            raise self.fault(key, "is 0")
        return found

    def each(self, key: str, layers: int, default: int | None = None) -> tuple[int, ...]:
        """One number for each layer; the same for all where the file has one. Empty lists are none."""
        value = self.get(key)
        if value is None or (isinstance(value, Listed) and not value.count):
            if default is None:
                raise self.fault(key, "is missing")
            return (default,) * layers
        listed = value.values if isinstance(value, Listed) else (value,) * layers
        if listed is None:
            raise self.fault(key, "is too long a list")
        numbers = tuple(v for v in listed if isinstance(v, int) and 0 <= v < 2**40)
        if len(numbers) != len(listed) or len(numbers) < layers:
            raise self.fault(key, f"is {listed[:4]!r}: not a count for each of {layers} layers")
        return numbers
