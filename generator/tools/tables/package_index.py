"""Releases on a Python package index: which there are, and their files, checked by digest.

The index is PyPI, or what `PIP_INDEX_URL` names. Only the JSON form of its pages is read (PEP 691).
"""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import Version

from tools.tables.records import TableError

_PYPI = "https://pypi.org/simple"
_ACCEPT = "application/vnd.pypi.simple.v1+json"
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Published:
    """One file of a release."""

    version: str
    filename: str
    url: str
    sha256: str
    size: int | None

    @property
    def is_wheel(self) -> bool:
        """Whether it is a wheel; an sdist otherwise."""
        return self.filename.endswith(".whl")


def files_of(project: str) -> list[Published]:
    """Every wheel and sdist of final releases, oldest version first; yanked ones left out."""
    base = os.environ.get("PIP_INDEX_URL", _PYPI).rstrip("/")
    request = urllib.request.Request(f"{base}/{project}/", headers={"Accept": _ACCEPT})  # noqa: S310
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
        page = json.load(answer)
    return sorted(_files(page), key=lambda file: (Version(file.version), file.filename))


def _files(page: dict[str, list[dict[str, object]]]) -> Iterator[Published]:
    for row in page["files"]:
        name, version = str(row["filename"]), _version(str(row["filename"]))
        if version is None or version.is_prerelease or row.get("yanked"):
            continue
        hashes, size = row["hashes"], row.get("size")
        if not isinstance(hashes, dict) or "sha256" not in hashes:
            raise TableError(f"{name}: the index gives no SHA-256")
        url, digest = str(row["url"]), str(hashes["sha256"])
        bytes_ = size if isinstance(size, int) else None
        yield Published(str(version), name, url, digest, bytes_)


def _version(filename: str) -> Version | None:
    try:
        if filename.endswith(".whl"):
            return parse_wheel_filename(filename)[1]
        return parse_sdist_filename(filename)[1]
    except (InvalidWheelFilename, InvalidSdistFilename):
        return None


def download(file: Published, folder: Path) -> Path:
    """Bring a file to `folder`; TableError where it is not the one that the index announces."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / file.filename
    digest = hashlib.sha256()
    with urllib.request.urlopen(file.url, timeout=180) as answer, path.open("wb") as out:  # noqa: S310
        while block := answer.read(_BLOCK):
            out.write(block)
            digest.update(block)
    if digest.hexdigest() != file.sha256:
        path.unlink()
        raise TableError(f"{file.filename}: its SHA-256 is not the index's")
    return path


def unpack(archive: Path, folder: Path, wanted: Callable[[str], bool]) -> Path:
    """Write those files of a wheel or sdist below `folder` whose names are `wanted`."""
    if archive.suffix in (".whl", ".zip"):
        with zipfile.ZipFile(archive) as package:
            for name in filter(wanted, package.namelist()):
                _write(folder, name, package.read(name))
        return folder
    with tarfile.open(archive) as package:
        for member in package:
            if member.isfile() and wanted(member.name):
                content = package.extractfile(member)
                if content is not None:
                    _write(folder, member.name, content.read())
    return folder


def _write(folder: Path, name: str, content: bytes) -> None:
    parts = PurePosixPath(name)
    if parts.is_absolute() or ".." in parts.parts:
        raise TableError(f"{name}: a path out of the archive")
    path = folder / parts
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
