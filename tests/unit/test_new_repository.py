"""`new --repo`: into nothing, into a repository, beside files of somebody else, with and without git."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from pathlib import Path

import pytest
import yaml

from infra_gen import published, repository
from infra_gen.cli.main import run
from infra_gen.errors import ExitCode
from infra_gen.model.filetree import FileTree

FLAGS = ("--hardware", "rtx-3090", "--users", "2", "--model", "qwen3-8b")
NEW = ("new", "--repo", "llm", *FLAGS)


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def files_below(root: Path) -> set[str]:
    found = {p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file()}
    return {path for path in found if not path.startswith(".git/")}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, outside of any repository, with a name for commits."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    (tmp_path / "gitconfig").write_text("[user]\nname = t\nemail = t@example.invalid\n", "utf-8")
    return tmp_path


def around(licence: str = "none", owner: str = "", root: str = "llm") -> FileTree:
    return repository.repository_files(repository.NewRepository(Path(root), owner, licence), "chat")


class TestIntoNothing:
    def test_repository_and_deployment(
        self, home: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert run([*NEW, "--owner", "@org/team"]) == ExitCode.CLEAN
        said = capsys.readouterr().out
        assert "made a git repository; nothing was committed" in said
        assert published.REPOSITORY in said
        root = home / "llm"
        assert set(around(owner="x")) < files_below(root)
        assert git(root, "symbolic-ref", "--short", "HEAD") == "main"
        assert git(root, "status", "--porcelain") != ""
        assert run(["check", "llm/deployments/chat"]) == ExitCode.CLEAN
        assert (root / "CODEOWNERS").read_text("utf-8").endswith("* @org/team\n")

    def test_git_takes_every_file_that_was_written(self, home: Path) -> None:
        """None of them is ignored, and none is changed on its way in and out."""
        assert run([*NEW, "--commit"]) == ExitCode.CLEAN
        root = home / "llm"
        assert set(git(root, "ls-files").splitlines()) == files_below(root)
        assert git(root, "status", "--porcelain", "--ignored") == ""
        git(home, "clone", "--quiet", "llm", "clone")
        assert run(["check", "clone/deployments/chat"]) == ExitCode.CLEAN

    def test_the_name_and_a_second_deployment(self, home: Path) -> None:
        assert run([*NEW, "--name", "search"]) == ExitCode.CLEAN
        assert "deployments/search/README.md" in (home / "llm/README.md").read_text("utf-8")
        assert run(["new", "llm/deployments/other", *FLAGS]) == ExitCode.CLEAN
        assert run(["check", "llm/deployments/search", "llm/deployments/other"]) == ExitCode.CLEAN

    def test_a_relative_pack_is_seen_from_the_deployment(self, home: Path) -> None:
        folder = home / "p/{{cookiecutter.x}}"
        folder.mkdir(parents=True)
        (home / "p/cookiecutter.json").write_text('{"x": "y"}', "utf-8")
        (folder / "mine.txt").write_text("1\n", "utf-8")
        assert run([*NEW, "--pack", "p"]) == ExitCode.CLEAN
        assert (home / "llm/deployments/chat/mine.txt").is_file()

    def test_without_git(
        self, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr("shutil.which", lambda _: None)
        assert run([*NEW, "--commit"]) == ExitCode.USAGE
        assert not (home / "llm").exists()
        assert run(NEW) == ExitCode.CLEAN
        assert "git is not installed" in capsys.readouterr().out
        assert not (home / "llm/.git").exists()

    def test_a_commit_that_cannot_be_made_is_said(
        self, home: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (home / "gitconfig").write_text("[user]\nuseConfigOnly = true\n", "utf-8")
        assert run([*NEW, "--commit"]) == ExitCode.USAGE
        assert "git commit failed, so nothing was committed" in capsys.readouterr().out
        assert (home / "llm/deployments/chat/compose.yaml").is_file()

    def test_what_does_not_fit_writes_nothing(self, home: Path) -> None:
        code = run(["new", "--repo", "llm", "--hardware", "rtx-3090", "--model", "llama-3.3-70b"])
        assert code in (ExitCode.DOES_NOT_FIT, ExitCode.FINDINGS)
        assert not (home / "llm").exists()


class TestIntoARepository:
    @pytest.fixture
    def there(self, home: Path) -> Path:
        root = home / "llm"
        root.mkdir()
        git(root, "init", "--quiet")
        (root / "main.c").write_text("mine\n", "utf-8")
        return root

    def test_beside_what_is_there(self, there: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert run(NEW) == ExitCode.CLEAN
        assert "the repository was there already" in capsys.readouterr().out
        assert (there / "main.c").read_text("utf-8") == "mine\n"
        assert not (there / ".infra-gen").exists(), "the repository itself is no deployment"

    def test_all_files_in_the_way_are_listed(
        self, there: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (there / "README.md").write_text("mine\n", "utf-8")
        (there / "deployments").write_text("a file\n", "utf-8")
        before = files_below(there)
        assert run(NEW) == ExitCode.USAGE
        said = capsys.readouterr().err
        assert "README.md" in said
        assert "deployments/chat/compose.yaml" in said
        assert "--keep-existing" in said
        assert files_below(there) == before

    def test_keep_existing_writes_the_others(
        self, there: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (there / "README.md").write_text("mine\n", "utf-8")
        assert run([*NEW, "--keep-existing", "--commit"]) == ExitCode.CLEAN
        assert "kept yours: README.md" in capsys.readouterr().out
        assert (there / "README.md").read_text("utf-8") == "mine\n"
        committed = set(git(there, "ls-files").splitlines())
        assert "Makefile" in committed
        assert not {"README.md", "main.c"} & committed, "only what was written is committed"

    def test_a_commit_that_gitignore_prevents(
        self, there: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (there / ".gitignore").write_text("# mine\n*.lock\n", "utf-8")
        assert run([*NEW, "--keep-existing", "--commit"]) == ExitCode.USAGE
        printed = capsys.readouterr()
        assert "git add failed, so nothing was committed" in printed.out
        assert (
            "warning: git ignores deployments/chat/infra-gen.lock, by .gitignore:2: *.lock\n"
            in printed.err
        )

    @pytest.mark.parametrize(
        ("rules", "words"),
        [
            ("*.lock\nbin/\n!preflight\n", ["git ignores infra-gen.lock, by", " more, by", ":2: bin/"]),
            ("*.lock\n!infra-gen.lock\n", []),
            ("/sub\n", []),  # left out as a whole: meant to be
        ],
    )  # fmt: skip
    def test_what_git_leaves_out_is_said(
        self, there: Path, rules: str, words: list[str], monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:  # fmt: skip
        (there / ".gitignore").write_text(rules, "utf-8")
        monkeypatch.chdir(there)
        assert run(["new", "sub/chat", *FLAGS]) == ExitCode.CLEAN
        said = capsys.readouterr().err
        assert all(word in said for word in words)
        assert bool(words) == ("git ignores" in said)

    def test_a_deployment_is_never_kept_half(self, there: Path) -> None:
        assert run([*NEW]) == ExitCode.CLEAN
        spec = there / "deployments/chat/infra-gen.yaml"
        before = spec.read_bytes()
        assert run([*NEW, "--keep-existing"]) == ExitCode.USAGE
        assert spec.read_bytes() == before

    def test_a_folder_of_a_repository_is_refused(
        self, there: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert run(["new", "--repo", "llm/sub/deep", *FLAGS]) == ExitCode.USAGE
        assert str(there) in capsys.readouterr().err
        assert not (there / "sub").exists()

    def test_a_link_that_leads_out(self, there: Path, home: Path) -> None:
        (home / "elsewhere").mkdir()
        (there / ".github").symlink_to(home / "elsewhere")
        assert run(NEW) == ExitCode.USAGE
        assert list((home / "elsewhere").iterdir()) == []

    def test_anothers_git_dir_is_not_taken(
        self, there: Path, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (home / "other").mkdir()
        git(home / "other", "init", "--quiet")
        monkeypatch.setenv("GIT_DIR", str(home / "other/.git"))
        assert run([*NEW, "--commit"]) == ExitCode.CLEAN
        monkeypatch.delenv("GIT_DIR")
        assert git(there, "ls-files")
        assert not git(home / "other", "ls-files")


class TestBadInput:
    @pytest.mark.parametrize(
        "words",
        [
            ["--licence", "gpl"],
            ["--owner", "@a\n* @evil"],
            ["--owner", "{{ 7 }}"],
            ["elsewhere"],
        ],
    )
    def test_values_that_are_none(self, home: Path, words: list[str]) -> None:
        assert run([*NEW, *words]) == ExitCode.USAGE
        assert not (home / "llm").exists()

    @pytest.mark.parametrize("words", [["--owner", "@a"], ["--commit"], ["--keep-existing"]])
    def test_words_that_go_with_repo(self, home: Path, words: list[str]) -> None:
        assert run(["new", "chat", *FLAGS, *words]) == ExitCode.USAGE
        assert not (home / "chat").exists()

    def test_a_folder_called_like_a_template(self, home: Path) -> None:
        assert run(["new", "--repo", "{{ 7 * 7 }}", *FLAGS]) == ExitCode.USAGE
        assert not (home / "{{ 7 * 7 }}").exists()

    def test_a_file_in_its_place(self, home: Path) -> None:
        (home / "llm").write_text("mine", "utf-8")
        assert run(NEW) == ExitCode.USAGE
        assert (home / "llm").read_text("utf-8") == "mine"


class TestFiles:
    def test_nothing_of_the_template_is_left(self) -> None:
        for licence in repository.LICENCES:
            for path, file in around(licence, "@org/team").items():
                assert "cookiecutter" not in path + file.text
                assert "ORGANIZATION/REPOSITORY" not in file.text
                assert file.text.endswith("\n")
                assert not file.text.endswith("\n\n"), path

    def test_licence_and_owner_are_optional(self) -> None:
        plain = around()
        assert "LICENSE" not in plain
        assert "CODEOWNERS" not in plain
        assert "There is no licence" in plain["README.md"].text
        assert "Apache License" in around("apache-2.0")["LICENSE"].text
        assert "WITHOUT WARRANTY" in around("mit")["LICENSE"].text
        assert "There is no licence" not in around("mit")["README.md"].text

    def test_the_apache_licence_is_our_own_copy(self) -> None:
        root = Path(__file__).parents[2]
        copy = root / "templates/repo/templates/apache-2.0.txt"
        assert copy.read_bytes() == (root / "LICENSE").read_bytes()

    @pytest.mark.parametrize(
        "path", [".github/workflows/check.yml", ".gitlab-ci.yml", ".pre-commit-config.yaml"]
    )
    def test_yaml_is_valid_and_names_the_published_place(self, path: str) -> None:
        text = around()[path].text
        assert yaml.safe_load(text)
        assert f"{published.REPOSITORY}" in text
        assert published.TAG in text

    def test_renovate_extends_our_preset(self) -> None:
        extends = json.loads(around()["renovate.json"].text)["extends"]
        where = f"github>{published.REPOSITORY}//renovate/infra-gen#{published.TAG}"
        assert where in extends
        assert (Path(__file__).parents[2] / "renovate/infra-gen.json").is_file()

    def test_make_check_and_update(self, home: Path) -> None:
        assert run(NEW) == ExitCode.CLEAN
        stand_in = home / "infra-gen"
        stand_in.write_text('#!/bin/sh\necho "$@" >>"$LOG"\n', "utf-8")
        stand_in.chmod(stand_in.stat().st_mode | stat.S_IXUSR)
        environment = {**os.environ, "LOG": str(home / "log")}
        for word in ("check", "update"):
            subprocess.run(
                ["make", "-s", word, f"INFRA_GEN={stand_in}"],
                cwd=home / "llm",
                env=environment,
                check=True,
            )
        assert (home / "log").read_text("utf-8") == "check deployments\nupdate deployments\n"
