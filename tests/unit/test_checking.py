"""`check` over one folder or many: what it skips, what it says, and in which format."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from infra_gen import api, checking
from infra_gen.cli.main import run
from infra_gen.cli.many import watched
from infra_gen.lifecycle import lock_file
from infra_gen.lifecycle.discovery import find_deployments
from infra_gen.lifecycle.inputs import input_hashes
from infra_gen.model.spec import Spec

Printed = pytest.CaptureFixture[str]


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")


def another_knowledge(root: Path, *, readme: str | None = None) -> None:
    """As if files and lock had been written by an older infra-gen."""
    lock = lock_file.read_lock(root / "infra-gen.lock")
    files = dict(lock.files)
    if readme is not None:
        for place in (root, root / ".infra-gen" / "base"):
            (place / "README.md").write_text(readme, "utf-8")
        sha256 = hashlib.sha256(readme.encode()).hexdigest()
        files["README.md"] = files["README.md"].model_copy(update={"sha256": sha256})
    old = lock.model_copy(update={"generator": "infra-gen 0.0.9", "files": files})
    (root / "infra-gen.lock").write_text(lock_file.lock_text(old), "utf-8")


class TestUntouched:
    def test_nothing_is_rendered_where_no_byte_changed(self, chat: Path) -> None:
        assert not api.check(chat).rendered
        assert api.check(chat, full=True).rendered

    def test_both_ways_say_the_same(self, chat: Path) -> None:
        quick, full = api.check(chat), api.check(chat, full=True)
        assert quick.findings == full.findings
        assert (quick.drift, quick.edited) == (full.drift, full.edited)

    @pytest.mark.parametrize(
        "change",
        [
            lambda root: edit(root / "infra-gen.yaml", "\n", "\n# a comment\n"),
            lambda root: edit(root / "README.md", "\n", "\n\n"),
            lambda root: edit(root / "infra-gen.lock", '"max_num_seqs": ', '"max_num_seqs": 1'),
            lambda root: edit(root / "infra-gen.lock", "{\n", "{ \n"),
            lambda root: (root / "bin" / "preflight").chmod(0o644),
            lambda root: (root / "README.md").unlink(),
            another_knowledge,
            lambda root: (root / ".infra-gen" / "pending").mkdir(),
        ],
        ids=["spec", "file", "resolved", "bytes", "mode", "missing", "generator", "killed"],
    )
    def test_anything_else_is_looked_at_in_full(self, chat: Path, change: Any) -> None:
        change(chat)
        # The same values in other bytes of the lock are no change of it.
        wanted = "{ \n" not in (chat / "infra-gen.lock").read_text("utf-8")
        assert api.check(chat).rendered is wanted

    def test_a_kept_edit_is_told_without_rendering(self, chat: Path) -> None:
        edit(chat / "README.md", "\n", "\nMy own words.\n")
        api.update(chat)
        found = api.check(chat)
        assert not found.rendered
        assert found.edited == ("README.md",)

    def test_an_open_conflict_is_not_skipped(self, chat: Path) -> None:
        edit(chat / "README.md", "\n", "\n<<<<<<< yours\n")
        assert [one.kind for one in api.check(chat).drift] == ["conflict"]

    def test_the_profile_that_the_spec_names_is_an_input(self, tmp_path: Path) -> None:
        (tmp_path / "machine.yaml").write_text("anything", "utf-8")
        spec = Spec.model_validate({"version": 1, "name": "chat", "hardware": "machine.yaml"})
        before = input_hashes(tmp_path, spec)
        assert set(before) == {"machine.yaml"}
        (tmp_path / "machine.yaml").write_text("other", "utf-8")
        assert input_hashes(tmp_path, spec) != before


class TestKnowledgeMoved:
    def test_is_a_warning_and_strict_makes_it_an_error(self, chat: Path, capsys: Printed) -> None:
        another_knowledge(chat, readme="An older infra-gen wrote this.\n")
        assert run(["check", str(chat)]) == 0
        said = capsys.readouterr().out
        assert "README.md: warning: this infra-gen" in said
        assert "-An older infra-gen wrote this." in said
        assert run(["check", "--strict", str(chat)]) == 2

    def test_a_lock_of_a_newer_one_is_told(self, chat: Path, capsys: Printed) -> None:
        lock = lock_file.read_lock(chat / "infra-gen.lock")
        newer = lock.model_copy(update={"generator": "infra-gen 999.0"})
        (chat / "infra-gen.lock").write_text(lock_file.lock_text(newer), "utf-8")
        assert run(["check", str(chat)]) == 0
        said = capsys.readouterr().out
        assert "infra-gen.lock: warning: a newer infra-gen wrote it" in said
        assert "to mend: upgrade infra-gen" in said
        assert run(["check", "--strict", str(chat)]) == 2
        capsys.readouterr()
        assert run(["update", str(chat)]) == 0
        said = capsys.readouterr().out
        assert "written by infra-gen 999.0, newer than this one" in said
        assert "nothing to do" not in said
        assert "own records changed: infra-gen.lock" in said

    def test_the_same_output_from_another_version_is_clean(self, chat: Path) -> None:
        another_knowledge(chat)
        assert run(["check", "--strict", str(chat)]) == 0


class TestMany:
    @pytest.fixture
    def fleet(self, chat: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        top = tmp_path / "fleet"
        for name in ("b", "a", "c/deep"):
            shutil.copytree(chat, top / name)
        monkeypatch.chdir(top)
        return top

    def test_every_spec_below_in_order(self, fleet: Path, capsys: Printed) -> None:
        edit(fleet / "b" / "README.md", "\n", "\nmine\n")
        assert run(["check"]) == 2
        said = capsys.readouterr().out
        assert said.index("a: clean") < said.index("b/README.md: edited") < said.index("c/deep: c")
        assert "3 deployments, 2 clean" in said

    @pytest.mark.parametrize("words", [[], ["--full"], ["--format", "json"]])
    def test_processes_change_nothing_of_the_output(
        self, fleet: Path, capsys: Printed, monkeypatch: pytest.MonkeyPatch, words: list[str]
    ) -> None:
        for number in range(6):  # more chunks than are under way at once
            shutil.copytree(fleet / "a", fleet / f"d{number}")
        edit(fleet / "c/deep" / "README.md", "\n", "\nmine\n")
        (fleet / "b" / "infra-gen.lock").write_text("{", "utf-8")
        outputs = []
        for cores in (1, 2):
            monkeypatch.setattr(checking, "cores", lambda count=cores: count)
            monkeypatch.setattr(checking, "_WORTH_A_PROCESS", 1)
            monkeypatch.setattr(checking, "_CHUNK", 1)
            monkeypatch.setattr(checking, "_CHUNK_FULL", 1)
            monkeypatch.setattr(checking, "_AHEAD", 2)
            assert run(["check", *words]) == 4
            outputs.append(capsys.readouterr())
        assert outputs[0] == outputs[1]
        assert "d5" in outputs[0].out

    def test_only_a_few_results_wait_to_be_told(
        self, fleet: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What is read slowly is not held: nothing is handed over before somebody asks for it."""
        handed: list[Path] = []

        class Pool:
            def __init__(self, workers: int) -> None:
                assert workers == 2

            def __enter__(self) -> Pool:
                return self

            def __exit__(self, *_: object) -> None:
                pass

            def submit(self, task: Any, roots: list[Path]) -> Future[Any]:
                handed.extend(roots)
                done: Future[Any] = Future()
                done.set_result(task(roots))
                return done

        monkeypatch.setattr(checking, "ProcessPoolExecutor", Pool)
        monkeypatch.setattr(checking, "cores", lambda: 2)
        monkeypatch.setattr(checking, "_CHUNK", 1)
        roots = [fleet / name for name in ("a", "b")] * 20
        found = checking.check_many(roots)
        assert next(found).root == roots[0]
        assert len(handed) == 2 * checking._AHEAD
        assert [one.root for one in found] == roots[1:]

    def test_a_folder_of_deployments_stands_for_them(self, fleet: Path, capsys: Printed) -> None:
        assert run(["check", "c", "a", "c/deep"]) == 0
        assert capsys.readouterr().out.splitlines() == [
            "c/deep: clean", "a: clean", "2 deployments, 2 clean",
        ]  # fmt: skip
        (fleet / "empty").mkdir()
        assert run(["check", "empty"]) == 4
        (fleet / "c" / "infra-gen.lock").write_text("{}", "utf-8")
        assert run(["check", "c"]) == 4, "it has lost its spec"

    @pytest.mark.usefixtures("fleet")
    def test_a_folder_that_vanished(self, capsys: Printed) -> None:
        assert run(["check", "a", "gone"]) == 1
        said = capsys.readouterr()
        assert "gone: no such folder" in said.err
        assert "a: clean" in said.out

    def test_nothing_below(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "empty").mkdir()
        monkeypatch.chdir(tmp_path / "empty")
        assert run(["check"]) == 1


class TestDiscovery:
    def spec(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "infra-gen.yaml").write_text("", "utf-8")

    def found(self, top: Path) -> list[str]:
        return [path.relative_to(top).as_posix() for path in find_deployments(top)]

    def test_ignored_folders_are_left_out(self, tmp_path: Path) -> None:
        for name in ("a", "build/x", "b/tmp/y", "b/z", "keep/build", ".git/q", "a/.infra-gen/base"):
            self.spec(tmp_path / name)
        (tmp_path / ".gitignore").write_text("/build/\ntmp\n", "utf-8")
        assert self.found(tmp_path) == ["a", "b/z", "keep/build"]

    def test_inner_rules_win(self, tmp_path: Path) -> None:
        for name in ("a/x", "a/y"):
            self.spec(tmp_path / name)
        (tmp_path / ".gitignore").write_text("x/\ny/\n", "utf-8")
        (tmp_path / "a" / ".gitignore").write_text("!x/\n", "utf-8")
        assert self.found(tmp_path) == ["a/x"]

    def test_rules_above_count_up_to_the_repository(self, tmp_path: Path) -> None:
        self.spec(tmp_path / "repo" / "deploy" / "x")
        (tmp_path / "repo" / ".gitignore").write_text("x/\n", "utf-8")
        assert self.found(tmp_path / "repo" / "deploy") == ["x"], "no repository: nothing above"
        (tmp_path / "repo" / ".git").mkdir()
        assert self.found(tmp_path / "repo" / "deploy") == []

    def test_links_are_not_followed(self, tmp_path: Path) -> None:
        self.spec(tmp_path / "a")
        (tmp_path / "a" / "loop").symlink_to(tmp_path)
        assert self.found(tmp_path) == ["a"]


class TestFormats:
    @pytest.fixture
    def drifted(self, chat: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.chdir(chat.parent)
        edit(chat / "README.md", "\n", "\nmine: 100%\n")
        return chat

    def test_json(self, drifted: Path, capsys: Printed) -> None:
        assert run(["check", drifted.name, "--format", "json"]) == 2
        document = json.loads(capsys.readouterr().out)
        (deployment,) = document["deployments"]
        (problem,) = deployment["problems"]
        assert (document["exit_code"], deployment["exit_code"]) == (2, 2)
        assert problem["file"] == f"{drifted.name}/README.md"
        assert problem["code"] == "drift-edited"
        assert problem["fix"] == f"infra-gen update {drifted.name}"

    def test_github(self, drifted: Path, capsys: Printed) -> None:
        assert run(["check", drifted.name, "--format", "github"]) == 2
        assert capsys.readouterr().out == (
            f"::error file={drifted.name}/README.md,line=2,title=drift-edited::edited by hand"
            f"%0Afix: infra-gen update {drifted.name}\n"
        )

    def test_sarif(self, drifted: Path, capsys: Printed) -> None:
        assert run(["check", drifted.name, "--format", "sarif"]) == 2
        (log,) = json.loads(capsys.readouterr().out)["runs"]
        (result,) = log["results"]
        place = result["locations"][0]["physicalLocation"]
        assert list(result["partialFingerprints"]) == ["primaryLocationLineHash"]
        assert place["artifactLocation"]["uri"] == f"{drifted.name}/README.md"
        assert [rule["id"] for rule in log["tool"]["driver"]["rules"]] == [result["ruleId"]]
        before = result["partialFingerprints"]

        edit(drifted / "README.md", "\n", "\nmore\n")
        assert run(["check", drifted.name, "--format", "sarif"]) == 2
        (log,) = json.loads(capsys.readouterr().out)["runs"]
        assert log["results"][0]["partialFingerprints"] == before

    @pytest.mark.parametrize("form", ["json", "github", "sarif"])
    def test_an_error_of_the_spec_has_its_line(
        self, drifted: Path, form: str, capsys: Printed
    ) -> None:
        edit(drifted / "infra-gen.yaml", "users: 2", "users: none")
        assert run(["check", drifted.name, "--format", form]) == 4
        said = capsys.readouterr().out
        assert f"{drifted.name}/infra-gen.yaml" in said
        assert "bad-spec" in said

    def test_clean_is_an_empty_list(self, chat: Path, capsys: Printed) -> None:
        assert run(["check", str(chat), "--format", "github"]) == 0
        assert capsys.readouterr().out == ""
        assert run(["check", str(chat), "--format", "sarif"]) == 0
        assert json.loads(capsys.readouterr().out)["runs"][0]["results"] == []

    def test_newer_knowledge_is_a_warning(self, chat: Path, capsys: Printed) -> None:
        another_knowledge(chat, readme="older\n")
        assert run(["check", str(chat), "--format", "github"]) == 0
        assert capsys.readouterr().out.startswith("::warning file=")


class TestUpdateMany:
    def test_each_is_told_and_the_gravest_counts(
        self, chat: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Printed
    ) -> None:
        monkeypatch.chdir(tmp_path)
        for name in ("a", "b", "c"):
            shutil.copytree(chat, tmp_path / name)
        edit(tmp_path / "a" / "infra-gen.yaml", "users: 2", "users: 30")
        (tmp_path / "b" / "infra-gen.lock").write_text("{", "utf-8")
        assert run(["update", "a", "b", "c"]) == 4
        said = capsys.readouterr()
        assert "max_num_seqs: 8 -> 16" in said.out
        assert "b/infra-gen.lock" in said.err
        assert said.out.index("a:") < said.out.index("b:") < said.out.index("c:")
        assert said.out.endswith("3 deployments, 2 up to date\n")
        assert run(["check", "a", "c"]) == 0


class TestProgress:
    """On the error stream, where that is a terminal and the output goes somewhere else."""

    @pytest.mark.parametrize(
        ("items", "terminals", "shown"),
        [
            (20, {"stderr"}, True),
            (19, {"stderr"}, False),
            (20, {"stdout", "stderr"}, False),
            (20, set(), False),
        ],
    )
    def test_a_bar(
        self,
        items: int,
        terminals: set[str],
        shown: bool,
        monkeypatch: pytest.MonkeyPatch,
        capsys: Printed,
    ) -> None:
        for name in ("stdout", "stderr"):
            monkeypatch.setattr(getattr(sys, name), "isatty", lambda name=name: name in terminals)
        assert list(watched(range(items), items)) == list(range(items))
        said = capsys.readouterr()
        assert ("100%" in said.err) is shown
        assert said.out == ""

    def test_findings_say_in_which_folder(
        self, make_chat: Any, monkeypatch: pytest.MonkeyPatch, capsys: Printed
    ) -> None:
        roots = [make_chat("a"), make_chat("b")]
        monkeypatch.chdir(roots[0].parent)
        for root in roots:
            edit(root / "compose.yaml", "127.0.0.1:8000", "0.0.0.0:8000")
        run(["check", "a"])
        assert "\na/compose.yaml:" in capsys.readouterr().out
        run(["check", "a", "b", "--no-diff"])
        said = capsys.readouterr().out
        assert "\na/compose.yaml:" in said
        assert "\nb/compose.yaml:" in said
        assert "\ncompose.yaml:" not in said
