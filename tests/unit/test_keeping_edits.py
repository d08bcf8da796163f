"""Updates keep what people edited: merged, told, taken back; and files that become theirs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tests.unit.kill_driver import snapshot

from infra_gen import api
from infra_gen.cli.main import run
from infra_gen.errors import ConflictError, EditedError, FindingsError, SpecError, UsageError

Printed = pytest.CaptureFixture[str]
README, COMPOSE = "README.md", "compose.yaml"


def edit(path: Path, old: str, new: str) -> None:
    data = path.read_bytes().decode("utf-8")
    assert old in data
    path.write_bytes(data.replace(old, new, 1).encode())


def kinds(root: Path) -> dict[str, str]:
    return {one.path: one.kind for one in api.check(root).drift}


def lines_of(path: Path) -> list[str]:
    return path.read_text("utf-8").splitlines()


def more_users(root: Path) -> None:
    edit(root / "infra-gen.yaml", "users: 2", "users: 30")


def contradict(root: Path) -> int:
    """An edit of the very line that the next update changes; its number."""
    more_users(root)
    changed = api.prepare(root).changes.write[COMPOSE].text.splitlines()
    for number, line in enumerate(lines_of(root / COMPOSE)):
        if line not in changed:
            edit(root / COMPOSE, f"\n{line}\n", f"\n{line} # mine\n")
            return number + 1
    raise AssertionError("the update changes no line")


class TestKept:
    def test_an_update_keeps_an_edit_and_from_then_on_it_is_no_drift(
        self, chat: Path, capsys: Printed
    ) -> None:
        edit(chat / README, "\n", "\nMy own words.\n")
        assert run(["update", str(chat)]) == 0
        assert "kept your edit: README.md" in capsys.readouterr().out
        assert run(["check", str(chat)]) == 0
        assert "README.md: holds an edit of yours" in capsys.readouterr().out
        locked = json.loads((chat / "infra-gen.lock").read_text("utf-8"))["files"][README]
        assert locked["edited"] != locked["sha256"]

    def test_a_change_of_the_spec_reaches_an_edited_file(self, chat: Path, capsys: Printed) -> None:
        edit(chat / README, "\n", "\nMy own words.\n")
        before = lines_of(chat / README)
        more_users(chat)
        assert run(["update", str(chat)]) == 0
        assert "wrote README.md with your edit" in capsys.readouterr().out
        after = lines_of(chat / README)
        assert "My own words." in after
        assert after != before
        assert kinds(chat) == {}

    def test_the_render_beside_the_edit_is_what_a_fresh_one_would_be(self, chat: Path) -> None:
        edit(chat / README, "\n", "\nMy own words.\n")
        more_users(chat)
        api.update(chat)
        merged = (chat / README).read_text("utf-8")
        api.update(chat, discard_edits=True)
        assert (chat / README).read_text("utf-8") == merged.replace("\nMy own words.\n", "\n", 1)

    def test_twice_is_once(self, chat: Path) -> None:
        edit(chat / README, "\n", "\nMy own words.\n")
        more_users(chat)
        api.update(chat)
        once = snapshot(chat)
        assert api.update(chat).written == ()
        assert snapshot(chat) == once

    def test_an_edit_taken_out_again_leaves_no_trace(self, chat: Path) -> None:
        before = snapshot(chat)
        edit(chat / README, "\n", "\nMy own words.\n")
        api.update(chat)
        edit(chat / README, "\nMy own words.\n", "\n")
        assert kinds(chat) == {}
        api.update(chat)
        assert snapshot(chat) == before

    def test_another_edit_on_top_is_drift_again(self, chat: Path) -> None:
        edit(chat / README, "\n", "\nMy own words.\n")
        api.update(chat)
        edit(chat / README, "My own words.", "Other words.")
        assert kinds(chat) == {README: "edited"}

    def test_windows_line_ends_and_a_byte_order_mark_stay(self, chat: Path) -> None:
        data = (chat / README).read_bytes()
        (chat / README).write_bytes(b"\xef\xbb\xbf" + data.replace(b"\n", b"\r\n"))
        more_users(chat)
        api.update(chat)
        data = (chat / README).read_bytes()
        assert data.startswith(b"\xef\xbb\xbf")
        assert data.count(b"\n") == data.count(b"\r\n")
        api.update(chat, discard_edits=True)
        assert data.decode("utf-8-sig").replace("\r\n", "\n") == (chat / README).read_text("utf-8")

    def test_an_edit_that_rules_forbid_is_not_accepted(self, chat: Path) -> None:
        image = next(line for line in lines_of(chat / COMPOSE) if "prom/prometheus" in line)
        edit(chat / COMPOSE, image, "    image: prom/prometheus:latest")
        before = snapshot(chat)
        with pytest.raises(FindingsError) as error:
            api.update(chat)
        assert "latest" in " ".join(f.message for f in error.value.findings)
        assert snapshot(chat) == before


class TestConflicts:
    def test_both_versions_lie_between_marks_and_the_exit_says_so(
        self, chat: Path, capsys: Printed
    ) -> None:
        line = contradict(chat)
        assert run(["update", str(chat)]) == 2
        said = capsys.readouterr().err
        assert f"{chat / COMPOSE}:{line}: conflict" in said
        text = (chat / COMPOSE).read_text("utf-8")
        assert "<<<<<<< yours\n" in text
        assert ">>>>>>> infra-gen\n" in text
        assert " # mine\n" in text
        assert not list(chat.rglob("*.rej"))

    def test_until_it_is_resolved_check_and_update_say_so(
        self, chat: Path, capsys: Printed
    ) -> None:
        line = contradict(chat)
        api.update(chat)
        assert kinds(chat) == {COMPOSE: "conflict"}
        assert run(["check", str(chat)]) == 2
        assert f"{COMPOSE}:{line}: a merge conflict is not" in capsys.readouterr().out
        with pytest.raises(ConflictError, match=rf"{COMPOSE}:{line}"):
            api.update(chat)

    def test_a_resolved_conflict_is_an_edit(self, chat: Path) -> None:
        contradict(chat)
        api.update(chat)
        text = (chat / COMPOSE).read_text("utf-8")
        while "<<<<<<< yours\n" in text:
            head, rest = text.split("<<<<<<< yours\n", 1)
            _, rest = rest.split("||||||| before\n", 1)
            new, tail = rest.split("=======\n", 1)[1].split(">>>>>>> infra-gen\n", 1)
            text = head + new.rstrip("\n") + " # resolved\n" + tail
        (chat / COMPOSE).write_text(text, "utf-8")
        api.update(chat)
        assert kinds(chat) == {}
        assert " # resolved" in (chat / COMPOSE).read_text("utf-8")
        assert not (chat / ".infra-gen" / "undo").exists()

    def test_abort_gives_everything_back(self, chat: Path, capsys: Printed) -> None:
        contradict(chat)
        before = snapshot(chat)
        assert run(["update", str(chat)]) == 2
        assert snapshot(chat) != before
        capsys.readouterr()
        assert run(["update", str(chat), "--abort"]) == 0
        assert f"restored {COMPOSE}" in capsys.readouterr().out
        assert snapshot(chat) == before

    def test_abort_loses_no_edit_made_since(self, chat: Path) -> None:
        contradict(chat)
        api.update(chat)
        edit(chat / README, "\n", "\nWritten meanwhile.\n")
        after = snapshot(chat)
        with pytest.raises(EditedError, match=README):
            api.abort(chat)
        assert snapshot(chat) == after

    def test_nothing_to_abort(self, chat: Path) -> None:
        with pytest.raises(UsageError, match="no update with conflicts"):
            api.abort(chat)

    @pytest.mark.parametrize(
        "spoil",
        ["", "[]", '{"places": [{"path": "../x"}]}', '{"places": [1]}', "{" * 4000],
    )
    def test_a_damaged_list_is_said_to_be(self, chat: Path, spoil: str) -> None:
        contradict(chat)
        api.update(chat)
        (chat / ".infra-gen" / "undo" / "places.json").write_text(spoil, "utf-8")
        with pytest.raises(SpecError, match="damaged"):
            api.abort(chat)

    def test_discarding_edits_ends_a_conflict(self, chat: Path) -> None:
        contradict(chat)
        api.update(chat)
        api.update(chat, discard_edits=True)
        assert kinds(chat) == {}
        assert " # mine" not in (chat / COMPOSE).read_text("utf-8")
        assert not (chat / ".infra-gen" / "undo").exists()


class TestWhatLinesCannotSay:
    def test_bytes_that_are_no_text(self, chat: Path) -> None:
        (chat / README).write_bytes(b"\xff\xfe\x00binary")
        more_users(chat)
        before = snapshot(chat)
        with pytest.raises(EditedError, match=README):
            api.update(chat)
        assert snapshot(chat) == before

    @pytest.mark.parametrize("damage", ["gone", "changed"])
    def test_a_missing_base_copy(self, chat: Path, damage: str) -> None:
        edit(chat / README, "\n", "\nMy own words.\n")
        more_users(chat)
        copy = chat / ".infra-gen" / "base" / README
        copy.unlink() if damage == "gone" else copy.write_text("x", "utf-8")
        before = snapshot(chat)
        with pytest.raises(SpecError, match="copy of what infra-gen wrote") as error:
            api.update(chat)
        assert "--discard-edits" in str(error.value.hint)
        assert snapshot(chat) == before

    @pytest.mark.parametrize("damage", ["gone", "all gone", "changed"])
    def test_a_base_copy_that_is_lost_is_drift_and_an_update_mends_it(
        self, chat: Path, damage: str, capsys: Printed
    ) -> None:
        before, base = snapshot(chat), chat / ".infra-gen" / "base"
        if damage == "all gone":
            shutil.rmtree(base)
        elif damage == "gone":
            (base / README).unlink()
        else:
            (base / README).write_text("x", "utf-8")
        assert run(["check", str(chat)]) == 2
        said = capsys.readouterr().out
        assert f"{base / README}: missing, or not the copy" in said
        assert f"to mend: infra-gen update {chat}\n" in said
        assert run(["update", str(chat)]) == 0
        assert "own records changed: .infra-gen/base/" in capsys.readouterr().out
        assert snapshot(chat) == before

    def test_a_renamed_file_is_written_again_and_yours_stays(self, chat: Path) -> None:
        (chat / README).rename(chat / "OTHER.md")
        api.update(chat)
        assert (chat / README).read_bytes() == (chat / "OTHER.md").read_bytes()
        assert kinds(chat) == {}


class TestEject:
    def test_an_ejected_file_is_neither_written_nor_compared(
        self, chat: Path, capsys: Printed
    ) -> None:
        assert run(["eject", README, str(chat)]) == 0
        (chat / README).write_text("all mine\n", "utf-8")
        more_users(chat)
        api.update(chat)
        assert (chat / README).read_text("utf-8") == "all mine\n"
        assert kinds(chat) == {}
        capsys.readouterr()
        assert run(["check", str(chat)]) == 0
        assert "README.md: ejected, yours" in capsys.readouterr().out
        assert not (chat / ".infra-gen" / "base" / README).exists()

    def test_the_check_judges_it_whenever_it_is_another(self, chat: Path) -> None:
        api.eject(chat, COMPOSE)
        assert not api.check(chat).rendered
        edit(chat / COMPOSE, "127.0.0.1:", "0.0.0.0:")
        assert run(["check", str(chat)]) == 3
        api.update(chat)  # it is not infra-gen's: no update is stopped, and no finding is settled
        assert run(["check", str(chat)]) == 3
        edit(chat / COMPOSE, "0.0.0.0:", "127.0.0.1:")
        edit(chat / COMPOSE, "\n", "\n# mine\n")
        assert api.check(chat).rendered
        api.update(chat)
        assert not api.check(chat).rendered
        assert run(["check", str(chat)]) == 0

    def test_an_edit_no_rule_saw_is_judged_after_it_was_ejected(self, chat: Path) -> None:
        edit(chat / COMPOSE, "127.0.0.1:", "0.0.0.0:")
        api.eject(chat, COMPOSE)
        assert run(["check", str(chat)]) == 3

    def test_a_missing_one_is_told(self, chat: Path, capsys: Printed) -> None:
        api.eject(chat, README)
        (chat / README).unlink()
        assert run(["check", str(chat)]) == 2
        said = capsys.readouterr().out
        assert f"{chat / README}: ejected, and missing" in said
        assert f"infra-gen eject --undo {README} {chat}" in said
        more_users(chat)
        assert kinds(chat) == {"infra-gen.yaml": "spec", README: "gone"}

    def test_it_can_be_given_back(self, chat: Path) -> None:
        before = snapshot(chat)
        assert run(["eject", README, str(chat)]) == 0
        (chat / README).unlink()
        assert run(["eject", "--undo", README, str(chat)]) == 0
        api.update(chat)
        assert snapshot(chat) == before

    def test_what_cannot_be_ejected(self, chat: Path, capsys: Printed) -> None:
        assert run(["eject", "REDME.md", str(chat)]) == 1
        assert "did you mean README.md?" in capsys.readouterr().err
        assert run(["eject", "infra-gen.yaml", str(chat)]) == 1
        assert run(["eject", "--undo", README, str(chat)]) == 1
        assert "was not ejected" in capsys.readouterr().err
        assert run(["eject", README, str(chat)]) == 0
        assert run(["eject", README, str(chat)]) == 1
        assert run(["eject", "--undo", README, str(chat)]) == 1
        assert "in its place" in capsys.readouterr().err

    def test_a_path_seen_from_where_one_stands(
        self, chat: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(chat.parent)
        assert run(["eject", f"{chat.name}/bin/preflight", chat.name]) == 0
        assert api.load(chat)[1].files["bin/preflight"].file_class == "ejected"


class TestDiff:
    def test_it_shows_and_writes_nothing(self, chat: Path, capsys: Printed) -> None:
        edit(chat / README, "\n", "\nMy own words.\n")
        more_users(chat)
        before = snapshot(chat)
        assert run(["diff", str(chat)]) == 2
        said = capsys.readouterr().out
        assert "max_num_seqs: 8 -> 16" in said
        assert "+++ compose.yaml (after an update)" in said
        assert "-My own words." not in said
        assert snapshot(chat) == before

    def test_nothing_to_show(self, chat: Path, capsys: Printed) -> None:
        assert run(["diff", str(chat)]) == 0
        assert "nothing to do" in capsys.readouterr().out

    def test_conflicts_are_foretold(self, chat: Path, capsys: Printed) -> None:
        line = contradict(chat)
        assert run(["diff", str(chat)]) == 2
        assert f"{COMPOSE}: would conflict at {line}" in capsys.readouterr().out


def test_a_changed_spec_does_not_hide_an_edit(chat: Path) -> None:
    edit(chat / README, "\n", "\nMy own words.\n")
    more_users(chat)
    assert kinds(chat) == {"infra-gen.yaml": "spec", README: "edited"}


def test_a_clone_elsewhere_merges_alike(chat: Path, tmp_path: Path) -> None:
    edit(chat / README, "\n", "\nMy own words.\n")
    more_users(chat)
    other = tmp_path / "deep" / "er"
    shutil.copytree(chat, other)
    api.update(chat)
    api.update(other)
    assert snapshot(chat) == snapshot(other)
