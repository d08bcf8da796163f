"""`schema show`, `diff` and `update`: what they print, find and refuse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from infra_gen.catalogue import engine_records, table_changes
from infra_gen.catalogue.table_changes import changes, markdown
from infra_gen.cli import main
from infra_gen.errors import UsageError
from infra_gen.knowledge import tables

Printed = pytest.CaptureFixture[str]


def row(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "kind": "value", "type": "int", "default": 1, **more}


DOCUMENT = {
    "engine": "toy",
    "versions": ["1.0", "1.1.0", "1.1.1", "2.0"],
    "method": "m",
    "sources": [
        {"version": v, "artifact": f"toy-{v}.whl", "sha256": "0" * 64}
        for v in ("1.0", "1.1.0", "1.1.1", "2.0")
    ],
    "flags": [
        row("--old-one", until="1.1.0", aliases=["-o"]),
        row("--size", until="2.0", choices=["a", "b"], default="a"),
        row("--size", since="2.0", choices=["b", "c|d"], default="b", aliases=["-s"]),
        row("--new", since="1.1.0", kind="bool_pair", negatives=["--no-new"], default=False),
    ],
    "env": [{"name": "TOY_X", "default": None, "since": "1.1.1"}],
    "metrics": [{"name": "toy:a", "type": "gauge", "until": "2.0"}],
    "hints": [
        {"section": "flags", "name": "--old-one", "instead": "--new", "source": "s"},
        {"section": "flags", "name": "--ancient", "instead": "drop it", "gone_by": "0.3"},
    ],
}


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "table_document", lambda _: DOCUMENT)
    monkeypatch.setattr(engine_records, "table_document", lambda _: DOCUMENT)
    monkeypatch.setattr(table_changes, "table_document", lambda _: DOCUMENT)


@pytest.mark.usefixtures("toy")
class TestChanges:
    def test_all_of_them(self) -> None:
        found = {one.section: one for one in changes("toy", "1.0", "2.0").sections}
        flags = found["flags"]
        assert [r["name"] for r in flags.added] == ["--new"]
        assert [(g.name, g.gone_by, g.instead) for g in flags.removed] == [
            ("--old-one", "1.1.0", "--new")
        ]
        told = {(c.name, c.key): c for c in flags.changed}
        assert set(told) == {("--size", "aliases"), ("--size", "choices"), ("--size", "default")}
        assert told["--size", "choices"].added == ("c|d",)
        assert told["--size", "choices"].removed == ("a",)
        assert (told["--size", "default"].old, told["--size", "default"].new) == ("a", "b")
        assert [g.name for g in found["metrics"].removed] == ["toy:a"]

    def test_a_short_version_is_the_newest_of_its_line(self) -> None:
        found = changes("toy", "1", "1.1")
        assert (found.old, found.new) == ("1.1.1", "1.1.1")
        assert markdown(found) == "# toy 1.1.1 to 1.1.1\n\nNothing changed.\n"

    def test_a_version_that_was_not_read_is_said_to_be(self) -> None:
        found = changes("toy", "2.0", "3.1")
        assert (found.old_base, found.new_base) == ("2.0", "2.0")
        assert "**3.1 is not in the table; what is said of it is 2.0.**" in markdown(found)

    def test_backwards_what_was_added_is_gone(self) -> None:
        [flags] = [s for s in changes("toy", "2.0", "1.0").sections if s.section == "flags"]
        assert [g.name for g in flags.removed] == ["--new"]
        assert [r["name"] for r in flags.added] == ["--old-one"]

    def test_markdown_keeps_its_tables_whole(self) -> None:
        text = markdown(changes("toy", "1.0", "2.0"))
        assert "| `--old-one` | 1.1.0 | --new |" in text
        assert "| `--size` | choices | had `a` | has `c\\|d` |" in text
        assert "| `--new` | switch | off |" in text

    def test_a_new_spelling_of_an_old_flag_is_no_removal(self) -> None:
        [flags] = [s for s in changes("toy", "1.1", "2.0").sections if s.section == "flags"]
        assert flags.removed == flags.added == ()


@pytest.mark.usefixtures("toy")
class TestRecords:
    def test_every_flag_has_its_lists(self) -> None:
        found = engine_records.shown("toy", "1.1")
        assert (found["version"], found["base"], found["standing"]) == ("1.1.1", "1.1.1", "exact")
        assert found["source"]["artifact"] == "toy-1.1.1.whl"
        for flag in found["flags"]:
            assert {"name", "aliases", "negatives"} <= set(flag)
            assert not {"since", "until"} & set(flag)

    def test_a_newer_version_is_told_as_the_newest(self) -> None:
        found = engine_records.shown("toy", "3.0")
        assert (found["version"], found["base"], found["standing"]) == ("3.0", "2.0", "newer")

    def test_one_flag_through_all(self) -> None:
        found = engine_records.named("toy", None, "size")
        assert found["name"] == "--size"
        assert found["record"]["default"] == "b"
        assert [(r["since"], r["until"]) for r in found["history"]] == [
            ("1.0", "2.0"),
            ("2.0", None),
        ]

    def test_one_that_is_gone(self) -> None:
        found = engine_records.named("toy", "2.0", "-o")
        assert found["record"] is None
        assert found["removed"] == {"last_seen": "1.0", "gone_by": "1.1.0", "instead": "--new"}

    def test_one_that_is_not_there_yet(self) -> None:
        found = engine_records.named("toy", "1.0", "--new")
        assert (found["record"], found["removed"]) == (None, None)
        assert found["history"][0]["since"] == "1.1.0"

    def test_one_that_went_before_the_first_version(self) -> None:
        assert engine_records.named("toy", None, "ancient")["removed"]["gone_by"] == "0.3"

    def test_an_unknown_one(self) -> None:
        with pytest.raises(UsageError, match="no version of toy has --sise") as refused:
            engine_records.named("toy", None, "--sise")
        assert "size" in str(refused.value.hint)


def run(capsys: Printed, *words: str) -> tuple[int, str, str]:
    code = main.run(["schema", *words])
    said = capsys.readouterr()
    return code, said.out, said.err


class TestCommandLine:
    def test_show(self, capsys: Printed) -> None:
        code, out, _ = run(capsys, "show", "ollama", "--version", "0.12.10")
        assert code == 0
        assert "OLLAMA_INTEL_GPU" in out
        assert "ollama/ollama@" in out

    def test_show_as_json(self, capsys: Printed) -> None:
        code, out, _ = run(capsys, "show", "tgi", "--json")
        found = json.loads(out)
        assert code == 0
        assert found["version"] == "3.3.7"
        names = {flag["name"] for flag in found["flags"]}
        assert {"--model-id", "--num-shard"} <= names
        assert all("aliases" in flag and "negatives" in flag for flag in found["flags"])

    def test_show_one(self, capsys: Printed) -> None:
        code, out, _ = run(capsys, "show", "ollama", "--flag", "OLLAMA_INTEL_GPU")
        assert code == 0
        assert "gone by 0.12.11" in out

    def test_show_one_as_json(self, capsys: Printed) -> None:
        code, out, _ = run(capsys, "show", "tgi", "--flag", "num-shard", "--json")
        assert code == 0
        assert json.loads(out)["record"]["env"] == "NUM_SHARD"

    def test_diff(self, capsys: Printed) -> None:
        code, out, _ = run(capsys, "diff", "ollama", "0.12.10", "0.12.11")
        assert code == 0
        assert "| `OLLAMA_INTEL_GPU` | 0.12.11 |" in out
        assert "| `OLLAMA_VULKAN` | bool | off |" in out

    def test_diff_as_json(self, capsys: Printed) -> None:
        code, out, _ = run(capsys, "diff", "ollama", "0.12.10", "0.12.11", "--json")
        assert code == 0
        [env] = json.loads(out)["sections"]
        assert [row["name"] for row in env["added"]] == ["OLLAMA_VULKAN"]

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (("show", "vlm"), "did you mean vllm"),
            (("show", "../vllm"), "no table of an engine"),
            (("show", "tgi", "--version", "newest"), "'newest' is no version of tgi"),
            (("show", "tgi", "--version", "1.0.0"), "older than the flag tables"),
            (("show", "tgi", "--flag", "num-shards"), "did you mean --num-shard"),
            (("diff", "tgi", "3.0"), "NEW"),
            (("diff", "tgi", "3.0", "x"), "no version of tgi"),
            (("show", "tgi", "--version", "v3.3.7"), "write 3.3.7"),
            (("update", "--version", "1.0"), "need --engine"),
            (("update", "--engine", "tgi", "--from", "/nowhere/at/all"), "no such file"),
            (("update", "--engine", "tgi"), "tgi: "),
            (("update", "--engine", "nginx"), "no extractor for 'nginx'"),
        ],
    )
    def test_bad_input(self, capsys: Printed, words: tuple[str, ...], said: str) -> None:
        code, out, err = run(capsys, *words)
        assert code == 1
        assert said in err
        assert out == ""

    def test_a_wheel_that_is_none(self, capsys: Printed, tmp_path: Path) -> None:
        for name in ("vllm-0.33.0.whl", "vllm-9.9.0-cp38-abi3-manylinux_2_28_x86_64.whl"):
            wheel = tmp_path / name
            wheel.write_text("no archive")
            code, _, err = run(capsys, "update", "--engine", "vllm", "--from", str(wheel))
            assert code == 1, err
            assert "no table was written" in err

    def test_a_folder_that_is_no_release(self, capsys: Printed, tmp_path: Path) -> None:
        path = tables.data_dir("presets") / "engines" / "tgi" / "table.json"
        before = path.read_bytes()
        code, _, err = run(
            capsys, "update", "--engine", "tgi", "--version", "3.3.7", "--from", str(tmp_path)
        )
        assert code == 1
        assert "no table was written" in err
        assert path.read_bytes() == before

    def test_an_installed_package_says_where_to_go(
        self, capsys: Printed, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("infra_gen.resources.in_checkout", lambda: False)
        code, _, err = run(capsys, "update")
        assert code == 1
        assert "in a checkout of infra-gen" in err
