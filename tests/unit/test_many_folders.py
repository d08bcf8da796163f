"""Commands over folders of deployments: which they find, and how they name them."""

from __future__ import annotations

from pathlib import Path

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
        assert f"error: {two}/a/bin/infra-gen.yaml: no such file" in capsys.readouterr().err
