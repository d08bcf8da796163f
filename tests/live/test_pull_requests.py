"""A pull request to a repository that `new --repo` made, through the real pre-commit, the action's own
steps and GitLab's script: in clean clones, with infra-gen installed from a clone of this project.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.live.conftest import require, run_program
from tests.live.published import Action, Outcome, Published, publish

from infra_gen import published

pytestmark = pytest.mark.live

CHAT = Path("deployments/chat")
README = CHAT / "README.md"
SPEC = CHAT / "infra-gen.yaml"
FLAGS = ("--hardware", "2x4090", "--users", "40", "--model", "qwen3-32b")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Published:
    tool = require("pre-commit")
    return publish(tmp_path_factory.mktemp("home"), tool.path("python"), tool.path("wheels"))


@pytest.fixture(scope="module")
def action(place: Published, tmp_path_factory: pytest.TempPathFactory) -> Action:
    """The action after its install step."""
    temp = tmp_path_factory.mktemp("runner")
    action = Action(place, temp)
    done = action.step("Install infra-gen", temp, {})
    assert done.status == 0, done.log
    return action


@pytest.fixture(scope="module")
def origin(place: Published, action: Action, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository, with three deployments and two commits."""
    top = tmp_path_factory.mktemp("origin")
    for words in (
        ("--repo", "llm", *FLAGS, "--commit"),
        ("llm/deployments/code", *FLAGS, "--workload", "code"),
        ("llm/deployments/small", "--hardware", "rtx-3090", "--users", "2", "--model", "qwen3-8b"),
    ):
        done = place.run([action.infra_gen, "new", *words], top)
        assert done.returncode == 0, done.stdout
    place.git(top / "llm", "add", "--all")
    place.git(top / "llm", "commit", "--quiet", "-m", "two more")
    return top / "llm"


@pytest.fixture
def clone(place: Published, origin: Path, tmp_path: Path) -> Path:
    place.git(tmp_path, "clone", "--quiet", str(origin), "clone")
    return tmp_path / "clone"


def edit(path: Path, old: str, new: str) -> int:
    """Replace text that is there once; its line."""
    text = path.read_text("utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), "utf-8")
    return text[: text.index(old)].count("\n") + 1


def edit_readme(top: Path) -> int:
    """Put a line of one's own before the second heading; the line that the edit is on."""
    text = (top / README).read_text("utf-8")
    at = text.index("\n## ") + 1
    (top / README).write_text(f"{text[:at]}By hand.\n{text[at:]}", "utf-8")
    return text[:at].count("\n") + 1


class TestPreCommit:
    def ran(self, place: Published, clone: Path) -> tuple[int, str]:
        place.git(clone, "add", "--all")
        program = require("pre-commit").path("pre-commit")
        done = place.run([program, "run", "--all-files"], clone)
        return done.returncode, done.stdout

    def test_a_clean_clone_passes(self, place: Published, clone: Path) -> None:
        status, said = self.ran(place, clone)
        assert (status, said.count("Passed")) == (0, 1), said

    def test_a_hand_edit_fails(self, place: Published, clone: Path) -> None:
        edit_readme(clone)
        status, said = self.ran(place, clone)
        assert (status, said.count("Failed")) == (1, 1), said
        assert "- exit code: 2" in said
        assert f"{README}: edited by hand" in said
        assert "-By hand." in said
        assert f"to mend: infra-gen update {CHAT}" in said

    def test_a_spec_that_nobody_followed_fails(self, place: Published, clone: Path) -> None:
        edit(clone / SPEC, "users: 40", "users: 30")
        status, said = self.ran(place, clone)
        assert status == 1
        assert f"{SPEC}: changed, but the deployment was not regenerated from it" in said

    def test_it_stops_a_commit(self, place: Published, clone: Path) -> None:
        done = place.run([require("pre-commit").path("pre-commit"), "install"], clone)
        assert done.returncode == 0, done.stdout
        edit_readme(clone)
        command = ["git", "commit", "--quiet", "--all", "-m", "by hand"]
        assert place.run(command, clone).returncode == 1
        place.git(clone, "checkout", "--quiet", "--", ".")
        edit(clone / SPEC, "users: 40", "users: 30")
        infra_gen = next(Path(place.environment["PRE_COMMIT_HOME"]).glob("*/*/bin/infra-gen"))
        assert place.run([infra_gen, "update", CHAT], clone).returncode == 0
        done = place.run(command, clone)
        assert done.returncode == 0, done.stdout


class TestAction:
    @staticmethod
    def ran(action: Action, workspace: Path, **inputs: str) -> Outcome:
        """With the inputs that the repository's own workflow gives, and `inputs`."""
        workflow = yaml.safe_load((workspace / ".github/workflows/check.yml").read_text("utf-8"))
        used, given = workflow["jobs"]["deployments"]["steps"][1].values()
        assert used == f"{published.REPOSITORY}@{published.TAG}"
        return action.step("Check", workspace, {**given, **inputs})

    def test_clean(self, action: Action, clone: Path) -> None:
        done = self.ran(action, clone)
        assert done.status == 0, done.log
        assert not [line for line in done.commands if line.startswith("::error")]
        assert done.summary.startswith("### infra-gen: 3 deployments checked, none failed\n")
        assert action.outputs(done) == {"exit-code": "0"}

    def test_drift_is_annotated_where_it_is(self, action: Action, clone: Path) -> None:
        line = edit_readme(clone)
        done = self.ran(action, clone)
        assert done.status == 2
        assert action.outputs(done) == {"exit-code": "2"}
        (error,) = (one for one in done.commands if one.startswith("::error"))
        assert error == (
            f"::error file={README},line={line},title=drift-edited::edited by hand"
            f"%0Afix: infra-gen update {CHAT}"
        )
        heading, *rest = done.summary.splitlines()
        assert heading == "### infra-gen: 1 of 3 deployments failed the check (exit code 2)"
        assert f"| {CHAT} | 2 | 1 | {README}:{line}: edited by hand |" in done.summary
        assert "-By hand." in rest

    def test_every_deployment_of_a_monorepo(self, action: Action, clone: Path) -> None:
        line = edit_readme(clone)
        spec = clone / "deployments/small/infra-gen.yaml"
        wrong = edit(spec, "users: 2", "users: many")
        edit(clone / "deployments/code/infra-gen.yaml", "users: 40", "users: 30")
        done = self.ran(action, clone)
        assert done.status == 4, "the gravest"
        starts = [one.partition("::")[2].partition("::")[0] for one in done.commands]
        assert [one for one in starts if one.startswith("error")] == [
            f"error file={README},line={line},title=drift-edited",
            "error file=deployments/code/infra-gen.yaml,line=1,title=drift-spec",
            f"error file=deployments/small/infra-gen.yaml,line={wrong},title=bad-spec",
        ]
        assert "3 of 3 deployments failed the check (exit code 4)" in done.summary

    def test_only_what_is_named(self, action: Action, clone: Path) -> None:
        edit_readme(clone)
        paths = "deployments/code\ndeployments/small"
        assert self.ran(action, clone, paths=paths).status == 0
        assert self.ran(action, clone, paths="").status == 2

    def test_a_finding_of_a_rule(self, action: Action, clone: Path) -> None:
        """The edit is drift too; a finding is graver."""
        compose = clone / CHAT / "compose.yaml"
        line = edit(compose, "'127.0.0.1:8000:8000'", "'0.0.0.0:8000:8000'")
        done = self.ran(action, clone)
        assert done.status == 3
        (found,) = (one for one in done.commands if "title=port-on-all-interfaces" in one)
        assert found.startswith(f"::error file={CHAT}/compose.yaml,line={line},")
        assert f"file={CHAT}/compose.yaml,line={line},title=drift-edited" in done.log

    def test_a_folder_without_a_deployment(self, action: Action, clone: Path) -> None:
        done = self.ran(action, clone, paths="nothing-here")
        assert done.status == 1
        assert "::error file=nothing-here,line=1,title=usage::no such folder" in done.commands
        shutil.rmtree(clone / "deployments")
        done = self.ran(action, clone, paths="")
        assert done.status == 1
        assert "error: no infra-gen.yaml here or below" in done.summary

    def test_a_shallow_clone(
        self, place: Published, action: Action, origin: Path, tmp_path: Path
    ) -> None:
        """As actions/checkout makes it."""
        words = ("clone", "--quiet", "--depth", "1", f"file://{origin}", "shallow")
        place.git(tmp_path, *words)
        shallow = tmp_path / "shallow"
        assert place.git(shallow, "rev-list", "--count", "HEAD").strip() == "1"
        assert self.ran(action, shallow).status == 0
        edit_readme(shallow)
        assert self.ran(action, shallow).status == 2

    def test_without_git(self, action: Action, clone: Path, tmp_path: Path) -> None:
        """actions/checkout downloads an archive where git is missing."""
        shutil.rmtree(clone / ".git")
        bare = tmp_path / "bin"
        bare.mkdir()
        for name in ("bash", "sed"):
            (bare / name).symlink_to(shutil.which(name) or name)
        environment = {**action.place.environment, "PATH": str(bare)}
        without = Action(Published(action.place.source, environment), action.temp)
        assert self.ran(without, clone).status == 0
        edit_readme(clone)
        assert f"file={README}," in self.ran(without, clone).log

    def test_code_scanning_takes_the_log(self, action: Action, clone: Path) -> None:
        edit_readme(clone)
        edit(clone / "deployments/small/infra-gen.yaml", "users: 2", "users: many")
        done = self.ran(action, clone, sarif="found.sarif")
        assert done.status == 4
        judged = run_program(
            [
                require("sarif").path("multitool"), "validate", "found.sarif",
                "--rule-kind", "Sarif;Ghas", "--level", "Error;Warning",
                "--output", "judged.sarif", "--log", "ForceOverwrite",
            ],
            cwd=clone, env={"DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1", "HOME": str(clone)},
        )  # fmt: skip
        assert "1 files scanned" in judged.stdout
        assert ": error " not in judged.stdout, judged.stdout
        assert ": warning " not in judged.stdout, judged.stdout
        spoiled = (clone / "found.sarif").read_text("utf-8").replace('"text"', '"test"')
        (clone / "found.sarif").write_text(spoiled, "utf-8")
        again = run_program(
            judged.args, cwd=clone, env={"DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1"}
        )
        assert ": error " in again.stdout, "a mistake is seen"


class TestGitLab:
    @staticmethod
    def rendered(place: Published, **inputs: Any) -> dict[str, Any]:
        """The job as GitLab makes it of the component and its inputs."""
        text = (place.source / "templates/check/template.yml").read_text("utf-8")
        header, _, job = text.partition("\n---\n")
        declared = yaml.safe_load(header)["spec"]["inputs"]
        for name, one in declared.items():
            value = inputs.get(name, one["default"])
            said = str(value).lower() if one.get("type") == "boolean" else str(value)
            job = job.replace(f"$[[ inputs.{name} ]]", said)
        assert "$[[" not in job
        document: dict[str, Any] = yaml.safe_load(job)
        return document

    @pytest.fixture(scope="class")
    @staticmethod
    def package(place: Published) -> str:
        """A wheel, as a server or a package index would have it."""
        done = place.run(["python", "-m", "pip", "wheel", "--no-deps", "--quiet",
                          "--wheel-dir", "dist", str(place.source)], place.source.parent)  # fmt: skip
        assert done.returncode == 0, done.stdout
        (wheel,) = (place.source.parent / "dist").glob("*.whl")
        return str(wheel)

    @pytest.mark.parametrize("shell", ["bash", "dash"])
    def test_the_script(
        self, place: Published, clone: Path, tmp_path: Path, package: str, shell: str
    ) -> None:
        used = yaml.safe_load((clone / ".gitlab-ci.yml").read_text("utf-8"))["include"][0]
        job = self.rendered(place, **used["inputs"], package=package, strict=True)
        (job,) = job.values()
        done = place.run(["python", "-m", "venv", "venv"], tmp_path)
        assert done.returncode == 0, done.stdout
        path = f"{tmp_path}/venv/bin:/usr/bin:/bin"
        script = "\n".join(job["script"])

        def ran() -> tuple[int, str]:
            done = place.run([shell, "-ec", script], clone, **job["variables"], PATH=path)
            return done.returncode, done.stdout

        status, said = ran()
        assert status == 0, said
        assert "3 deployments, 3 clean" in said
        edit_readme(clone)
        assert ran()[0] == 2

    def test_schema(self, place: Published, linter: Any, tmp_path: Path) -> None:
        job = tmp_path / "job.yml"
        job.write_text(yaml.safe_dump(self.rendered(place)), "utf-8")
        done = linter("check-jsonschema", "--builtin-schema", "vendor.gitlab-ci", job)
        assert done.returncode == 0, done.stdout
        job.write_text(job.read_text("utf-8").replace("script:", "scripts:"), "utf-8")
        done = linter("check-jsonschema", "--builtin-schema", "vendor.gitlab-ci", job)
        assert done.returncode != 0, "a mistake is seen"
