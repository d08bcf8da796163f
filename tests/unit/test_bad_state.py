"""Locks, bases and copies that merges and attackers spoil: told with their place, nothing written.

What a command line or a spec can get wrong is in test_bad_input.py.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.unit.kill_driver import snapshot

from infra_gen import api, comparing
from infra_gen.cli.main import run
from infra_gen.lifecycle import discovery, lock_file, seal, spec_document

Printed = pytest.CaptureFixture[str]
LOCK, SPEC, README = "infra-gen.lock", "infra-gen.yaml", "README.md"


def line_of(path: Path, word: str, last: bool = False) -> int:
    found = [n for n, line in enumerate(path.read_text("utf-8").splitlines(), 1) if word in line]
    return found[-1 if last else 0]


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")


def refused(root: Path, printed: Printed, code: int, *words: str) -> None:
    """`check`, `diff` and `update` all end with that code, say each word, and write nothing."""
    before = snapshot(root)
    for command in ("check", "diff", "update"):
        assert run([command, str(root)]) == code, command
        said = printed.readouterr()
        assert [word for word in words if word not in said.err] == [], command
        assert snapshot(root) == before


def sealed(root: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """The lock with a change and a seal that fits, as somebody who knows infra-gen forges it."""
    document = json.loads((root / LOCK).read_text("utf-8"))
    change(document)
    (root / LOCK).write_text(seal.sealed_text(document), "utf-8")


class TestLock:
    def test_conflict_marks(self, chat: Path, capsys: Printed) -> None:
        text = (chat / LOCK).read_text("utf-8")
        head, line, rest = text.partition('  "resolved"')
        marked = f"{head}<<<<<<< HEAD\n{line}{rest}=======\n{line}{rest}>>>>>>> other\n"
        (chat / LOCK).write_text(marked, "utf-8")
        at = line_of(chat / LOCK, "<<<<<<<")
        refused(chat, capsys, 4, f"{LOCK}:{at}: a merge conflict", "git checkout HEAD")

    @pytest.mark.parametrize("key", ["README.md", "context"])
    def test_a_key_twice(self, key: str, chat: Path, capsys: Printed) -> None:
        lines = (chat / LOCK).read_text("utf-8").splitlines(keepends=True)
        at = line_of(chat / LOCK, f'"{key}":')
        end = at + 4 if lines[at - 1].rstrip().endswith("{") else at
        lines[at - 1 : at - 1] = lines[at - 1 : end]
        (chat / LOCK).write_text("".join(lines), "utf-8")
        assert isinstance(json.loads("".join(lines)), dict), "valid for a careless reader"
        at = line_of(chat / LOCK, f'"{key}"', last=True)
        refused(chat, capsys, 4, f"{LOCK}:{at}: {key!r} is there twice", "version control")

    @pytest.mark.parametrize(
        ("old", "new", "word"),
        [
            ('"max_num_seqs": 8', '"max_num_seqs": "many"', "resolved.max_num_seqs"),
            ('"schema": 1', '"schema": 2', "newer"),
            ('"README.md": {', '"../README.md": {', "unsafe path"),
            ('"README.md": {', '"/README.md": {', "unsafe path"),
            ('"engine": "vllm"', '"engine": "vlm"', "resolved.engine"),
        ],
    )
    def test_a_wrong_value_has_its_line(
        self, old: str, new: str, word: str, chat: Path, capsys: Printed
    ) -> None:
        replace(chat / LOCK, old, new)
        at = line_of(chat / LOCK, new)
        refused(chat, capsys, 4, f"{LOCK}:{at}: ", word)

    def test_cut_off(self, chat: Path, capsys: Printed) -> None:
        text = (chat / LOCK).read_text("utf-8")
        (chat / LOCK).write_text(text[: len(text) // 2], "utf-8")
        refused(chat, capsys, 4, f"{LOCK}:", "not valid JSON")

    @pytest.mark.parametrize("kind", ["fifo", "folder", "loop"])
    @pytest.mark.parametrize("name", [LOCK, SPEC])
    def test_something_that_is_no_file(
        self, name: str, kind: str, chat: Path, capsys: Printed
    ) -> None:
        place = chat / name
        place.unlink()
        {"fifo": os.mkfifo, "folder": os.mkdir, "loop": lambda p: p.symlink_to(p.name)}[kind](place)  # type: ignore[operator]
        for command in ("check", "update"):
            assert run([command, str(chat)]) == 4
            assert str(place) in capsys.readouterr().err

    @pytest.mark.parametrize(
        "change",
        [
            lambda d: d.update(files=[]),
            lambda d: d.update(files={"x": {}}),
            lambda d: d.update(inputs=[1]),
            lambda d: d.update(findings=[{"what": 1}]),
            lambda d: d.update(findings=3),
        ],
    )
    def test_a_forged_seal_is_read_with_care(
        self, change: Any, chat: Path, capsys: Printed
    ) -> None:
        sealed(chat, change)
        refused(chat, capsys, 4, LOCK)

    @pytest.mark.parametrize("name", [SPEC, LOCK, ".infra-gen/spec.schema.json", ".git/config"])
    def test_what_infra_gen_cannot_have_written_is_not_deleted(
        self, name: str, chat: Path, capsys: Printed
    ) -> None:
        (chat / ".git").mkdir()
        (chat / ".git" / "config").write_text("[core]\n", "utf-8")
        replace(chat / SPEC, "users: 2", "users: 30")
        sha256 = hashlib.sha256((chat / name).read_bytes()).hexdigest()
        entry = {"sha256": sha256, "class": "managed", "executable": False}
        sealed(chat, lambda d: d["files"].update({name: entry}))
        refused(chat, capsys, 4, f"{LOCK}:", f"{name} is no file of a deployment")

    @pytest.mark.parametrize("path", ["/dev/zero", "a\0b", "fifo", "."])
    def test_an_input_without_an_end_is_not_read(self, path: str, chat: Path) -> None:
        os.mkfifo(chat / "fifo")
        sealed(chat, lambda d: d["inputs"].update({path: "0" * 64}))
        assert api.check(chat).rendered

    def test_nested_without_an_end(self, chat: Path, capsys: Printed) -> None:
        deep: list[Any] = []
        for _ in range(700):
            deep = [deep]
        text = json.dumps({"schema": 1, "seal": "x", "deep": deep})
        (chat / LOCK).write_text(text, "utf-8")
        refused(chat, capsys, 4, LOCK)


class TestBases:
    @pytest.fixture
    def over(self, chat: Path) -> Path:
        """The deployment over a base beside it."""
        (chat.parent / "base.yaml").write_text("monitoring: true\n", "utf-8")
        replace(chat / SPEC, "version: 1\n", "version: 1\nextends: ../base.yaml\n")
        assert run(["update", str(chat)]) == 0
        return chat

    def spoil(self, base: Path, kind: str) -> None:
        base.unlink()
        if kind == "folder":
            base.mkdir()
        elif kind == "fifo":
            os.mkfifo(base)
        elif kind == "loop":
            base.symlink_to(base.name)
        elif kind == "huge":
            base.write_text("#" * 200_000, "utf-8")
        elif kind == "binary":
            base.write_bytes(b"\x00\xff\x80")

    @pytest.mark.parametrize(
        ("kind", "where", "words"),
        [
            ("gone", f"chat/{SPEC}", "no such file"),
            ("folder", f"chat/{SPEC}", "not a file"),
            ("fifo", f"chat/{SPEC}", "not a file"),
            ("loop", f"chat/{SPEC}", "not a file"),
            ("huge", "base.yaml", "far larger"),
            ("binary", "base.yaml", "not UTF-8"),
        ],
    )
    def test_a_base_that_is_none(
        self, kind: str, where: str, words: str, over: Path, capsys: Printed
    ) -> None:
        self.spoil(over.parent / "base.yaml", kind)
        at = f":{line_of(over / SPEC, 'extends')}" if SPEC in where else ""
        refused(over, capsys, 4, f"{over.parent / where}{at}: ", words)

    @pytest.mark.parametrize("word", [r'"a\0b"', "x" * 5000, "/dev/zero", "../" * 300 + "none"])
    def test_a_path_that_is_none(self, word: str, over: Path, capsys: Printed) -> None:
        replace(over / SPEC, "extends: ../base.yaml", f"extends: {word}")
        refused(over, capsys, 4, f"{SPEC}:{line_of(over / SPEC, 'extends')}: extends: ")

    def test_a_circle_through_a_link(self, over: Path, capsys: Printed) -> None:
        base = over.parent / "base.yaml"
        base.unlink()
        base.symlink_to(f"chat/{SPEC}")
        refused(over, capsys, 4, f"{SPEC}:{line_of(over / SPEC, 'extends')}: ", "circle")

    def test_a_key_twice_in_a_base(self, over: Path, capsys: Printed) -> None:
        (over.parent / "base.yaml").write_text("monitoring: true\nmonitoring: false\n", "utf-8")
        refused(over, capsys, 4, "base.yaml:2", "duplicate key")

    def test_a_base_out_of_the_repository_is_read(self, over: Path, tmp_path: Path) -> None:
        (over / ".git").mkdir()
        (tmp_path / "base.yaml").write_text("monitoring: false\n", "utf-8")
        replace(over / SPEC, "monitoring: true\n", "")
        assert run(["update", str(over)]) == 0
        assert not (over / "monitoring").exists()


DAMAGE: dict[str, Callable[[Path], object]] = {
    "gone": lambda copy: copy.unlink(),
    "all gone": lambda copy: shutil.rmtree(copy.parent),
    "altered": lambda copy: copy.write_text("x", "utf-8"),
    "a folder": lambda copy: (copy.unlink(), copy.mkdir()),
    "a link": lambda copy: (copy.unlink(), copy.symlink_to("compose.yaml")),
    "a fifo": lambda copy: (copy.unlink(), os.mkfifo(copy)),
}


class TestBaseCopies:
    """An edit is told from the render by the copy of what was written: without it, no edit is lost."""

    @pytest.fixture
    def copy(self, chat: Path) -> Path:
        return chat / ".infra-gen" / "base" / README

    @pytest.mark.parametrize("damage", DAMAGE)
    def test_of_an_edited_file_that_changes(
        self, damage: str, chat: Path, copy: Path, capsys: Printed
    ) -> None:
        replace(chat / README, "\n", "\nMy own words.\n")
        replace(chat / SPEC, "users: 2", "users: 30")
        DAMAGE[damage](copy)
        text = (chat / README).read_bytes()
        for command in ("diff", "update"):
            assert run([command, str(chat)]) == 4
            said = capsys.readouterr().err
            assert str(copy) in said
            assert "infra-gen eject" in said
        assert (chat / README).read_bytes() == text
        assert run(["eject", README, str(chat)]) == 0
        if damage in ("gone", "all gone", "altered"):
            assert run(["update", str(chat)]) == 0
        assert (chat / README).read_bytes() == text

    @pytest.mark.parametrize("damage", ["gone", "all gone", "altered"])
    def test_of_an_edited_file_that_stays(self, damage: str, chat: Path, copy: Path) -> None:
        before = copy.read_bytes()
        replace(chat / README, "\n", "\nMy own words.\n")
        text = (chat / README).read_bytes()
        DAMAGE[damage](copy)
        assert run(["update", str(chat)]) == 0
        assert (chat / README).read_bytes() == text
        assert copy.read_bytes() == before

    @pytest.mark.parametrize("damage", ["gone", "all gone", "altered", "a link"])
    def test_of_a_file_that_nobody_edited(self, damage: str, chat: Path, copy: Path) -> None:
        replace(chat / SPEC, "users: 2", "users: 30")
        DAMAGE[damage](copy)
        assert run(["update", str(chat)]) == 0
        assert copy.read_bytes() == (chat / README).read_bytes()
        assert not copy.is_symlink()
        assert run(["check", "--full", str(chat)]) == 0


class TestVanishing:
    """Between finding a folder and reading it, and while it is read."""

    @pytest.fixture
    def fleet(self, chat: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        for name in ("a", "b", "c"):
            shutil.copytree(chat, tmp_path / "fleet" / name)
        monkeypatch.chdir(tmp_path / "fleet")
        return tmp_path / "fleet"

    def test_after_it_was_found(
        self, fleet: Path, monkeypatch: pytest.MonkeyPatch, capsys: Printed
    ) -> None:
        real = discovery.find_deployments

        def found(top: Path) -> list[Path]:
            roots = list(real(top))
            shutil.rmtree(fleet / "b")
            return roots

        monkeypatch.setattr(discovery, "find_deployments", found)
        assert run(["check"]) == 4
        said = capsys.readouterr()
        assert "b: no such folder" in said.err
        assert "3 deployments, 2 clean" in said.out

    def test_while_it_is_read(
        self, fleet: Path, monkeypatch: pytest.MonkeyPatch, capsys: Printed
    ) -> None:
        real = spec_document.read_text

        def read(path: Path, limit: int) -> str:
            text = real(path, limit)
            if path.name == LOCK and path.parent.name == "b":
                shutil.rmtree(fleet / "b")
            return text

        monkeypatch.setattr(lock_file, "read_text", read)
        assert run(["check", "--full"]) == 2, "its files are missing"
        said = capsys.readouterr()
        assert "b/README.md: missing" in said.out
        assert "3 deployments, 2 clean" in said.out

    def test_while_a_file_is_read(
        self, fleet: Path, monkeypatch: pytest.MonkeyPatch, capsys: Printed
    ) -> None:
        real = comparing._disk_files

        def read(root: Path, tree: Any) -> dict[str, str]:
            if root.name == "b":
                shutil.rmtree(fleet / "b")
                (fleet / "b" / README).read_bytes()
            return real(root, tree)

        monkeypatch.setattr(comparing, "_disk_files", read)
        assert run(["check", "--full"]) == 4
        said = capsys.readouterr()
        assert "README.md: No such file" in said.err
        assert "3 deployments, 2 clean" in said.out

    @pytest.mark.parametrize("command", ["update", "diff"])
    def test_others_go_on(
        self,
        command: str,
        fleet: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: Printed,
    ) -> None:
        real = api.prepare

        def prepare(root: Path, **wishes: Any) -> Any:
            if root.name == "b":
                shutil.rmtree(fleet / "b")
                (fleet / "b" / README).read_bytes()
            return real(root, **wishes)

        monkeypatch.setattr(api, "prepare", prepare)
        replace(fleet / "c" / SPEC, "users: 2", "users: 30")
        assert run([command, "a", "b", "c"]) == 4
        said = capsys.readouterr()
        assert "README.md: No such file" in said.err
        assert "max_num_seqs: 8 -> 16" in said.out
        assert f"3 deployments, {2 if command == 'update' else 1} " in said.out
