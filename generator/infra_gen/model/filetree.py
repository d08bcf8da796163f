"""FileTree: generated files as a value. Paths are relative, POSIX and confined to the tree."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Literal

FileClass = Literal["managed", "seeded"]


@dataclass(frozen=True, slots=True)
class File:
    """One file: text in UTF-8 with LF ends. `seeded` files are written once, then the user's."""

    text: str
    executable: bool = False
    file_class: FileClass = "managed"

    @property
    def data(self) -> bytes:
        """The bytes on disk."""
        return self.text.encode("utf-8", "surrogateescape")

    @classmethod
    def of_bytes(cls, data: bytes, *, executable: bool = False) -> File:
        """A file of somebody else's making, whose bytes need be no text."""
        return cls(data.decode("utf-8", "surrogateescape"), executable)

    @property
    def sha256(self) -> str:
        """Hash of the bytes, hexadecimal."""
        return hashlib.sha256(self.data).hexdigest()


def safe_path(path: str) -> str:
    """`path` if it stays below its root, else ValueError."""
    pure = PurePosixPath(path)
    if not path or pure.is_absolute() or ".." in pure.parts or "\\" in path or str(pure) != path:
        raise ValueError(f"unsafe path in a file tree: {path!r}")
    return path


@dataclass(frozen=True, slots=True)
class FileTree(Mapping[str, File]):
    """Sorted, immutable mapping of path to file."""

    files: Mapping[str, File] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check and sort the paths once."""
        ordered = {safe_path(path): self.files[path] for path in sorted(self.files)}
        object.__setattr__(self, "files", MappingProxyType(ordered))

    def __getitem__(self, path: str) -> File:
        return self.files[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self.files)

    def __len__(self) -> int:
        return len(self.files)

    def merged(self, other: Mapping[str, File]) -> FileTree:
        """Both trees; a path in both is a bug of the generator."""
        twice = set(self.files) & set(other)
        if twice:
            raise ValueError(f"two generators write {sorted(twice)}")
        return FileTree({**self.files, **other})
