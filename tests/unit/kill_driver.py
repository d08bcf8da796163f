"""Runs writing commands in forked children, kills them at chosen moments, looks at what is left.

A process of its own (one thread, imports warm) because tests may run where forking is unsafe.
usage: python -m tests.unit.kill_driver SCENARIO SCRATCH; prints one JSON object.
"""

from __future__ import annotations

import json
import os
import random
import select
import shutil
import signal
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from infra_gen import api
from infra_gen.cli.options import Asked, spec_from
from infra_gen.errors import InfraGenError
from infra_gen.lifecycle import writing
from infra_gen.lifecycle.changes import Changes, find_changes
from infra_gen.lifecycle.journal import BASE_DIR
from infra_gen.model.filetree import FileTree

Snapshot = dict[str, tuple[int, bytes | None]]
EVENTS = {
    "open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.chmod", "os.truncate",
    "fcntl.flock", "os.listdir", "os.scandir", "shutil.rmtree",
}  # fmt: skip
SEED = 20261123
RANDOM_KILLS = 30
ROUNDS_TOGETHER = 6


class Scenario:
    """A folder before, a command, and the folder after it."""

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        self.root = scratch / "work" / "chat"
        spec = spec_from(Asked(hardware="rtx-3090", users=2, model="qwen3-8b", name="chat"))
        self.built = api.build(spec, self.root)
        self.tree = without_copies(api.write_new(self.built, scratch / "finished"))
        self.prepare()
        self.old = snapshot(self.root.parent)
        self.act()
        self.new = snapshot(self.root.parent)
        assert self.old != self.new

    def prepare(self) -> None:
        """The folder before: only what lies beside it."""
        shutil.rmtree(self.root.parent, ignore_errors=True)
        self.root.parent.mkdir(parents=True)
        (self.root.parent / "neighbour").write_text("mine", "utf-8")

    def act(self) -> None:
        """The command, planned and rendered already: only the writing can be half done."""
        writing.write_new(self.root, self.tree)

    def heal(self) -> None:
        """The next command: here `new` again, which finds nothing, or a finished deployment."""
        try:
            self.act()
        except InfraGenError as error:
            if "exist already" not in error.message:
                raise


class IntoExisting(Scenario):
    """`new` into a folder that holds files of the user."""

    def prepare(self) -> None:
        super().prepare()
        for path in ("notes.txt", "bin/mine.sh", "data/deep/file"):
            place = self.root / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text("mine", "utf-8")
        (self.root / "empty").mkdir()

    def heal(self) -> None:
        writing.recover(self.root)


class Update(IntoExisting):
    """`update` after the spec changed: files change and files go, beside files of the user."""

    def __init__(self, scratch: Path) -> None:
        self.changes: Changes | None = None
        super().__init__(scratch)

    def prepare(self) -> None:
        if self.changes is None:
            super().prepare()
            writing.write_new(self.root, self.tree)
            (self.root / "monitoring" / "mine.yml").write_text("mine", "utf-8")
            (self.root / "compose.override.yaml").write_text("services: {}\n", "utf-8")
            self.changes = self.to_do()
            shutil.copytree(self.root, self.scratch / "pristine")
            return
        shutil.rmtree(self.root)
        shutil.copytree(self.scratch / "pristine", self.root)

    def to_do(self) -> Changes:
        """What `update` would do after monitoring was switched off."""
        spec = self.built.spec.model_copy(update={"monitoring": False})
        built = api.build(spec, self.root)
        tree = api.write_new(built, self.scratch / "without-monitoring")
        managed = {p: file for p, file in without_copies(tree).items() if p != "infra-gen.yaml"}
        _, lock = api.load(self.root)
        changes = find_changes(self.root, managed, lock)
        assert changes.write
        assert changes.delete
        return changes

    def act(self) -> None:
        assert self.changes
        writing.apply_changes(self.root, self.changes.write, self.changes.delete, self.changes.seen)


SCENARIOS: dict[str, type[Scenario]] = {
    "new": Scenario,
    "existing": IntoExisting,
    "update": Update,
}


def without_copies(tree: FileTree) -> FileTree:
    """Half the files, so half the time; the pristine copies are written like any other."""
    return FileTree({p: f for p, f in tree.items() if not p.startswith(f"{BASE_DIR}/")})


def snapshot(root: Path) -> Snapshot:
    found: Snapshot = {}
    for path in sorted(root.rglob("*")):
        mode = stat.S_IMODE(path.lstat().st_mode)
        found[str(path.relative_to(root))] = (mode, path.read_bytes() if path.is_file() else None)
    return found


class Counter:
    """Counts what a process asks of the disk; at `fatal` it dies, a file half written."""

    def __init__(self, below: str, fatal: int | None) -> None:
        self.below, self.fatal, self.seen = below, fatal, 0

    def hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event not in EVENTS:
            return
        first = arguments[0] if arguments else None
        if isinstance(first, int) or str(first).startswith(self.below):
            self.step(None)

    def fsync(self, descriptor: int) -> None:
        """Stands in for the real one, which only costs time here."""
        self.step(descriptor)

    def step(self, descriptor: int | None) -> None:
        self.seen += 1
        if self.seen != self.fatal:
            return
        if descriptor is not None and stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.ftruncate(descriptor, os.fstat(descriptor).st_size // 2)
        os.kill(os.getpid(), signal.SIGKILL)


def child(action: Callable[[], None], before: Callable[[], None] | None = None) -> int:
    """Fork; the child runs `action` and ends with 0, or 1 when it was refused."""
    process = os.fork()
    if process:
        return process
    code = 70
    try:
        if before:
            before()
        action()
        code = 0
    except InfraGenError:
        code = 1
    finally:
        os._exit(code)


def ended(process: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def killed_at(scenario: Scenario, action: Callable[[], None], fatal: int | None) -> tuple[int, int]:
    """Exit code of a child that dies at its `fatal`th step, and how many steps it counted."""
    reader, writer = os.pipe()

    def counted() -> None:
        counter = Counter(str(scenario.root.parent), fatal)
        os.fsync = counter.fsync  # type: ignore[assignment]
        sys.addaudithook(counter.hook)
        action()
        os.write(writer, str(counter.seen).encode())

    code = ended(child(counted))
    os.close(writer)
    told = os.read(reader, 20)
    os.close(reader)
    return code, int(told or 0)


def what_is_wrong(scenario: Scenario) -> str | None:
    """After the next command the folder is the old or the new one, byte for byte."""
    scenario.heal()
    found = snapshot(scenario.root.parent)
    if found in (scenario.old, scenario.new):
        return None
    lines = []
    for name, wanted in (("old", scenario.old), ("new", scenario.new)):
        differing = [p for p in {*found, *wanted} if found.get(p) != wanted.get(p)]
        lines.append(f"differs from {name}: {sorted(differing)[:8]}")
    return "; ".join(lines)


def points(scenario: Scenario, every: int = 1) -> dict[str, Any]:
    """Die at `every` step; at every third of these also while the next command repairs."""
    scenario.prepare()
    code, total = killed_at(scenario, scenario.act, None)
    assert code == 0
    assert snapshot(scenario.root.parent) == scenario.new
    chance = random.Random(SEED)
    wrong, kills, twice, left_old = [], 0, 0, 0
    for fatal in range(1, total + 1, every):
        scenario.prepare()
        code, _ = killed_at(scenario, scenario.act, fatal)
        assert code == -signal.SIGKILL, (fatal, code)
        kills += 1
        if kills % 3 == 0:
            code, _ = killed_at(scenario, scenario.heal, chance.randint(1, 30))
            twice += code == -signal.SIGKILL
        problem = what_is_wrong(scenario)
        left_old += snapshot(scenario.root.parent) == scenario.old
        if problem:
            wrong.append(f"step {fatal}: {problem}")
    return {"kills": kills, "twice": twice, "left_old": left_old, "wrong": wrong}


def at_random(scenario: Scenario) -> dict[str, Any]:
    """Real kills from outside, at moments that nobody chose."""
    chance = random.Random(SEED)
    wrong, kills = [], 0
    for number in range(RANDOM_KILLS):
        scenario.prepare()
        process = child(scenario.act)
        select.select([], [], [], chance.uniform(0, 0.015))
        os.kill(process, signal.SIGKILL)
        kills += ended(process) == -signal.SIGKILL
        problem = what_is_wrong(scenario)
        if problem:
            wrong.append(f"kill {number}: {problem}")
    return {"kills": kills, "wrong": wrong}


def together(scenario: Scenario) -> dict[str, Any]:
    """Four at a time; every third round one of them is killed."""
    chance = random.Random(SEED)
    wrong, winners = [], []
    for number in range(ROUNDS_TOGETHER):
        scenario.prepare()
        gate_reader, gate_writer = os.pipe()

        def wait(reader: int = gate_reader, writer: int = gate_writer) -> None:
            os.close(writer)
            os.read(reader, 1)

        processes = [child(scenario.act, before=wait) for _ in range(4)]
        os.close(gate_reader)
        os.close(gate_writer)  # all of them start now
        if number % 3 == 2:
            select.select([], [], [], chance.uniform(0, 0.02))
            os.kill(processes[0], signal.SIGKILL)
        codes = [ended(process) for process in processes]
        problem = what_is_wrong(scenario)
        if problem is None and snapshot(scenario.root.parent) != scenario.new:
            problem = "nobody wrote it"
        if problem or not set(codes) <= {0, 1, -signal.SIGKILL}:
            wrong.append(f"round {number}, {codes}: {problem}")
        if -signal.SIGKILL not in codes:  # a killed one may have won just before
            winners.append(codes.count(0))
    return {"winners": winners, "wrong": wrong}


MODES = {"points": points, "random": at_random, "together": together}

if __name__ == "__main__":
    name, folder = sys.argv[1:]
    scratch = Path(folder)
    os.fsync = lambda _: None  # a killed process loses nothing that it handed to the kernel
    scenario = SCENARIOS[name](scratch)
    print(json.dumps({mode: kill(scenario) for mode, kill in MODES.items()}))
