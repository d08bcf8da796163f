"""vLLM from the wheels on the package index: only their Python sources are read, none is imported."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from packaging.utils import parse_wheel_filename
from packaging.version import Version

from tools.tables import package_index
from tools.tables.package_index import Published
from tools.tables.records import (
    Artefact,
    Record,
    Snapshot,
    TableError,
    named,
    sha256,
)
from tools.tables.vllm.envs import environment
from tools.tables.vllm.facts import endpoints, facts
from tools.tables.vllm.fields import Fields
from tools.tables.vllm.flags import Flags
from tools.tables.vllm.guard import GUARD
from tools.tables.vllm.metrics import metrics
from tools.tables.vllm.parser import world_of
from tools.tables.vllm.registries import REASONING, TOOLS, parser_names, quantization
from tools.tables.vllm.sources import Sources

_SINCE = Version("0.8.5")
_METHOD = "the code that builds its argument parser evaluated, the rest read, from Python sources"
_PLATFORM = "x86_64"


class Vllm:
    """Reads releases of vLLM."""

    engine = "vllm"
    guard = GUARD

    def releases(self, given: Path | None) -> list[str]:
        """The versions that can be had, oldest first: from the package index, or those in `given`."""
        if given is None:
            found = {file.version for file in package_index.files_of("vllm") if _fits(file)}
        elif given.is_file():
            found = {str(parse_wheel_filename(given.name)[1])}
        else:
            found = {version_of(folder) for folder in _trees(given)}
        return sorted((v for v in found if Version(v) >= _SINCE), key=Version)

    def fetch(self, version: str, given: Path | None, scratch: Path) -> Artefact:
        """Bring the sources of that version to `scratch`, or find them in `given`."""
        if given is None:
            return _downloaded(version, scratch)
        if given.is_file():
            return _unpacked(given, sha256(given), scratch)
        for folder in _trees(given):
            if version_of(folder) == version:
                return Artefact(version, folder.name, None, folder, _METHOD)
        raise TableError(f"there is no vLLM {version} in {given}")

    def read(self, artefact: Artefact) -> Snapshot:
        """Find everything; TableError where the sources are not understood."""
        sources = Sources(artefact.path)
        registries = parser_names(sources)
        world = world_of(sources, registries)
        checker = world_of(sources, registries, checking=True)
        flags = Flags(world, checker)
        records = flags.records()
        return {
            "flags": records,
            "fields": Fields(world, checker).records(flags.classes.values()),
            "env": environment(world),
            "metrics": metrics(sources),
            "quantization": quantization(world),
            "kv_cache_dtypes": named(_values(records, "--kv-cache-dtype")),
            "tool_call_parsers": named(registries[TOOLS]),
            "reasoning_parsers": named(registries[REASONING]),
            "endpoints": endpoints(sources),
            "facts": facts(sources, records),
        }


def _fits(file: Published) -> bool:
    return file.is_wheel and _PLATFORM in file.filename


def _downloaded(version: str, scratch: Path) -> Artefact:
    wheels = [f for f in package_index.files_of("vllm") if f.version == version and _fits(f)]
    if not wheels:
        raise TableError(f"the index has no wheel of vLLM {version}")
    # Of several builds of a release the newest counts, as for pip.
    best = max(wheels, key=lambda file: parse_wheel_filename(file.filename)[2])
    wheel = package_index.download(best, scratch)
    try:
        return _unpacked(wheel, best.sha256, scratch)
    finally:
        wheel.unlink()


def _unpacked(wheel: Path, digest: str, scratch: Path) -> Artefact:
    version = str(parse_wheel_filename(wheel.name)[1])
    folder = package_index.unpack(wheel, scratch / version, _wanted)
    return Artefact(version, wheel.name, digest, folder, _METHOD)


def _wanted(name: str) -> bool:
    return name.endswith((".py", ".dist-info/METADATA"))


def _trees(given: Path) -> list[Path]:
    """Return the folders of unpacked sources: this one, or those directly in it."""
    return [
        folder
        for folder in [given, *sorted(path for path in given.iterdir() if path.is_dir())]
        if (folder / "vllm" / "__init__.py").is_file()
    ]


def version_of(folder: Path) -> str:
    """Read the version of unpacked sources from their metadata."""
    for path in sorted(folder.glob("vllm-*.dist-info/METADATA")):
        match = re.search(r"^Version: (\S+)$", path.read_text("utf-8"), re.MULTILINE)
        if match:
            return Version(match.group(1)).public
    raise TableError(f"{folder.name}: no metadata says which version it is")


def _values(flags: Iterable[Record], name: str) -> list[str]:
    """Return the values that a flag lists."""
    flag = next(flag for flag in flags if flag["name"] == name)
    values: list[str] = flag.get("choices") or flag["known_values"]
    return values


EXTRACTOR = Vllm()
