"""`new --spec`: deployments around specs that somebody wrote, one or many."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.kill_driver import snapshot

from infra_gen.cli.main import run
from infra_gen.lifecycle.lock_file import read_lock

Printed = pytest.CaptureFixture[str]
BASE = "version: 1\nhardware: rtx-3090\nmodel: qwen3-8b\n"


def spec(name: str, users: object = 2) -> str:
    return f"# Ours.\nextends: ../base.yaml\nname: {name}  # as in DNS\nload: {{users: {users}}}\n"


@pytest.fixture(autouse=True)
def deploy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Specs of two deployments side by side, over one base."""
    monkeypatch.chdir(tmp_path)
    for name in ("chat", "search"):
        write(Path("deploy") / name / "infra-gen.yaml", spec(name))
    write(Path("deploy/base.yaml"), BASE)
    return Path("deploy")


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


def nothing_written(printed: Printed, arguments: list[str], code: int, *words: str) -> None:
    before = snapshot(Path())
    assert run(arguments) == code
    said = printed.readouterr()
    assert [word for word in words if word not in said.err] == []
    assert snapshot(Path()) == before


class TestOne:
    def test_a_spec_in_its_place_stays_as_it_is(self, deploy: Path, capsys: Printed) -> None:
        path = deploy / "chat" / "infra-gen.yaml"
        assert run(["new", "--spec", str(path)]) == 0
        assert path.read_text("utf-8") == spec("chat")
        assert f"files in {deploy / 'chat'}; start with" in capsys.readouterr().out
        lock = read_lock(deploy / "chat" / "infra-gen.lock")
        assert set(lock.inputs) >= {"infra-gen.yaml", "../base.yaml"}
        assert run(["check", str(deploy / "chat")]) == 0
        assert run(["update", str(deploy / "chat")]) == 0
        assert "nothing to do" in capsys.readouterr().out
        assert path.read_text("utf-8") == spec("chat")

    def test_its_own_folder_may_be_said(self, deploy: Path) -> None:
        path = deploy / "chat" / "infra-gen.yaml"
        assert run(["new", f"{deploy}/../deploy/chat/", "--spec", str(path)]) == 0
        assert path.read_text("utf-8") == spec("chat")

    def test_from_inside_the_folder(self, deploy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(deploy / "chat")
        assert run(["new", "--spec", "infra-gen.yaml"]) == 0
        assert Path("infra-gen.yaml").read_text("utf-8") == spec("chat")
        assert run(["check"]) == 0

    def test_another_folder_gets_a_spec_that_stands_alone(self, deploy: Path) -> None:
        path = deploy / "chat" / "infra-gen.yaml"
        assert run(["new", "out", "--spec", str(path)]) == 0
        written = Path("out/infra-gen.yaml").read_text("utf-8")
        assert "extends" not in written
        assert "rtx-3090" in written
        assert path.read_text("utf-8") == spec("chat")
        assert run(["check", "out"]) == 0

    def test_a_spec_of_another_name_goes_into_a_folder_of_its_name(self, deploy: Path) -> None:
        (deploy / "chat" / "infra-gen.yaml").rename(deploy / "chat" / "wish.yaml")
        assert run(["new", "--spec", str(deploy / "chat" / "wish.yaml")]) == 0
        assert run(["check", "chat"]) == 0

    def test_a_deployment_is_not_written_twice(self, deploy: Path, capsys: Printed) -> None:
        path = deploy / "chat" / "infra-gen.yaml"
        assert run(["new", "--spec", str(path)]) == 0
        nothing_written(
            capsys, ["new", "--spec", str(path)], 1, str(path), f"infra-gen update {path.parent}"
        )

    def test_a_file_of_yours_in_the_way(self, deploy: Path, capsys: Printed) -> None:
        write(deploy / "chat" / "README.md", "mine")
        path = str(deploy / "chat" / "infra-gen.yaml")
        nothing_written(capsys, ["new", "--spec", path], 1, "1 of the files", "README.md")

    @pytest.mark.parametrize("command", ["check", "update", "diff", "validate"])
    def test_others_say_that_it_is_the_command(
        self, command: str, deploy: Path, capsys: Printed
    ) -> None:
        path = deploy / "chat" / "infra-gen.yaml"
        nothing_written(
            capsys, [command, str(path.parent)], 4, "infra-gen.lock", f"infra-gen new --spec {path}"
        )

    def test_a_lost_lock_is_no_new_deployment(self, deploy: Path, capsys: Printed) -> None:
        assert run(["new", "--spec", str(deploy)]) == 0
        (deploy / "chat" / "infra-gen.lock").unlink()
        nothing_written(capsys, ["update", str(deploy / "chat")], 4, "restore it from version")
        path = str(deploy / "chat" / "infra-gen.yaml")
        nothing_written(capsys, ["new", "--spec", path], 1, "exist already")


class TestMany:
    def test_a_folder_stands_for_those_without_a_deployment(
        self, deploy: Path, capsys: Printed
    ) -> None:
        assert run(["new", "--spec", str(deploy)]) == 0
        said = capsys.readouterr().out
        assert said.index(f"in {deploy}/chat: Qwen3 8B") < said.index(
            f"in {deploy}/search: Qwen3 8B"
        )
        assert "2 deployments, 2 written" in said
        assert (deploy / "chat" / "infra-gen.yaml").read_text("utf-8") == spec("chat")
        assert run(["check", str(deploy / "chat"), str(deploy / "search")]) == 0
        write(deploy / "more" / "infra-gen.yaml", spec("more"))
        capsys.readouterr()
        assert run(["new", "--spec", str(deploy)]) == 0
        assert "2 below have a deployment already" in capsys.readouterr().out
        assert run(["check"]) == 0
        before = snapshot(Path())
        assert run(["new", "--spec", str(deploy)]) == 0
        assert snapshot(Path()) == before

    def test_as_a_shell_expands_a_pattern(self, deploy: Path, capsys: Printed) -> None:
        files = sorted(str(path) for path in deploy.glob("*/infra-gen.yaml"))
        assert run(["new", "--spec", *files]) == 0
        assert "2 deployments, 2 written" in capsys.readouterr().out

    def test_named_twice_is_written_once(self, deploy: Path, capsys: Printed) -> None:
        path = str(deploy / "chat" / "infra-gen.yaml")
        assert run(["new", "--spec", path, "--spec", f"./{path}", "--spec", str(deploy)]) == 0
        assert "2 deployments, 2 written" in capsys.readouterr().out

    def test_below_another_folder(self, deploy: Path) -> None:
        assert run(["new", "out", "--spec", str(deploy)]) == 0
        assert run(["check", "out/chat", "out/search"]) == 0
        assert sorted(path.name for path in (deploy / "chat").iterdir()) == ["infra-gen.yaml"]

    def test_an_error_in_one_stops_no_other_and_the_gravest_counts(
        self, deploy: Path, capsys: Printed
    ) -> None:
        write(deploy / "aa" / "infra-gen.yaml", spec("aa", users="none"))
        write(deploy / "bb" / "infra-gen.yaml", spec("bb") + "quantization: fp88\n")
        write(deploy / "search" / "compose.yaml", "mine")
        before = snapshot(deploy / "search")
        assert run(["new", "--spec", str(deploy)]) == 4
        said = capsys.readouterr()
        assert f"{deploy}/aa/infra-gen.yaml:4: load.users" in said.err
        assert "compose.yaml" in said.err
        assert "4 deployments, 1 written" in said.out
        assert run(["check", str(deploy / "chat")]) == 0
        assert snapshot(deploy / "search") == before
        for name in ("aa", "bb"):
            assert [path.name for path in (deploy / name).iterdir()] == ["infra-gen.yaml"]

    def test_a_base_that_is_wrong_is_told_of_each(self, deploy: Path, capsys: Printed) -> None:
        write(deploy / "base.yaml", BASE + "modle: x\n")
        nothing_written(capsys, ["new", "--spec", str(deploy)], 4, f"{deploy}/base.yaml:4")

    def test_a_folder_without_any(self, capsys: Printed) -> None:
        Path("empty").mkdir()
        nothing_written(capsys, ["new", "--spec", "empty"], 1, "no infra-gen.yaml in this folder")

    def test_two_places_to_write(self, deploy: Path, capsys: Printed) -> None:
        nothing_written(capsys, ["new", "a", "b", "--spec", str(deploy)], 1, "one DIR", "a, b")
        nothing_written(capsys, ["new", "a", "b", "-H", "h100"], 1, "one DIR", "--spec")

    def test_one_repository_takes_one(self, deploy: Path, capsys: Printed) -> None:
        files = [f"--spec={path}" for path in deploy.glob("*/infra-gen.yaml")]
        nothing_written(capsys, ["new", "--repo", "llm", *files], 1, "--repo takes one --spec")


class TestNames:
    def test_one_folder_for_two_is_refused(self, deploy: Path, capsys: Printed) -> None:
        write(deploy / "search" / "infra-gen.yaml", spec("chat"))
        nothing_written(
            capsys,
            ["new", "out", "--spec", str(deploy)],
            4,
            "deploy/search/infra-gen.yaml:3: name: 'chat' would be written into out/chat",
            "deploy/chat/infra-gen.yaml:3",
        )

    def test_a_name_that_was_copied_along_is_refused(self, deploy: Path, capsys: Printed) -> None:
        write(deploy / "search" / "infra-gen.yaml", spec("chat"))
        nothing_written(
            capsys,
            ["new", "--spec", str(deploy)],
            4,
            "deploy/search/infra-gen.yaml:3: name: 'chat' is the name at",
            "deploy/chat/infra-gen.yaml:3",
            "base that both extend",
        )

    def test_also_from_a_deployment_that_is_there(self, deploy: Path, capsys: Printed) -> None:
        assert run(["new", "--spec", str(deploy)]) == 0
        write(deploy / "also" / "infra-gen.yaml", spec("chat"))
        nothing_written(
            capsys, ["new", "--spec", str(deploy)], 4,
            "deploy/also/infra-gen.yaml:3: name: 'chat'", "deploy/chat/infra-gen.yaml:3",
        )  # fmt: skip
        write(deploy / "chat" / "infra-gen.yaml", spec("search"))
        write(deploy / "also" / "infra-gen.yaml", spec("also"))
        assert run(["new", "--spec", str(deploy)]) == 0, "old ones are not judged"

    def test_a_name_from_a_base_is_one_deployment_in_several_places(self, deploy: Path) -> None:
        write(deploy / "base.yaml", BASE + "name: chat\n")
        for name in ("chat", "search"):
            write(deploy / name / "infra-gen.yaml", "extends: ../base.yaml\n")
        assert run(["new", "--spec", str(deploy)]) == 0
        assert run(["check"]) == 0

    def test_the_same_name_in_folders_apart(self, deploy: Path) -> None:
        write(Path("us/chat/infra-gen.yaml"), spec("chat"))
        write(Path("us/base.yaml"), BASE)
        assert run(["new", "--spec", str(deploy), "--spec", "us"]) == 0
