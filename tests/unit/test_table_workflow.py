"""The weekly look for new releases: what it reports, and how it opens a pull request."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import yaml

from infra_gen.errors import UsageError
from tools.tables import refresh

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / ".github" / "open-table-pull-request"
# Stands in for GitHub's own program: notes what it is asked, and knows of one open request or none.
GH = """#!/bin/sh
echo "$@" >> "$GH_LOG"
if [ "$2" = list ]; then cat "$GH_OPEN"; fi
"""


class TestRefresh:
    @pytest.fixture(autouse=True)
    def _no_pages(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(refresh, "follow_up", lambda: None)

    def test_one_engines_trouble_keeps_no_other_back(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def run(engine: str, _v: object, _g: object, say: object, *, write: bool) -> bool:
            if engine == "sglang":
                raise UsageError("sglang: 9.9: flags: lost --port")
            say(f"# {engine} 1 to 2\n")  # type: ignore[operator]
            return engine == "vllm"

        monkeypatch.setattr(refresh, "run", run)
        report = tmp_path / "report.md"
        assert refresh.main(["--report", str(report)]) == 1
        text = report.read_text()
        assert "# sglang: not understood\n\nsglang: 9.9: flags: lost --port" in text
        assert "# vllm 1 to 2" in text
        assert "changed: vllm; failed: sglang" in capsys.readouterr().out

    def test_nothing_new_is_no_failure(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(refresh, "run", lambda *_, **__: False)
        assert refresh.main(["--report", str(tmp_path / "r.md")]) == 0

    def test_only_what_is_given(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked = []
        monkeypatch.setattr(refresh, "run", lambda *words, **_: asked.append(words[0]))
        refresh.refresh({"mlx-lm": Path("x")})
        assert asked == ["mlx-lm"]


class TestPullRequest:
    @pytest.fixture
    def clone(self, tmp_path: Path) -> Path:
        origin, clone = tmp_path / "origin.git", tmp_path / "clone"
        git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", str(origin))
        git(tmp_path, "clone", "--quiet", str(origin), str(clone))
        git(clone, "config", "user.name", "a")
        git(clone, "config", "user.email", "a@example.org")
        git(clone, "switch", "--quiet", "--create", "main")
        for folder in ("presets", "docs"):
            (clone / folder).mkdir()
            (clone / folder / "kept").write_text("1\n")
        git(clone, "add", ".")
        git(clone, "commit", "--quiet", "--message", "first")
        git(clone, "push", "--quiet", "origin", "main")
        (clone / "report.md").write_text("# vllm 1 to 2\n")
        return clone

    def run(self, clone: Path, already_open: int = 0) -> str:
        tools = clone.parent / "bin"
        tools.mkdir(exist_ok=True)
        (tools / "gh").write_text(GH)
        (tools / "gh").chmod(0o755)
        log, count = clone.parent / "gh.log", clone.parent / "open"
        log.write_text("")
        count.write_text(f"{already_open}\n")
        env = {**ENV, "PATH": f"{tools}:{os.environ['PATH']}"}
        env |= {"GH_LOG": str(log), "GH_OPEN": str(count)}
        subprocess.run([SCRIPT, "report.md"], cwd=clone, env=env, check=True, capture_output=True)
        return log.read_text()

    def test_nothing_changed(self, clone: Path) -> None:
        assert self.run(clone) == ""
        assert git(clone, "branch", "--format=%(refname:short)") == "main\n"

    def test_a_changed_table_becomes_a_request(self, clone: Path) -> None:
        (clone / "presets" / "kept").write_text("2\n")
        (clone / "docs" / "new.md").write_text("new\n")
        asked = self.run(clone)
        assert "pr create --base main --head engine-tables" in asked
        assert "--body-file report.md" in asked
        changed = git(clone, "diff", "--name-only", "origin/main", "origin/engine-tables")
        assert changed.split() == ["docs/new.md", "presets/kept"]

    def test_an_open_request_is_renewed(self, clone: Path) -> None:
        (clone / "presets" / "kept").write_text("2\n")
        self.run(clone)
        git(clone, "switch", "--quiet", "main")
        (clone / "presets" / "kept").write_text("3\n")
        asked = self.run(clone, already_open=1)
        assert "pr edit engine-tables --body-file report.md" in asked
        assert "pr create" not in asked
        assert git(clone, "show", "origin/engine-tables:presets/kept") == "3\n"


ENV = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", *words], cwd=folder, env=ENV, check=True, capture_output=True, text=True
    )
    return done.stdout


def test_the_workflow_runs_what_is_there() -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/engine-tables.yml").read_text())
    steps = workflow["jobs"]["refresh"]["steps"]
    said = " ".join(step.get("run", "") for step in steps)
    assert "tools.tables.refresh" in said
    assert ".github/open-table-pull-request" in said
    assert os.access(SCRIPT, os.X_OK)
    assert all("@v" in step["uses"] for step in steps if "uses" in step)
