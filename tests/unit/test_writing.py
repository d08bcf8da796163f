"""Writing survives any kill: afterwards the folder is the old or the new one, nothing between."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.unit.kill_driver import SCENARIOS, snapshot
from tests.unit.kill_updates import SCENARIOS as COMMANDS

from infra_gen.errors import EditedError, UsageError
from infra_gen.lifecycle import writing
from infra_gen.lifecycle.journal import Step, fingerprint, journal_text
from infra_gen.model.filetree import File

TESTS = str(Path(__file__).parents[2])
PACKAGE = str(Path(writing.__file__).parents[2])


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: a kill is the same there, and all else is faster."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


def killed(driver: str, scenario: str, scratch: Path) -> dict[str, Any]:
    """What a driver saw; a process of its own, for it forks."""
    done = subprocess.run(
        [sys.executable, "-m", f"tests.unit.{driver}", scenario, str(scratch)],
        check=False,
        capture_output=True,
        text=True,
        cwd=scratch,
        env={**os.environ, "PYTHONPATH": f"{PACKAGE}{os.pathsep}{TESTS}", "TMPDIR": str(scratch)},
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_kills(scenario: str, scratch: Path) -> None:
    result = killed("kill_driver", scenario, scratch)
    at_every_step, at_random, together = (result[k] for k in ("points", "random", "together"))
    assert at_every_step["wrong"] == []
    assert at_every_step["kills"] >= 50
    assert at_every_step["twice"] >= 5, "the repair itself was hardly ever killed"
    if scenario != "new":  # there the next command always finishes
        assert 0 < at_every_step["left_old"] < at_every_step["kills"], "both outcomes must occur"
    assert at_random["wrong"] == []
    assert at_random["kills"] > 0
    assert together["wrong"] == [], "\n".join(together["wrong"])
    if scenario != "update":
        assert set(together["winners"]) == {1}, "one writes, the others are told"


@pytest.mark.parametrize("scenario", COMMANDS)
def test_kills_of_commands_over_edits(scenario: str, scratch: Path) -> None:
    """Over 200 kills of `update` alone: the folder is the old or the new one, edits and all."""
    wanted = COMMANDS[scenario]
    result = killed("kill_updates", scenario, scratch)
    assert result["random"]["wrong"] == []
    assert result["random"]["kills"] == wanted.at_random
    assert result["random"]["left_old"] > 0
    if wanted.every_step:
        assert result["points"]["wrong"] == []
        assert 0 < result["points"]["left_old"] < result["points"]["kills"]


def test_the_whole_command_killed(tmp_path: Path) -> None:
    """The real process, at random moments; then the same command again."""
    chance = random.Random(7)
    command = [sys.executable, "-m", "infra_gen", "new", "chat", "-H", "rtx-3090", "-m", "qwen3-8b"]
    for _ in range(4):
        process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL)
        try:
            process.wait(timeout=chance.uniform(0.2, 0.6))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
    done = subprocess.run(command, check=False, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0 or "exist already" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["chat"]
    checked = [sys.executable, "-m", "infra_gen", "check", "chat"]
    assert subprocess.run(checked, check=False, cwd=tmp_path, capture_output=True).returncode == 0


def test_a_folder_made_while_waiting_for_the_turn_is_not_staged_again(
    tmp_path: Path, monkeypatch: Any
) -> None:
    """Four processes make one folder: the last in the queue finds it made when its turn comes."""
    staged: list[Path] = []
    monkeypatch.setattr(writing, "_stage_and_rename", lambda root, _: staged.append(root))
    real = writing.locked

    @contextmanager
    def turn(folder: Path) -> Iterator[None]:
        if folder == tmp_path:
            (tmp_path / "new").mkdir()
            (tmp_path / "new" / "a.txt").write_text("theirs", "utf-8")
        with real(folder):
            yield

    monkeypatch.setattr(writing, "locked", turn)
    with pytest.raises(UsageError, match="exist already"):
        writing.write_new(tmp_path / "new", FILES)
    assert staged == []
    assert (tmp_path / "new" / "a.txt").read_text("utf-8") == "theirs"


@pytest.mark.parametrize("exists", [True, False])
def test_what_a_killed_command_staged_goes_with_the_next(tmp_path: Path, exists: bool) -> None:
    (tmp_path / ".infra-gen-new-abcdefgh" / "bin").mkdir(parents=True)
    if exists:
        (tmp_path / "new").mkdir()
    writing.write_new(tmp_path / "new", FILES)
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


FILES = {"a.txt": File("a\n"), "bin/run": File("#!/bin/sh\n", executable=True)}


def test_modes_do_not_depend_on_the_umask(tmp_path: Path) -> None:
    old = os.umask(0o077)
    try:
        writing.write_new(tmp_path / "new", FILES)
        (tmp_path / "existing").mkdir()
        writing.write_new(tmp_path / "existing", FILES)
    finally:
        os.umask(old)
    for name in ("new", "existing"):
        found = {path: mode for path, (mode, _) in snapshot(tmp_path / name).items()}
        assert found.pop(".infra-gen", 0o755) == 0o755
        assert found == {"a.txt": 0o644, "bin": 0o755, "bin/run": 0o755}


def test_a_failed_change_leaves_no_folders(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    before = snapshot(tmp_path)
    with pytest.raises(UsageError, match="in the place of a file"):
        writing.apply_changes(
            tmp_path, {"x/y/z": File(""), "taken": File("")}, (), {"taken": "not a file"}
        )
    assert snapshot(tmp_path) == before


def test_missing_parents_are_made_and_unmade(tmp_path: Path, monkeypatch: Any) -> None:
    writing.write_new(tmp_path / "a" / "b", FILES)
    assert (tmp_path / "a" / "b" / "a.txt").is_file()
    monkeypatch.setattr(writing, "write_file", lambda *_: (_ for _ in ()).throw(OSError(28, "x")))
    with pytest.raises(UsageError, match="cannot write"):
        writing.write_new(tmp_path / "c" / "d", FILES)
    assert not (tmp_path / "c").exists()


def test_deleting_the_last_file_of_a_folder_deletes_the_folder(tmp_path: Path) -> None:
    writing.write_new(tmp_path / "new", FILES)
    delete(tmp_path / "new", "bin/run")
    assert not (tmp_path / "new" / "bin").exists()
    assert (tmp_path / "new" / "a.txt").is_file()


def test_a_folder_with_a_file_of_yours_stays(tmp_path: Path) -> None:
    writing.write_new(tmp_path / "new", FILES)
    (tmp_path / "new" / "bin" / "mine").write_text("mine", "utf-8")
    delete(tmp_path / "new", "bin/run")
    assert [p.name for p in (tmp_path / "new" / "bin").iterdir()] == ["mine"]


@pytest.mark.parametrize("path", ["../x", "/x", "a/../../x", "a\\b", "", "a//b", "./a"])
def test_no_path_leads_outside(path: str, tmp_path: Path) -> None:
    root = tmp_path / "root"
    with pytest.raises(ValueError, match="unsafe path"):
        writing.write_new(root, {path: File("")})
    assert list(tmp_path.iterdir()) == []


def test_recovering_a_clean_folder_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine", "utf-8")
    (tmp_path / ".infra-gen").mkdir()
    (tmp_path / ".infra-gen" / "mine").write_text("mine", "utf-8")
    before = snapshot(tmp_path)
    assert writing.recover(tmp_path) is False
    assert snapshot(tmp_path) == before


def delete(root: Path, path: str) -> None:
    writing.apply_changes(root, {}, [path], {path: fingerprint(root / path)})


def test_what_changed_since_it_was_looked_at_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    seen = {"a": fingerprint(tmp_path / "a")}
    (tmp_path / "a").write_text("my edit")
    with pytest.raises(EditedError):
        writing.apply_changes(tmp_path, {"a": File("new")}, (), seen)
    assert (tmp_path / "a").read_text() == "my edit"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_an_edit_after_a_kill_survives_the_repair(tmp_path: Path) -> None:
    """Killed after the journal was written: the owner edits one file, rolls another back."""
    for name in ("edited", "deleted", "plain"):
        (tmp_path / name).write_text("old")
    was = fingerprint(tmp_path / "plain")
    pending = tmp_path / ".infra-gen" / "pending"
    pending.mkdir(parents=True)
    for number in range(2):
        (pending / f"{number:05d}").write_text("new")
    steps = (Step("edited", was, "00000"), Step("plain", was, "00001"), Step("deleted", was, None))
    (pending.parent / "journal.json").write_text(journal_text(steps))
    (tmp_path / "edited").write_text("my edit")
    (tmp_path / "deleted").write_text("mine too")
    assert writing.recover(tmp_path)
    texts = {path.name: path.read_text() for path in tmp_path.iterdir() if path.is_file()}
    assert texts == {"edited": "my edit", "deleted": "mine too", "plain": "new"}
    assert not writing.recover(tmp_path)


@pytest.mark.parametrize("place", ["bin", "bin/sub"])
def test_a_file_in_the_place_of_a_folder_is_refused_before_anything_is_written(
    place: str, tmp_path: Path
) -> None:
    """After the journal is there nothing may fail: the file would end every later command."""
    (tmp_path / place).parent.mkdir(exist_ok=True)
    (tmp_path / place).write_text("mine")
    (tmp_path / "a").write_text("old")
    before = snapshot(tmp_path)
    seen = {"a": fingerprint(tmp_path / "a")}
    with pytest.raises(UsageError) as caught:
        writing.apply_changes(tmp_path, {"a": File("new"), "bin/sub/x": File("new")}, (), seen)
    assert caught.value.where == str(tmp_path / place)
    assert snapshot(tmp_path) == before
    assert not writing.recover(tmp_path)
