"""Kills `update`, `--abort`, `--adopt`, `eject` and `new --repo` over a deployment with edits.

usage: python -m tests.unit.kill_updates SCENARIO SCRATCH; prints one JSON object.
"""

from __future__ import annotations

import json
import os
import random
import select
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout, suppress
from io import StringIO
from pathlib import Path
from typing import Any, ClassVar

from tests.unit.kill_driver import SEED, Scenario, child, ended, points, snapshot, what_is_wrong

from infra_gen import api
from infra_gen.cli.main import run
from infra_gen.errors import ExitCode, InfraGenError
from infra_gen.lifecycle import writing
from infra_gen.model.spec import DEPLOYMENTS
from infra_gen.recording import new_tree
from infra_gen.repository import NewRepository, repository_files

MINE = {
    "README.md": "My own words.",
    "bin/preflight": "# my own check",
    ".env.example": "# my own key",
    "monitoring/alerts.yml": "# my own alert",
}
FIRST, LINE = "\n", "\n{}\n"


def put(path: Path, old: str, new: str) -> None:
    """Replace the first `old`, which must be there."""
    text = path.read_text("utf-8")
    assert old in text, (path, old)
    path.write_text(text.replace(old, new, 1), "utf-8")


class Merging(Scenario):
    """`update` after the spec changed, over edits in four files that merge."""

    every_step: ClassVar[int] = 0  # kill at every so many steps of the writing; 0: at none
    at_random: ClassVar[int] = 100
    monitoring: ClassVar[bool] = True
    mine: ClassVar[dict[str, str]] = MINE

    def __init__(self, scratch: Path) -> None:
        self.pristine = scratch / "pristine"
        super().__init__(scratch)
        for path, line in self.mine.items():
            for where in (self.old, self.new):
                assert line.encode() in (where[f"chat/{path}"][1] or b""), (path, line)

    def prepare(self) -> None:
        if not self.pristine.exists():
            super().prepare()
            self.begin()
            shutil.copytree(self.root.parent, self.pristine, symlinks=True)
            return
        shutil.rmtree(self.root.parent)
        shutil.copytree(self.pristine, self.root.parent, symlinks=True)

    def begin(self) -> None:
        """The folder before the command."""
        spec = self.built.spec.model_copy(update={"monitoring": self.monitoring})
        api.write_new(api.build(spec, self.root), self.root)
        for path, line in self.mine.items():
            put(self.root / path, FIRST, LINE.format(line))
        put(self.root / "infra-gen.yaml", "users: 2", "users: 30")
        self.prepared = api.prepare(self.root)

    def command(self) -> None:
        """The whole command, with its planning."""
        api.carry_out(api.prepare(self.root))

    def act(self) -> None:
        """Its writing alone, planned before."""
        api.carry_out(self.prepared)

    def heal(self) -> None:
        """What every command does first."""
        api.load(self.root)

    def again(self) -> None:
        """The next commands are a check, and the same one again; then the folder is the new one."""
        for checked in api.check_many([self.root]):
            assert checked.error is None, checked.error
        with suppress(InfraGenError):  # it was done already
            self.command()


class Conflicting(Merging):
    """`update` that ends in conflicts: markers, and copies for --abort."""

    every_step = 1
    at_random = 100
    monitoring = False
    mine: ClassVar[dict[str, str]] = {
        **{path: line for path, line in MINE.items() if not path.startswith("monitoring")},
        "compose.yaml": "# mine, and changed by the update",
    }

    def begin(self) -> None:
        super().begin()
        compose = self.root / "compose.yaml"
        after = self.prepared.changes.write["compose.yaml"].text.splitlines()
        line = next(one for one in compose.read_text("utf-8").splitlines() if one not in after)
        put(compose, f"\n{line}\n", f"\n{line} {self.mine['compose.yaml']}\n")
        self.prepared = api.prepare(self.root)
        assert self.prepared.found.conflicts


class Aborting(Conflicting):
    """`update --abort` after it."""

    at_random = 20

    def begin(self) -> None:
        super().begin()
        before = snapshot(self.root)
        api.carry_out(self.prepared)
        assert snapshot(self.root) != before
        api.abort(self.root)
        assert snapshot(self.root) == before
        api.carry_out(self.prepared)

    def command(self) -> None:
        api.abort(self.root)

    act = command


class Ejecting(Merging):
    """`eject` of an edited file."""

    every_step = 1
    at_random = 10

    def command(self) -> None:
        api.eject(self.root, "README.md")

    act = command


class Adopting(Merging):
    """`update --adopt`: the spec itself is written."""

    at_random = 10

    def begin(self) -> None:
        super().begin()
        put(self.root / "infra-gen.yaml", "users: 30", "users: 2")
        put(self.root / "compose.yaml", "  prometheus:\n", "  prometheus:\n    cpus: 2\n")
        self.prepared = api.prepare(self.root, adopt=True)
        assert self.prepared.asked.adopted.files, self.prepared.asked

    def command(self) -> None:
        api.carry_out(api.prepare(self.root, adopt=True))


class Bootstrapping(Merging):
    """`new --repo` into a git repository that holds files of its owner."""

    every_step = 8
    at_random = 10
    mine: ClassVar[dict[str, str]] = {"src/main.c": "int mine;", ".git/config": "[core]"}

    def begin(self) -> None:
        (self.root / "src").mkdir(parents=True)
        (self.root / "src" / "main.c").write_text("int mine;\n", "utf-8")
        subprocess.run(["git", "init", "--quiet", self.root], check=True)
        deployment = self.root / DEPLOYMENTS / "chat"
        inside = {f"{DEPLOYMENTS}/chat/{p}": f for p, f in new_tree(self.built, deployment).items()}
        self.files = {**repository_files(NewRepository(self.root), "chat"), **inside}

    def command(self) -> None:
        api.bootstrap(self.built, NewRepository(self.root))

    def act(self) -> None:
        writing.write_new(self.root, self.files)

    def heal(self) -> None:
        """A check at the top, where no deployment may lie yet."""
        os.chdir(self.root)
        with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            assert run(["check"]) in (ExitCode.CLEAN, ExitCode.USAGE)
        os.chdir(self.scratch)

    def again(self) -> None:
        with suppress(InfraGenError):
            self.command()


SCENARIOS: dict[str, type[Merging]] = {
    "merging": Merging,
    "conflicting": Conflicting,
    "aborting": Aborting,
    "ejecting": Ejecting,
    "adopting": Adopting,
    "bootstrapping": Bootstrapping,
}


def timed(scenario: Merging, action: Callable[[], None]) -> float:
    """Seconds that it takes in a child."""
    seconds = []
    for _ in range(3):
        scenario.prepare()
        began = time.perf_counter()
        assert ended(child(action)) == 0
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def killed_after(action: Callable[[], None], seconds: float) -> bool:
    """SIGKILL so long after its start; False when it had ended."""
    process = child(action)
    select.select([], [], [], seconds)
    os.kill(process, signal.SIGKILL)
    return ended(process) == -signal.SIGKILL


def at_random(scenario: Merging) -> dict[str, Any]:
    """Half of the moments lie anywhere in the command's time, half in the time of its writing."""
    chance = random.Random(SEED)
    actions = [(one, timed(scenario, one)) for one in (scenario.command, scenario.act)]
    wrong, kills, left_old, tries = [], 0, 0, 0
    while kills < scenario.at_random and tries < 5 * scenario.at_random:
        tries += 1
        action, seconds = actions[tries % 2]
        scenario.prepare()
        if not killed_after(action, chance.uniform(0, seconds)):
            continue
        kills += 1
        problem = what_is_wrong(scenario)
        left_old += snapshot(scenario.root.parent) == scenario.old
        if problem is None and kills % 16 == 0:
            scenario.again()
            if snapshot(scenario.root.parent) != scenario.new:
                problem = "the same command again does not end it"
        if problem:
            wrong.append(f"kill {kills}: {problem}")
    return {"kills": kills, "left_old": left_old, "wrong": wrong}


if __name__ == "__main__":
    name, folder = sys.argv[1:]
    scratch = Path(folder)
    os.fsync = lambda _: None  # a killed process loses nothing that it handed to the kernel
    scenario = SCENARIOS[name](scratch)
    result: dict[str, Any] = {"random": at_random(scenario)}
    if scenario.every_step:
        result["points"] = points(scenario, scenario.every_step)
    print(json.dumps(result))
