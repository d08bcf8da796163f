"""What `new --repo` writes and what stands at our own root, judged by the platforms' own schemas."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra_gen import repository

pytestmark = pytest.mark.live

ROOT = Path(__file__).parents[2]
Tool = Callable[..., Any]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a repository, without a deployment."""
    root = tmp_path_factory.mktemp("repository") / "llm"
    for path, file in repository.repository_files(
        repository.NewRepository(root, "@a/b"), "chat"
    ).items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(file.text, "utf-8")
    return root


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        ("github-workflows", ".github/workflows/check.yml"),
        ("gitlab-ci", ".gitlab-ci.yml"),
        ("renovate", "renovate.json"),
    ],
)
def test_schemas_of_the_platforms(linter: Tool, written: Path, schema: str, path: str) -> None:
    done = linter("check-jsonschema", "--builtin-schema", f"vendor.{schema}", written / path)
    assert done.returncode == 0, done.stdout
    spoiled = written / "spoiled" / Path(path).name
    spoiled.parent.mkdir(exist_ok=True)
    text = (written / path).read_text("utf-8")
    for word, wrong in (("runs-on:", "runs_on:"), ("include:", "include: 3\nx:"), ("[", "3, [")):
        text = text.replace(word, wrong, 1)
    spoiled.write_text(text, "utf-8")
    done = linter("check-jsonschema", "--builtin-schema", f"vendor.{schema}", spoiled)
    assert done.returncode != 0, "a mistake is seen"


@pytest.mark.parametrize(
    ("schema", "path"), [("github-actions", "action.yml"), ("renovate", "renovate/infra-gen.json")]
)
def test_schemas_for_our_own_files(linter: Tool, schema: str, path: str) -> None:
    done = linter("check-jsonschema", "--builtin-schema", f"vendor.{schema}", ROOT / path)
    assert done.returncode == 0, done.stdout


def test_workflow(actionlint: Tool, written: Path) -> None:
    done = actionlint(written / ".github/workflows/check.yml")
    assert done.returncode == 0, done.stdout


def test_the_actions_script(linter: Tool) -> None:
    done = linter("shellcheck", ROOT / ".github/check-deployments")
    assert done.returncode == 0, done.stdout
