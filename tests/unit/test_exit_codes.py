"""Every exit code is reached, and means what the reference says."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.conftest import MakeChat

from infra_gen import api
from infra_gen.cli.main import run

COMMANDS = ["new", "plan", "explain", "validate", "check", "update"]
FLAGS = ["--hardware", "rtx-3090", "--users", "2", "--model", "qwen3-8b"]


def drift(root: Path) -> Path:
    compose = root / "compose.yaml"
    compose.write_text(compose.read_text("utf-8") + "# mine\n", "utf-8")
    return root


def broken_lock(root: Path) -> Path:
    (root / "infra-gen.lock").write_text("{", "utf-8")
    return root


def with_findings(root: Path) -> Path:
    """A published port on every interface: an error of the rules, and drift as well."""
    compose = root / "compose.yaml"
    text = compose.read_text("utf-8")
    assert "127.0.0.1" in text
    compose.write_text(text.replace("127.0.0.1", "0.0.0.0"), "utf-8")
    return root


def no_longer_fits(root: Path) -> Path:
    """A lock that pins more requests at once than the card holds."""
    lock = root / "infra-gen.lock"
    text = lock.read_text("utf-8")
    assert '"context": 5120' in text
    lock.write_text(text.replace('"context": 5120', '"context": 512000000'), "utf-8")
    return root


@pytest.mark.parametrize("command", COMMANDS)
def test_unknown_option_is_usage(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([command, "--frobnicate"]) == 1
    assert "--frobnicate" in capsys.readouterr().err


def test_unknown_command_is_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["frobnicate"]) == 1
    assert "frobnicate" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["--version"]])
def test_help_and_version_are_clean(arguments: list[str]) -> None:
    assert run(arguments) == 0


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([command, "--help"]) == 0
    assert "infra-gen " + command in capsys.readouterr().out


@pytest.mark.parametrize("command", ["check", "validate", "update", "explain"])
def test_a_missing_folder_is_usage(command: str, tmp_path: Path) -> None:
    where = ["--dir"] if command == "explain" else []
    assert run([command, *where, str(tmp_path / "none")]) == 1


def test_clean(chat: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", str(chat)]) == 0
    assert "clean" in capsys.readouterr().out
    assert run(["validate", str(chat)]) == 0
    assert run(["update", str(chat)]) == 0
    assert run(["plan", str(chat)]) == 0
    assert run(["explain", "--dir", str(chat)]) == 0


def test_drift(chat: Path) -> None:
    drift(chat)
    assert run(["check", str(chat)]) == 2
    assert run(["update", str(chat)]) == 0
    assert run(["check", str(chat)]) == 0


def test_findings(chat: Path) -> None:
    with_findings(chat)
    assert run(["validate", str(chat)]) == 3
    assert run(["check", str(chat)]) == 3


def test_findings_of_new_write_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "chat"
    bad = ["--set", "max-num-seqs=many", "--engine", "vllm", "--quantization", "awq-int4"]
    assert run(["new", str(root), *FLAGS, *bad]) == 3
    assert "max-num-seqs" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["check", "validate", "update"])
def test_bad_lock(command: str, chat: Path) -> None:
    assert run([command, str(broken_lock(chat))]) == 4


@pytest.mark.parametrize("command", ["check", "validate", "update", "plan"])
def test_bad_spec(command: str, chat: Path) -> None:
    (chat / "infra-gen.yaml").write_text("version: 1\n", "utf-8")
    assert run([command, str(chat)]) == 4


def test_does_not_fit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "chat"
    assert run(["new", str(root), "--hardware", "rtx-3090", "--model", "deepseek-v3"]) == 5
    assert "GiB" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_locked_plan_that_no_longer_fits(chat: Path) -> None:
    assert run(["check", str(no_longer_fits(chat))]) == 5


def test_a_bug_says_what_to_report(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def boom(*_: object, **__: object) -> None:
        raise ZeroDivisionError("boom")

    monkeypatch.setattr(api, "plan", boom)
    assert run(["plan", *FLAGS]) == 70
    said = capsys.readouterr().err
    assert "ZeroDivisionError: boom" in said
    assert "report" in said
    assert "infra-gen 0." in said


def test_trouble_of_the_disk_is_no_bug(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", "/some/file")

    monkeypatch.setattr(api, "plan", refuse)
    assert run(["plan", *FLAGS]) == 1
    assert capsys.readouterr().err == "error: /some/file: Permission denied\n"


def test_interrupted(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(api, "plan", stop)
    assert run(["plan", *FLAGS]) == 130
    assert "interrupted" in capsys.readouterr().err


SPOILERS = {4: broken_lock, 5: no_longer_fits, 3: with_findings, 2: drift, 0: lambda root: root}
GRAVEST_FIRST = [4, 5, 3, 2, 0]


@pytest.mark.parametrize("graver", GRAVEST_FIRST[:-1])
def test_the_gravest_of_several_is_the_exit_code(
    graver: int, make_chat: MakeChat, capsys: pytest.CaptureFixture[str]
) -> None:
    milder = GRAVEST_FIRST[GRAVEST_FIRST.index(graver) + 1 :]
    roots = [str(SPOILERS[code](make_chat(f"exit-{code}"))) for code in [*milder, graver]]
    assert run(["check", *roots]) == graver
    assert run(["check", *reversed(roots)]) == graver
    assert [run(["check", root]) for root in roots] == [*milder, graver]
    capsys.readouterr()


def test_a_wrong_folder_among_several_does_not_hide_drift(chat: Path, tmp_path: Path) -> None:
    drift(chat)
    assert run(["check", str(tmp_path / "none"), str(chat)]) == 2
    assert run(["check", str(tmp_path / "none")]) == 1
