"""Deployments written for the live tests, and what their files tell a machine to run."""

from __future__ import annotations

import json
import plistlib
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from infra_gen import api
from infra_gen.lifecycle.spec_file import read_spec
from infra_gen.rules.deployment import read_deployment

GOLDEN = Path(__file__).parent.parent / "golden"
KEY = "test-key-0123456789abcdef"
DEPLOY_DIR = "/deploy"
MODELS = "/models"


@dataclass(frozen=True)
class Deployment:
    """A written folder."""

    root: Path

    @property
    def compose(self) -> dict[str, Any]:
        """compose.yaml as YAML 1.1 reads it."""
        document: dict[str, Any] = yaml.safe_load((self.root / "compose.yaml").read_text("utf-8"))
        return document

    def service(self, name: str) -> dict[str, Any]:
        """One service of compose.yaml."""
        service: dict[str, Any] = self.compose["services"][name]
        return service

    def run(self, *command: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run one of its scripts, in its folder."""
        path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        return subprocess.run(
            command, cwd=self.root, env={"PATH": path, "HOME": str(self.root), **env},
            text=True, capture_output=True, timeout=240, check=False,
        )  # fmt: skip


def write_case(case: str, root: Path) -> Deployment:
    """Write the deployment of a golden case into `root`, as `infra-gen new --spec` does."""
    spec = read_spec(GOLDEN / case / "infra-gen.yaml")
    api.write_new(api.build(spec, root), root)
    return Deployment(root)


def launchd_command(deployment: Deployment) -> list[str]:
    """The engine's command line, read from the property list that bin/install renders.

    The folder's real path stands for the one on the Mac.
    """
    rendered = deployment.root / "rendered"
    done = deployment.run("bash", "bin/install", "--render-only", str(rendered))
    assert done.returncode == 0, done.stderr
    label = f"infra-gen.{read_spec(deployment.root / 'infra-gen.yaml').name}"
    document = plistlib.loads((rendered / f"{label}.plist").read_bytes())
    shutil.rmtree(rendered)
    arguments: list[str] = document["ProgramArguments"]
    assert arguments[0] == f"{deployment.root}/engine/llama-server"
    return [word.replace(str(deployment.root), DEPLOY_DIR) for word in arguments]


def compose_command(deployment: Deployment) -> list[str]:
    """The engine's entry point and command, read from compose.yaml."""
    service = deployment.service("engine")
    return [*service["entrypoint"], *service["command"]]


def compose_environment(deployment: Deployment) -> dict[str, str]:
    """The engine's environment, its key filled in as .env would."""
    raw: dict[str, str] = deployment.service("engine").get("environment", {})
    return {
        name: KEY if str(value).startswith("${API_KEY") else value for name, value in raw.items()
    }


def put_model(deployment: Deployment, tiny: Path, path: str) -> None:
    """Give the deployment the tiny model under the name of the planned one."""
    place = deployment.root / path
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(tiny, place)


def golden_words(engine: str) -> Iterator[list[str]]:
    """What stands after the program in every golden deployment of that engine, read from its files."""
    for lock in sorted(GOLDEN.glob("*/expected/infra-gen.lock")):
        if json.loads(lock.read_text("utf-8"))["resolved"]["engine"] != engine:
            continue
        root = lock.parent
        files = {
            path.relative_to(root).as_posix(): path.read_text("utf-8")
            for path in sorted(root.rglob("*"))
            if path.is_file() and ".infra-gen" not in path.parts
        }
        service = read_deployment(files).engine
        assert service is not None, root.name
        yield list(service.words)
