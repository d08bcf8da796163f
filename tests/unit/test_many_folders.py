"""Commands over folders of deployments: which they find, and how they name them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.unit.conftest import MakeChat

from infra_gen.cli.main import run

Printed = pytest.CaptureFixture[str]


@pytest.fixture
def two(make_chat: MakeChat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`deploy/a` and `deploy/b`, seen from the folder above."""
    (tmp_path / "deploy").mkdir()
    for name in ("a", "b"):
        make_chat(f"deploy/{name}")
    monkeypatch.chdir(tmp_path)
    return Path("deploy")


class TestWhichAreMeant:
    @pytest.mark.parametrize("words", [["deploy"], [], ["deploy", "deploy/a"]])
    @pytest.mark.parametrize("command", ["check", "diff", "update"])
    def test_a_folder_stands_for_all_below(
        self, two: Path, capsys: Printed, command: str, words: list[str]
    ) -> None:
        assert run([command, *words]) == 0
        said = capsys.readouterr().out
        assert "2 deployments, 2 " in said
        assert f"{two}/a:" in said
        assert f"{two}/b:" in said

    @pytest.mark.parametrize("command", ["check", "diff", "update"])
    def test_a_spec_stands_for_its_folder(self, two: Path, capsys: Printed, command: str) -> None:
        assert run([command, f"{two}/a/infra-gen.yaml", f"{two}/b/infra-gen.yaml"]) == 0
        assert "2 deployments, 2 " in capsys.readouterr().out

    def test_what_is_no_deployment_is_refused(self, two: Path, capsys: Printed) -> None:
        assert run(["update", f"{two}/a/bin", f"{two}/b"]) == 4
        said = capsys.readouterr().err
        assert f"error: {two}/a/bin/infra-gen.yaml: no such file" in said
        assert f"hint: the folder is part of the deployment {two}/a\n" in said
        Path("empty").mkdir()
        assert run(["update", "empty"]) == 4
        assert "hint: infra-gen new writes one" in capsys.readouterr().err


class TestFindingsNameTheirFolder:
    @pytest.fixture
    def broken(self, two: Path) -> Path:
        """A finding in the files, and a patch of the spec that an update refuses."""
        spec = two / "a/infra-gen.yaml"
        text = spec.read_text("utf-8")
        patch = (
            "patches:\n  - {file: compose.yaml, op: replace, path: /services/prometheus/image,"
            " value: prom:latest}"
        )
        spec.write_text(text.replace("patches: []", patch, 1), "utf-8")
        compose = two / "a/compose.yaml"
        text = compose.read_text("utf-8")
        image = next(line for line in text.splitlines() if "prom/prometheus:" in line)
        compose.write_text(text.replace(image, "    image: prom:latest", 1), "utf-8")
        return two / "a"

    @pytest.mark.parametrize("command", ["validate", "update", "diff"])
    def test_alone(self, broken: Path, capsys: Printed, command: str) -> None:
        assert run([command, str(broken)]) == 3
        said = capsys.readouterr().out
        found = [line for line in said.splitlines() if "[image-not-pinned]" in line]
        assert found
        assert all(line.startswith(f"{broken}/compose.yaml:") for line in found)

    @pytest.mark.parametrize("words", [["deploy/a"], ["deploy"]])
    def test_the_last_word_of_an_update_names_it(
        self, broken: Path, capsys: Printed, words: list[str]
    ) -> None:
        assert run(["update", *words]) == 3
        assert f"error: {broken}: the deployment breaks rules" in capsys.readouterr().err

    def test_new(self, two: Path, capsys: Printed) -> None:
        flags = ["--hardware", "2x4090", "--users", "10", "--workload", "code"]
        assert run(["new", str(two / "c"), *flags]) == 0
        found = [line for line in capsys.readouterr().out.splitlines() if ": info: " in line]
        assert found
        assert all(line.startswith(f"{two}/c/") for line in found)


class TestABrokenBase:
    """It is the trouble of one file, however many specs extend it."""

    @pytest.fixture
    def base(self, two: Path) -> Path:
        for name in ("a", "b"):
            spec = two / name / "infra-gen.yaml"
            spec.write_text(f"extends: ../base.yaml\nname: {name}-chat\n", "utf-8")
        (two / "base.yaml").write_text("version: 1\nhardware: rtx-3090\nmodle: qwen3-8b\n", "utf-8")
        return two / "base.yaml"

    @pytest.mark.usefixtures("base")
    def test_one_annotation(self, capsys: Printed) -> None:
        assert run(["check", "--format", "github"]) == 4
        said = capsys.readouterr().out
        assert said.count("::error file=deploy/base.yaml,line=3") == 1
        assert "unknown key 'modle' (and 1 deployment more)" in said

    def test_one_result_with_a_fingerprint_that_does_not_count(
        self, base: Path, capsys: Printed
    ) -> None:
        def result() -> Any:
            capsys.readouterr()
            assert run(["check", "--format", "sarif"]) == 4
            (found,) = json.loads(capsys.readouterr().out)["runs"][0]["results"]
            return found

        both = result()
        shutil.rmtree(base.parent / "b")
        assert result()["partialFingerprints"] == both["partialFingerprints"]

    @pytest.mark.usefixtures("base")
    def test_as_text_the_second_points_at_the_first(self, capsys: Printed) -> None:
        assert run(["check"]) == 4
        said = capsys.readouterr().err
        assert said.count("unknown key 'modle'") == 1
        assert "error: deploy/b: the same as in deploy/a" in said


def test_what_an_update_restores_is_told_as_that(chat: Path, capsys: Printed) -> None:
    (chat / "README.md").unlink()
    (chat / "bin/preflight").chmod(0o644)
    assert run(["update", str(chat)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said == ["restored README.md, which was deleted", "restored the mode of bin/preflight"]


def test_an_unknown_key_like_no_other_is_answered_with_all(chat: Path, capsys: Printed) -> None:
    spec = chat / "infra-gen.yaml"
    spec.write_text(spec.read_text("utf-8") + "xyzzyq: 1\n", "utf-8")
    assert run(["check", str(chat)]) == 4
    assert "hint: known: allow, engine, engine_args, extends," in capsys.readouterr().err
