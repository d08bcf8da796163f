"""Releases of vLLM: found, unpacked, told apart; and how the parity check judges."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest

from tools.tables import package_index
from tools.tables.package_index import Published
from tools.tables.records import Snapshot, TableError
from tools.tables.vllm.extractor import EXTRACTOR
from tools.tables.vllm.guard import GUARD
from tools.tables.vllm.parity_compare import compare

WHEEL = "vllm-0.9.1-cp38-abi3-manylinux1_x86_64.whl"


def tree(root: Path, version: str) -> Path:
    (root / "vllm").mkdir(parents=True)
    (root / "vllm" / "__init__.py").write_text("")
    info = root / f"vllm-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {version}\n")
    return root


def wheel(folder: Path) -> Path:
    path = folder / WHEEL
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("vllm/__init__.py", "")
        archive.writestr("vllm/_C.abi3.so", "native")
        archive.writestr("vllm-0.9.1.dist-info/METADATA", "Version: 0.9.1\n")
        archive.writestr("vllm-0.9.1.dist-info/RECORD", "")
    return path


def published(name: str, version: str) -> Published:
    return Published(version, name, f"https://index/{name}", "00", None)


def test_releases_and_sources_in_a_folder(tmp_path: Path) -> None:
    tree(tmp_path / "new", "0.10.0")
    tree(tmp_path / "older", "0.9.1")
    tree(tmp_path / "oldest", "0.8.4")  # before the first that the table has
    assert EXTRACTOR.releases(tmp_path) == ["0.9.1", "0.10.0"]
    artefact = EXTRACTOR.fetch("0.9.1", tmp_path, tmp_path / "scratch")
    assert artefact.path == tmp_path / "older"
    assert artefact.sha256 is None
    assert EXTRACTOR.releases(tmp_path / "new") == ["0.10.0"]
    with pytest.raises(TableError, match=r"no vLLM 0\.9\.2"):
        EXTRACTOR.fetch("0.9.2", tmp_path, tmp_path / "scratch")


def test_sources_without_a_version_are_refused(tmp_path: Path) -> None:
    (tmp_path / "vllm").mkdir()
    (tmp_path / "vllm" / "__init__.py").write_text("")
    with pytest.raises(TableError, match="no metadata"):
        EXTRACTOR.releases(tmp_path)


def test_a_wheel(tmp_path: Path) -> None:
    path = wheel(tmp_path)
    assert EXTRACTOR.releases(path) == ["0.9.1"]
    artefact = EXTRACTOR.fetch("0.9.1", path, tmp_path / "scratch")
    names = {
        p.relative_to(artefact.path).as_posix() for p in artefact.path.rglob("*") if p.is_file()
    }
    assert names == {"vllm/__init__.py", "vllm-0.9.1.dist-info/METADATA"}
    assert artefact.name == WHEEL
    assert artefact.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_newest_build_for_the_platform_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stem, end = "vllm-0.9.1", "cp38-abi3-manylinux1"
    files = [
        published(f"{stem}-{end}_x86_64.whl", "0.9.1"),
        published(f"{stem}-2-{end}_x86_64.whl", "0.9.1"),
        published(f"{stem}-3-{end}_aarch64.whl", "0.9.1"),
        published(f"{stem}.tar.gz", "0.9.1"),
    ]
    taken: list[str] = []

    def download(file: Published, folder: Path) -> Path:
        taken.append(file.filename)
        return wheel(folder)

    monkeypatch.setattr(package_index, "files_of", lambda _: files)
    monkeypatch.setattr(package_index, "download", download)
    artefact = EXTRACTOR.fetch("0.9.1", None, tmp_path)
    assert taken == [f"{stem}-2-{end}_x86_64.whl"]
    assert artefact.sha256 == "00"
    assert not list(tmp_path.glob("*.whl"))
    assert EXTRACTOR.releases(None) == ["0.9.1"]
    with pytest.raises(TableError, match=r"no wheel of vLLM 0\.9\.9"):
        EXTRACTOR.fetch("0.9.9", None, tmp_path)


def test_the_guard_is_worth_the_name() -> None:
    assert sum(len(names) for names in GUARD.sentinels.values()) >= 20
    assert len(GUARD.sentinels["flags"]) >= 20


def snapshot() -> Snapshot:
    return {
        "flags": [
            {"name": "--a", "aliases": ["-a"], "kind": "value", "type": "int", "default": 1},
            {"name": "--o", "aliases": ["-O"], "kind": "value", "type": "int", "default": 2},
            {
                "name": "--p",
                "kind": "value",
                "type": "str",
                "choices": ["None", "x"],
                "default": None,
            },
        ],
        "fields": [{"name": "C.f", "type": "int", "default": 1}],
        "env": [{"name": "V", "type": "str", "default_known": False}],
        "tool_call_parsers": [{"name": "hermes"}],
        "reasoning_parsers": [],
        "facts": [{"name": "equals", "value": True}],
    }


def action(dest: str, *spelled: str, **rest: object) -> dict[str, object]:
    plain = {"action": "_StoreAction", "nargs": None, "type": "int", "choices": None, "default": 1}
    return {"dest": dest, "spellings": list(spelled), **plain, **rest}


def test_parity_finds_nothing_where_both_agree() -> None:
    real = {
        "actions": [
            action("a", "--a", "-a"),
            action("o", "--o", default={"$enum": ["O2", 2]}),
            action("p", "--p", type="_optional_type", choices=["x", None], default=None),
        ],
        "short_level": "o",
        "fields": {"C": {"f": 1}},
        "env": {"V": "/tmp"},
        "tool_call_parsers": ["hermes"],
        "reasoning_parsers": [],
        "facts": {"equals": True},
    }
    found = compare(snapshot(), real)
    assert found.pop("compared")["spellings"] == 5
    assert found.pop("unknown") == ["V"]
    assert not any(found.values()), found


def test_parity_finds_each_difference() -> None:
    real = {
        "actions": [
            action("a", "--a", nargs="+", type="float", default=3, choices=[1, 2]),
            action("b", "--b"),
            action("p", "--p", type="str", choices=["x"], default=None),
        ],
        "short_level": None,
        "fields": {"C": {"f": 2}},
        "env": {},
        "tool_call_parsers": ["other"],
        "reasoning_parsers": [],
        "facts": {"equals": False},
    }
    found = compare(snapshot(), real)
    assert found["spellings"] == [
        {"name": "--o", "only": "table"},
        {"name": "-O", "only": "table"},
        {"name": "-a", "only": "table"},
        {"name": "--b", "only": "vllm"},
    ]
    assert found["kinds"] == [{"name": "--a", "table": "value", "vllm": "list"}]
    assert found["types"] == [{"name": "--a", "table": "int", "vllm": "float"}]
    assert [row["name"] for row in found["choices"]] == ["--a", "--p"]
    assert found["defaults"] == [{"name": "--a", "table": 1, "vllm": 3}]
    assert found["fields"] == [{"name": "C.f", "table": 1, "vllm": 2}]
    assert found["env"] == [{"name": "V", "only": "table"}]
    assert [row["name"] for row in found["parsers"]] == ["hermes", "other"]
    assert found["facts"] == [{"name": "equals", "table": True, "vllm": False}]
