"""Releases of a pure Python engine: its wheels on the index, or a file or folder that is given."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import Version

from tools.tables import package_index
from tools.tables.package_index import Published
from tools.tables.records import Artefact, TableError, sha256

_METADATA = ("METADATA", "PKG-INFO")
_VERSION = re.compile(r"^Version: (\S+)$", re.MULTILINE)
_NAME = re.compile(r"^Name: (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Project:
    """A project on the index, the package inside that is read, and the first version of interest."""

    name: str
    package: str
    since: str

    def releases(self, given: Path | None) -> list[str]:
        """Versions from `since` on, oldest first; the one version of what is `given`."""
        if given is not None:
            return [self._version(given)]
        return list(self._wheels())

    def fetch(self, version: str, given: Path | None, scratch: Path, method: str) -> Artefact:
        """Bring the Python files of a version to `scratch`, or find them in `given`."""
        if given is None:
            return self._download(version, scratch, method)
        if version != self._version(given):
            raise TableError(f"{given}: is {self._version(given)}, not {version}")
        if given.is_dir():
            name, digest, folder = f"{self.name}-{version}", None, given
        else:
            name, digest = given.name, sha256(given)
            folder = _unpack(given, scratch / version)
        return Artefact(version, name, digest, self._root(folder), method)

    def _download(self, version: str, scratch: Path, method: str) -> Artefact:
        wheels = self._wheels()
        if version not in wheels:
            raise TableError(f"{self.name}: the index has no wheel of {version}")
        wheel = wheels[version]
        path = package_index.download(wheel, scratch / "downloads")
        folder = _unpack(path, scratch / version)
        path.unlink()
        return Artefact(version, wheel.filename, wheel.sha256, self._root(folder), method)

    def _wheels(self) -> dict[str, Published]:
        """One wheel a version: of the many for kinds of machines, any has the same Python files."""
        found: dict[str, Published] = {}
        for file in package_index.files_of(self.name):
            if not file.is_wheel or Version(file.version) < Version(self.since):
                continue
            if file.version not in found or _rank(file) < _rank(found[file.version]):
                found[file.version] = file
        return found

    def _version(self, given: Path) -> str:
        if given.is_file():
            name, version = _named(given)
            if name != canonicalize_name(self.name):
                raise TableError(f"{given}: not a release of {self.name}")
            return version
        for path in sorted(path for word in _METADATA for path in given.rglob(word)):
            text = path.read_text(encoding="utf-8")
            told, number = _NAME.search(text), _VERSION.search(text)
            if told and number and canonicalize_name(told[1]) == canonicalize_name(self.name):
                return str(Version(number[1]))
        raise TableError(f"{given}: no METADATA of {self.name} says which version it is")

    def _root(self, folder: Path) -> Path:
        """The folder that holds the package; an sdist has it inside a folder of its own."""
        for root in (folder, *sorted(path for path in folder.glob("*/") if path.is_dir())):
            if (root / self.package).is_dir():
                return root
        raise TableError(f"{folder}: no package {self.package}")


def _named(file: Path) -> tuple[str, str]:
    """Return project and version that the name of a wheel or sdist tells."""
    parse = parse_wheel_filename if file.suffix == ".whl" else parse_sdist_filename
    try:
        name, version = parse(file.name)[:2]
    except (InvalidSdistFilename, InvalidWheelFilename) as error:
        raise TableError(f"{file}: neither a wheel nor an sdist") from error
    return name, str(version)


def _rank(file: Published) -> tuple[bool, bool, str]:
    return "-none-any" not in file.filename, "x86_64" not in file.filename, file.filename


def _unpack(archive: Path, folder: Path) -> Path:
    if folder.exists():
        shutil.rmtree(folder)
    return package_index.unpack(archive, folder, lambda name: name.endswith((".py", *_METADATA)))
