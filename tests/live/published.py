"""This project as others take it from its repository: a clone, installed without a network.

The clone holds what git tracks, and what it would track of a working tree, and nothing else.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from infra_gen import published

ROOT = Path(__file__).parents[2]
_EXPRESSION = re.compile(r"\$\{\{ *([\w.-]+) *\}\}")


@dataclass(frozen=True)
class Published:
    """`source` is the clone, `environment` what programs need to see only it and local wheels."""

    source: Path
    environment: dict[str, str]

    def run(
        self, command: Sequence[str | Path], folder: Path, **more: str
    ) -> subprocess.CompletedProcess[str]:
        """A program's end and its output, both streams together."""
        return subprocess.run(
            command, cwd=folder, env={**self.environment, **more}, text=True, timeout=300,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip

    def git(self, folder: Path, *words: str) -> str:
        """Run git, which must succeed."""
        done = self.run(["git", *words], folder)
        assert done.returncode == 0, done.stdout
        return done.stdout


def publish(home: Path, python: Path, wheels: Path) -> Published:
    """A repository at the published address, as far as this `home` is concerned."""
    source = home / "infra-gen"
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, check=True).stdout
    for name in names.decode().split("\0"):
        if name and (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
            (source / name).chmod((ROOT / name).stat().st_mode & 0o777)
    (home / ".gitconfig").write_text(
        "[user]\nname = tests\nemail = tests@example.invalid\n[init]\ndefaultBranch = main\n"
        f'[url "file://{source}"]\ninsteadOf = https://github.com/{published.REPOSITORY}\n',
        "utf-8",
    )
    environment = {
        "HOME": str(home), "PATH": f"{python.parent}:/usr/bin:/bin", "LC_ALL": "C.UTF-8",
        "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels), "PIP_CONFIG_FILE": os.devnull,
        "PRE_COMMIT_HOME": str(home / "pre-commit"), "NO_COLOR": "1",
    }  # fmt: skip
    done = Published(source, environment)
    for words in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "-m", "all"]):
        done.git(source, *words)
    done.git(source, "tag", published.TAG)
    return done


@dataclass(frozen=True)
class Outcome:
    """How an action ended: exit status, log, job summary, outputs."""

    status: int
    log: str
    summary: str
    outputs: dict[str, str]

    @property
    def commands(self) -> list[str]:
        """The workflow commands in the log."""
        return [line for line in self.log.splitlines() if line.startswith("::")]


class Action:
    """Runs the steps of action.yml as GitHub's runner does. `uses` steps are what it is given."""

    def __init__(self, place: Published, temp: Path) -> None:
        self.place = place
        self.temp = temp
        self.document = yaml.safe_load((place.source / "action.yml").read_text("utf-8"))

    @property
    def infra_gen(self) -> Path:
        """The program that the action installed."""
        return self.temp / "infra-gen/bin/infra-gen"

    def step(self, name: str, workspace: Path, inputs: Mapping[str, str]) -> Outcome:
        """One `run` step; files that the runner makes for it are new."""
        (step,) = (one for one in self.document["runs"]["steps"] if one.get("name") == name)
        assert step["shell"] == "bash"
        values = {f"inputs.{key}": one["default"] for key, one in self.document["inputs"].items()}
        values |= {f"inputs.{key}": value for key, value in inputs.items()}
        values |= {"github.action_path": str(self.place.source), "runner.temp": str(self.temp)}
        variables = {
            key: _EXPRESSION.sub(lambda found: values[found.group(1)], value)
            for key, value in step["env"].items()
        }
        files = {name: self.temp / name for name in ("GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT")}
        for file in files.values():
            file.write_text("", "utf-8")
        script = self.temp / "step.sh"
        script.write_text(step["run"], "utf-8")
        done = self.place.run(
            ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", script], workspace,
            **variables, **{name: str(file) for name, file in files.items()},
            GITHUB_WORKSPACE=str(workspace), GITHUB_ACTIONS="true", CI="true",
            RUNNER_TEMP=str(self.temp),
        )  # fmt: skip
        said = {name: file.read_text("utf-8") for name, file in files.items()}
        outputs = dict(line.split("=", 1) for line in said["GITHUB_OUTPUT"].splitlines())
        return Outcome(done.returncode, done.stdout, said["GITHUB_STEP_SUMMARY"], outputs)

    def outputs(self, outcome: Outcome) -> dict[str, Any]:
        """What the action as a whole gives to the steps after it."""
        return {
            name: outcome.outputs[one["value"].strip("${} ").removeprefix("steps.check.outputs.")]
            for name, one in self.document["outputs"].items()
        }
