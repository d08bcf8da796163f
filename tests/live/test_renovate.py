"""The Renovate preset through Renovate itself, offline: what it would raise, and what it leaves alone."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from tests.live.conftest import Run, require, run_program

from infra_gen import published
from infra_gen.cli.main import run
from infra_gen.model.names import ENGINE_NAMES

pytestmark = pytest.mark.live

ROOT = Path(__file__).parents[2]
PRESET = ROOT / "renovate/infra-gen.json"
# Hardware and version to start with, the project that Renovate asks, the version to raise to.
ENGINES = {
    "vllm": ("h100", "0.32.0", "vllm-project/vllm", "0.33.0"),
    "llama.cpp": ("apple-m3", "11549", "ggml-org/llama.cpp", "11669"),
    "tgi": ("h100", "3.3.6", "huggingface/text-generation-inference", "3.3.7"),
    "ollama": ("rtx-3090", "0.32.14", "ollama/ollama", "0.32.15"),
}


@pytest.fixture(scope="module")
def renovate() -> Run:
    """Run one of Renovate's programs, without any network."""
    tool = require("renovate")

    def program(name: str, *arguments: str | Path, **options: Any) -> Any:
        alone: list[str | Path] = ["unshare", "--net", tool.path("node"), tool.path(name)]
        return run_program([*alone, *arguments], timeout=180, **options)

    return program


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with a deployment of each engine. Its preset is put in place of its address."""
    root = tmp_path_factory.mktemp("renovate") / "llm"
    assert set(ENGINES) == set(ENGINE_NAMES)
    for at, (engine, (hardware, version, _, _)) in enumerate(ENGINES.items()):
        words = ["--engine", engine, "--engine-version", version, "--hardware", hardware]
        name = engine.replace(".", "")
        where = (
            ["--repo", str(root), "--name", name] if not at else [str(root / "deployments" / name)]
        )
        assert run(["new", *where, *words, "--users", "2"]) == 0
    config = json.loads((root / "renovate.json").read_text("utf-8"))
    preset = json.loads(PRESET.read_text("utf-8"))
    address = f"github>{published.REPOSITORY}//renovate/infra-gen#{published.TAG}"
    assert address in config["extends"]
    config["extends"].remove(address)
    config["packageRules"] = preset["packageRules"] + config["packageRules"]
    config["customManagers"] = preset["customManagers"]
    (root / "renovate.json").write_text(json.dumps(config), "utf-8")
    identity = ["-c", "user.name=tests", "-c", "user.email=tests@example.invalid"]
    for words in (["add", "--all"], [*identity, "commit", "--quiet", "-m", "all"]):
        done = run_program(["git", *words], cwd=root)  # it sees what git has
        assert done.returncode == 0, done.stderr
    return root


def test_the_preset_is_valid(renovate: Run, tmp_path: Path) -> None:
    done = renovate("validator", "--strict", "--no-global", PRESET)
    assert done.returncode == 0, done.stdout
    spoiled = tmp_path / "renovate.json"
    spoiled.write_text(PRESET.read_text("utf-8").replace("matchStrings", "matchString"), "utf-8")
    assert renovate("validator", "--strict", "--no-global", spoiled).returncode != 0


def test_it_raises_the_version_in_specs_and_nothing_else(renovate: Run, repository: Path) -> None:
    report = repository.parent / "report.json"
    environment = {
        "PATH": "/usr/bin:/bin", "HOME": str(repository.parent), "LOG_LEVEL": "error",
        "RENOVATE_REPORT_TYPE": "file", "RENOVATE_REPORT_PATH": str(report),
    }  # fmt: skip
    done = renovate(
        "renovate", "--platform=local", "--dry-run=lookup", cwd=repository, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (found,) = json.loads(report.read_text("utf-8"))["repositories"].values()
    raised, left = [], []
    for manager, files in found["packageFiles"].items():
        for file in files:
            for one in file["deps"]:
                place = (file["packageFile"], one["depName"], one.get("currentValue"))
                if manager == "regex":
                    raised.append(place)
                elif file["packageFile"].startswith("deployments/"):
                    left.append((manager, one.get("datasource"), one.get("skipReason")))
    assert sorted(raised) == sorted(
        (f"deployments/{engine.replace('.', '')}/infra-gen.yaml", project, version)
        for engine, (_, version, project, _) in ENGINES.items()
    )
    # Offline, what GitHub would be asked for is set aside before rules are read.
    assert {manager for manager, _, _ in left} >= {"docker-compose", "dockerfile", "github-actions"}
    for _, datasource, reason in left:
        assert reason == "disabled" or str(datasource).startswith("github-"), left


@pytest.mark.parametrize("engine", ENGINES)
def test_what_a_pull_request_then_needs(engine: str, repository: Path) -> None:
    """The spec as Renovate would write it: the check fails until somebody runs update."""
    _, old, project, new = ENGINES[engine]
    chat = repository / "deployments" / engine.replace(".", "")
    (manager,) = (
        one for one in json.loads(PRESET.read_text("utf-8"))["customManagers"]
        if one["depNameTemplate"] == project
    )  # fmt: skip
    spec = chat / "infra-gen.yaml"
    text = spec.read_text("utf-8")
    (match,) = (
        found
        for pattern in manager["matchStrings"]
        for found in re.finditer(pattern.replace("(?<", "(?P<"), text)
    )
    start, end = match.span("currentValue")
    assert text[start:end] == old
    spec.write_text(text[:start] + new + text[end:], "utf-8")
    assert run(["check", str(chat)]) == 2
    assert run(["update", str(chat)]) == 0
    assert run(["check", "--strict", str(chat)]) == 0
