"""Marks that a merge left, two branches that both ran an update, line ends that git changed."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from tests.unit.kill_driver import snapshot
from tests.unit.test_keeping_edits import (
    COMPOSE,
    README,
    Printed,
    contradict,
    edit,
    kinds,
    lines_of,
    more_users,
)

from infra_gen import api
from infra_gen.cli.main import run
from infra_gen.errors import ConflictError
from infra_gen.lifecycle.merging import conflict_lines

GIT = "<<<<<<< HEAD\nmine\n||||||| 1a2b3c4\nbefore\n=======\ntheirs\n>>>>>>> other\n"


class TestMarksOfAnyMerge:
    @pytest.mark.parametrize(
        "marks",
        [GIT, "||||||| before\nhalf\n=======\n", ">>>>>>> infra-gen\n", "<<<<<<<\n"],
        ids=["git", "half", "end", "bare"],
    )
    @pytest.mark.parametrize("path", ["bin/preflight", README])
    def test_are_a_conflict_in_every_managed_file(
        self, chat: Path, marks: str, path: str, capsys: Printed
    ) -> None:
        edit(chat / path, "\n", f"\n{marks}")
        assert run(["check", str(chat)]) == 2
        assert f"{path}:2: a merge conflict is not resolved" in capsys.readouterr().out
        before = snapshot(chat)
        assert run(["update", str(chat)]) == 2
        said = capsys.readouterr().err
        assert f"{path}:2" in said
        assert "--abort" not in said  # no update is under way
        assert snapshot(chat) == before
        more_users(chat)
        assert kinds(chat) == {"infra-gen.yaml": "spec", path: "conflict"}

    def test_what_is_rendered_with_marks_is_none(self) -> None:
        assert conflict_lines(f"x\n{GIT}", GIT) == ()
        assert conflict_lines(f"{GIT}>>>>>>> another\n", GIT) == (8,)
        assert conflict_lines("<<<<<<<<< a heading\n=======\n>>>>>>>x\n") == ()

    def test_none_is_ejected_meanwhile(self, chat: Path, capsys: Printed) -> None:
        contradict(chat)
        api.update(chat)
        before = snapshot(chat)
        for path in (COMPOSE, README):
            with pytest.raises(ConflictError, match=COMPOSE):
                api.eject(chat, path)
        resolved = (chat / COMPOSE).read_text("utf-8").splitlines(keepends=True)
        marks = ("<<<<<<<", "|||||||", "=======", ">>>>>>>")
        (chat / COMPOSE).write_text(
            "".join(x for x in resolved if not x.startswith(marks)), "utf-8"
        )
        assert run(["eject", README, str(chat)]) == 1
        assert "update --abort" in capsys.readouterr().err
        api.abort(chat)
        assert run(["eject", README, str(chat)]) == 0
        assert snapshot(chat) != before


def git(top: Path, *words: str) -> int:
    who = ("-c", "user.name=n", "-c", "user.email=n@localhost", "-c", "merge.conflictStyle=merge")
    return subprocess.run(
        ["git", *who, *words], cwd=top, check=False, capture_output=True
    ).returncode


class TestGitBranches:
    def test_both_updated_and_merged_as_the_hint_says(self, chat: Path, capsys: Printed) -> None:
        top = chat.parent
        for words in (
            ["init", "-q", "-b", "main"],
            ["add", "-A", chat.name],
            ["commit", "-qm", "a"],
        ):
            assert git(top, *words) == 0
        assert git(top, "checkout", "-qb", "other") == 0
        edit(
            chat / "monitoring/prometheus.yml",
            "evaluation_interval: 15s",
            "evaluation_interval: 5s",
        )
        edit(chat / "infra-gen.yaml", "users: 2", "users: 30")
        api.update(chat)
        assert git(top, "commit", "-qam", "other") == git(top, "checkout", "-q", "main") == 0
        edit(chat / README, "\n", "\nMy own words.\n")
        edit(chat / "infra-gen.yaml", "users: 2", "users: 50")
        api.update(chat)
        assert git(top, "commit", "-qam", "mine") == 0
        files = (*api.load(chat)[1].files, "infra-gen.yaml")
        assert git(top, "merge", "other") == 1
        side = re.compile(r"<{7} [^\n]*\n(.*?)={7}\n.*?>{7} [^\n]*\n", re.DOTALL)
        for path in files:
            text = (chat / path).read_text("utf-8")
            (chat / path).write_text(side.sub(r"\1", text), "utf-8")
        assert run(["check", str(chat)]) == 4
        said = capsys.readouterr().err
        assert f"git checkout HEAD -- {chat}/infra-gen.lock {chat}/.infra-gen" in said
        assert (
            git(top, "checkout", "HEAD", "--", f"{chat}/infra-gen.lock", f"{chat}/.infra-gen") == 0
        )
        assert api.update(chat).edited == (README, "monitoring/prometheus.yml")
        assert kinds(chat) == {}
        assert "My own words." in lines_of(chat / README)
        assert "evaluation_interval: 5s" in (chat / "monitoring/prometheus.yml").read_text("utf-8")


class TestLineEnds:
    @pytest.fixture
    def checked_out(self, chat: Path) -> Path:
        """As git with core.autocrlf leaves it; the copies of what was written are no text to it."""
        for path in (*api.load(chat)[1].files, "infra-gen.yaml"):
            data = (chat / path).read_bytes()
            (chat / path).write_bytes(data.replace(b"\n", b"\r\n"))
        return chat

    def test_check_says_that_nothing_else_changed(self, checked_out: Path, capsys: Printed) -> None:
        assert run(["check", str(checked_out)]) == 2
        said = capsys.readouterr().out
        assert f"{checked_out / README}: only its line ends changed, to CRLF" in said
        assert said.count("core.autocrlf") == 1
        assert "edited by hand" not in said
        assert set(kinds(checked_out).values()) == {"line-ends"}
        more_users(checked_out)
        assert set(kinds(checked_out).values()) == {"spec", "line-ends"}

    def test_update_says_so_too(self, checked_out: Path, capsys: Printed) -> None:
        assert run(["update", str(checked_out)]) == 0
        said = capsys.readouterr().out
        assert README in said
        assert "core.autocrlf" in said

    def test_an_edit_besides_is_an_edit(self, checked_out: Path) -> None:
        edit(checked_out / README, "\n", "\nMy own words.\r\n")
        assert kinds(checked_out)[README] == "edited"

    def test_git_leaves_the_pristine_copies_alone(self, chat: Path) -> None:
        said = (chat / ".infra-gen" / ".gitattributes").read_text("utf-8")
        assert said == "base/** -text linguist-generated\n"
