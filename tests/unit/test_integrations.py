"""What other platforms read at the repository's root: action, hook, component, preset, address."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra_gen import __version__, building, published
from infra_gen.cli.options import Asked, spec_from
from infra_gen.lifecycle.spec_file import spec_text
from infra_gen.model.names import ENGINE_NAMES

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / ".github/check-deployments"


def tracked() -> list[str]:
    words = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_the_published_address_is_one_constant() -> None:
    holders = {
        path
        for path in tracked()
        if not path.startswith(("docs/", "tests/")) and (ROOT / path).is_file()
        and published.REPOSITORY.encode() in (ROOT / path).read_bytes()
    }  # fmt: skip
    assert holders == {"generator/infra_gen/published.py"}


class TestAction:
    @pytest.fixture(scope="class")
    @staticmethod
    def action() -> dict[str, Any]:
        document: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
        return document

    def test_inputs_reach_scripts_as_variables_only(self, action: dict[str, Any]) -> None:
        """An expression inside `run` would be a shell injection."""
        assert set(action["inputs"]) == {"version", "paths", "strict", "full", "sarif"}
        assert action["runs"]["using"] == "composite"
        for step in action["runs"]["steps"]:
            assert "${{" not in step.get("run", "")

    @staticmethod
    def ran(tmp_path: Path, status: int = 0, **variables: str) -> tuple[int, list[str], str]:
        """The script with a stand-in for infra-gen: status, its calls, summary."""
        stand_in = tmp_path / "infra-gen"
        stand_in.write_text(
            '#!/bin/sh\nfor one; do printf "[%s]" "$one"; done >>"$LOG"; echo >>"$LOG"\n'
            f'echo "${{SAID:-### told}}"\nexit {status}\n',
            "utf-8",
        )
        stand_in.chmod(0o755)
        environment = {
            "PATH": "/usr/bin:/bin", "INFRA_GEN": str(stand_in), "LOG": str(tmp_path / "log"),
            "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
            "GITHUB_OUTPUT": str(tmp_path / "output"), **variables,
        }  # fmt: skip
        done = subprocess.run(
            ["bash", SCRIPT],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
        )
        log, summary = (tmp_path / name for name in ("log", "summary"))
        calls = log.read_text("utf-8").splitlines() if log.exists() else []
        said = summary.read_text("utf-8") if summary.exists() else done.stdout
        return done.returncode, calls, said

    def test_clean(self, tmp_path: Path) -> None:
        status, calls, said = self.ran(tmp_path)
        assert (status, said) == (0, "### told\n")
        assert calls == ["[check][--format][github][--]", "[check][--format][markdown][--]"]
        assert (tmp_path / "output").read_text("utf-8") == "exit-code=0\n"

    def test_a_failure_keeps_its_code(self, tmp_path: Path) -> None:
        status, calls, said = self.ran(
            tmp_path, status=3, STRICT="true", FULL="true", SARIF="a b.sarif"
        )
        assert (status, said) == (3, "### told\n")
        assert calls == [
            f"[check][--format][{form}][--strict][--full][--]"
            for form in ("github", "sarif", "markdown")
        ]
        assert (tmp_path / "output").read_text("utf-8") == "exit-code=3\n"
        assert (tmp_path / "a b.sarif").read_text("utf-8") == "### told\n"

    def test_what_could_not_begin_is_told_as_text(self, tmp_path: Path) -> None:
        status, _, said = self.ran(tmp_path, status=1, SAID="error: <b>no</b> spec & more")
        assert status == 1
        assert said.startswith("### infra-gen: the check failed with exit code 1\n")
        assert "error: &lt;b>no&lt;/b> spec &amp; more" in said

    def test_paths_are_words_and_never_code(self, tmp_path: Path) -> None:
        paths = "a  b/c\n$(touch evil) *"
        _, calls, _ = self.ran(tmp_path, PATHS=paths)
        assert calls[0] == "[check][--format][github][--][a][b/c][$(touch][evil)][*]"
        assert not (tmp_path / "evil").exists()

    @pytest.mark.parametrize("name", ["STRICT", "FULL"])
    def test_a_switch_is_true_or_false(self, tmp_path: Path, name: str) -> None:
        status, calls, output = self.ran(tmp_path, **{name: "yes"})
        assert (status, calls) == (1, [])
        assert f"::error::{name.lower()} must be true or false, not 'yes'" in output


def test_the_hook_looks_at_every_commit() -> None:
    [hook] = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))
    assert hook["id"] == "infra-gen-check"
    assert hook["entry"] == "infra-gen check"
    assert hook["pass_filenames"] is False
    golden = (ROOT / "tests/golden/2x4090-40-users/expected").rglob("*")
    assert all(re.search(hook["files"], path.name) for path in golden)


class TestGitLab:
    def test_one_component_and_no_file_that_gitlab_takes_for_one(self) -> None:
        templates = ROOT / "templates"
        found = {p.relative_to(templates).as_posix() for p in templates.glob("*/template.yml")}
        assert found == {"check/template.yml"}
        assert list(templates.glob("*.yml")) == []

    def test_header_and_job(self) -> None:
        text = (ROOT / "templates/check/template.yml").read_text("utf-8")
        header, jobs = yaml.safe_load_all(text)
        inputs = header["spec"]["inputs"]
        assert inputs["version"]["default"] == __version__
        used = set(re.findall(r"\$\[\[ inputs\.(\w+) \]\]", text))
        assert used == set(inputs)
        script = "\n".join(jobs["infra-gen-check"]["script"])
        assert "$[[" not in script, "inputs reach the shell as variables only"


class TestRenovate:
    """Renovate reads these with RE2, whose named groups Python spells otherwise."""

    @staticmethod
    def managers() -> list[dict[str, Any]]:
        preset = json.loads((ROOT / "renovate/infra-gen.json").read_text("utf-8"))
        found: list[dict[str, Any]] = preset["customManagers"]
        return found

    def found_in(self, text: str) -> list[tuple[str, str]]:
        """Name and version of everything that would be raised."""
        found = []
        for manager in self.managers():
            for pattern in manager["matchStrings"]:
                assert not re.search(r"\(\?[=!]|\\[1-9]", pattern), "RE2 has neither"
                matches = re.finditer(pattern.replace("(?<", "(?P<"), text)
                found += [(manager["description"], match["currentValue"]) for match in matches]
        return found

    @pytest.mark.parametrize(
        ("engine", "title", "version", "hardware"),
        [
            ("vllm", "vLLM", "0.32.0", "h100"),
            ("llama.cpp", "llama.cpp", "11669", "apple-m3"),
            ("tgi", "Text Generation Inference", "3.3.7", "h100"),
            ("ollama", "Ollama", "0.32.15", "rtx-3090"),
        ],
    )
    def test_the_version_in_a_real_spec(
        self, tmp_path: Path, engine: str, title: str, version: str, hardware: str
    ) -> None:
        asked = Asked(hardware=hardware, name="chat", engine=engine, engine_version=version)
        building.build(spec_from(asked), tmp_path)  # it is how such a version is written
        text = spec_text(spec_from(asked))
        assert self.found_in(text) == [(title, version)]
        flow = f"name: chat\nengine: {{name: {engine}, version: '{version}'}}\n"
        assert self.found_in(flow) == [(title, version)]

    def test_nothing_else_of_a_spec(self) -> None:
        text = spec_text(spec_from(Asked(hardware="h100", name="chat", engine="vllm")))
        assert self.found_in(text) == []
        assert self.found_in("version: 1\nname: vllm\nkubernetes:\n  version: 1.33\n") == []
        commented = "# engine: {name: vllm, version: 0.1.0}\nengine: vllm\n"
        assert self.found_in(commented) == []

    def test_every_engine_has_a_manager_for_specs_alone(self) -> None:
        assert len(self.managers()) == len(ENGINE_NAMES)
        for manager in self.managers():
            assert manager["customType"] == "regex"
            [pattern] = manager["managerFilePatterns"]
            matched = re.compile(pattern.strip("/"))
            assert matched.search("deployments/chat/infra-gen.yaml")
            assert not matched.search("deployments/chat/infra-gen.lock")
            assert not matched.search("not-infra-gen.yaml")
