"""mlx-lm: its server's arguments and routes; and the parts that other Python engines share."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from tools.tables.mlx_lm import EXTRACTOR
from tools.tables.python.parity import compare
from tools.tables.records import Artefact, Record, TableError

SERVER = """
import argparse
import json
from .generate import START
from .utils import parse_size

class APIHandler:
    def do_POST(self):
        endpoints = {"/v1/completions": 1, "/v1/chat/completions": 2}
    def do_GET(self):
        if self.path.startswith("/v1/models"):
            pass

def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", type=str, default="127.0.0.1", help="where")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--origins", type=lambda x: x.split(","), default="*")
    parser.add_argument("--args", type=json.loads, default="{}")
    parser.add_argument("--level", choices=["A", "B"], default="A")
    parser.add_argument("--start", type=int, default=START)
    parser.add_argument("--bytes", type=parse_size)
    parser.add_argument("--fast", action="store_true")
    args = parser.parse_args()
"""


def package(root: Path, server: str = SERVER) -> Artefact:
    files = {
        "mlx_lm/server.py": server,
        "mlx_lm/generate.py": "START = 5000",
        "mlx_lm/utils.py": 'import os\nA = os.getenv("MLXLM_A", "False").lower()',
        "mlx_lm/lora.py": 'import os\nB = os.environ.get("OF_TRAINING")',
        "mlx_lm-0.32.2.dist-info/METADATA": "Name: mlx-lm\nVersion: 0.32.2\n",
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return EXTRACTOR.fetch("0.32.2", root, root / "scratch")


def test_the_server_is_read(tmp_path: Path) -> None:
    found = EXTRACTOR.read(package(tmp_path))
    assert found["flags"] == [
        {"name": "--args", "kind": "value", "type": "json", "default": {}},
        {"name": "--bytes", "kind": "value", "type": "size", "default": None},
        {"name": "--fast", "kind": "switch", "type": "bool", "default": False},
        {"name": "--host", "kind": "value", "type": "str", "default": "127.0.0.1"},
        {"name": "--level", "kind": "value", "type": "str", "choices": ["A", "B"], "default": "A"},
        {"name": "--origins", "kind": "value", "type": "str", "default": "*"},
        {"name": "--port", "kind": "value", "type": "int", "default": 8080},
        {"name": "--start", "kind": "value", "type": "int", "default": 5000},
    ]
    assert found["env"] == [{"name": "MLXLM_A", "type": "str", "default": "False"}]
    assert found["endpoints"] == [
        {"name": "chat", "path": "/v1/chat/completions"},
        {"name": "completions", "path": "/v1/completions"},
        {"name": "metrics", "path": None},
        {"name": "models", "path": "/v1/models"},
    ]
    facts = {row["name"]: row["value"] for row in found["facts"]}
    assert (facts["default_port"], facts["abbreviations"]) == (8080, True)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("type=parse_size", "type=parse_time", "unknown type parse_time"),
        ('action="store_true"', 'action="count"', "unknown action count"),
        ('choices=["A", "B"]', "choices=LEVELS", "LEVELS is not bound"),
        ('    parser.add_argument("--fast"', '    if fast: parser.add_argument("--fast"', "cond"),
        ('("--fast", action="store_true")', '("--fast", **more)', "not written out"),
        ('"/v1/completions"', '"/metrics"', "metrics now"),
        ("class APIHandler", "class Handler", "no class APIHandler"),
        ("def main", "def start", "main is not bound"),
        ("type=int, default=8080", "type=int, nargs=2, default=8080", "takes 2 values"),
    ],
)
def test_what_is_not_understood_is_refused(
    tmp_path: Path, before: str, after: str, said: str
) -> None:
    assert before in SERVER
    with pytest.raises(TableError, match=said):
        EXTRACTOR.read(package(tmp_path, SERVER.replace(before, after)))


def test_a_default_that_only_a_run_knows_is_told_so(tmp_path: Path) -> None:
    found = EXTRACTOR.read(package(tmp_path, SERVER.replace("default=START", "default=find()")))
    start = next(flag for flag in found["flags"] if flag["name"] == "--start")
    assert start["default_known"] is False
    assert "default" not in start


def test_a_wheel_is_unpacked(tmp_path: Path) -> None:
    package(tmp_path / "tree")
    wheel = tmp_path / "mlx_lm-0.32.2-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path in sorted((tmp_path / "tree").rglob("*.*")):
            if path.is_file():
                archive.write(path, path.relative_to(tmp_path / "tree"))
        archive.writestr("mlx_lm/native.so", "")
    assert EXTRACTOR.releases(wheel) == ["0.32.2"]
    found = EXTRACTOR.fetch("0.32.2", wheel, tmp_path / "scratch")
    assert (found.name, len(found.sha256 or "")) == (wheel.name, 64)
    assert not (found.path / "mlx_lm/native.so").exists()
    assert len(EXTRACTOR.read(found)["flags"]) == 8


def test_what_is_no_release_of_it_is_refused(tmp_path: Path) -> None:
    package(tmp_path)
    with pytest.raises(TableError, match=r"is 0\.32\.2, not 0\.32\.1"):
        EXTRACTOR.fetch("0.32.1", tmp_path, tmp_path)
    (tmp_path / "other-1.0-py3-none-any.whl").touch()
    with pytest.raises(TableError, match="not a release of mlx-lm"):
        EXTRACTOR.releases(tmp_path / "other-1.0-py3-none-any.whl")
    (tmp_path / "notes.txt").touch()
    with pytest.raises(TableError, match="neither a wheel nor an sdist"):
        EXTRACTOR.releases(tmp_path / "notes.txt")
    (tmp_path / "empty").mkdir()
    with pytest.raises(TableError, match="no METADATA"):
        EXTRACTOR.releases(tmp_path / "empty")


def test_differences_from_the_real_parser_are_counted() -> None:
    flag = {"name": "--port", "kind": "value", "type": "int", "default": 8080}
    action: Record = {"names": ["--port"], "action": "_StoreAction", "nargs": None, "choices": None}
    action |= {"default": 8080, "type": "int"}
    same = compare([flag], [], [action])
    assert (same["facts_compared"], same["facts_differing"]) == (4, [])
    assert compare([flag], ["--old"], [action])["only_in_table"] == ["--old"]
    other = compare([{**flag, "type": "str", "default": 1}], [], [action])
    assert other["facts_differing"] == [
        ["--port", "type", "int", "str"],
        ["--port", "default", 8080, 1],
    ]
    assert compare([], [], [action])["only_in_parser"] == ["--port"]
