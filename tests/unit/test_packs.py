"""Packs in the life of a deployment: new, check, update, edits, commits, what the lock keeps."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.pack_maker import PROJECT, template_at, write_pack

from infra_gen import api, packing
from infra_gen.cli.main import run
from infra_gen.cli.options import Asked, spec_from
from infra_gen.errors import ExitCode, SpecError, UsageError
from infra_gen.lifecycle.spec_file import read_spec, spec_sha256
from infra_gen.model.pack import Pack, PackContext
from infra_gen.model.spec import Spec
from infra_gen.packs import fetching, running, source
from infra_gen.packs.template import context_of, template_in

MakeDeployment = Callable[..., Path]
TEXT = "{{ cookiecutter.team }}: {{ cookiecutter._infra_gen.plan.engine.version }}\n"
PROGRAM = "#!/bin/sh\necho {{ cookiecutter.shift }}\n"
COPY = ".infra-gen/packs/extras.json"
FLAGS = ("--hardware", "rtx-3090", "--users", "2", "--model", "qwen3-8b")


@pytest.fixture
def extras(tmp_path: Path) -> Path:
    """A pack of two files, one of them a program."""
    folder = write_pack(
        tmp_path / "extras",
        {"team.txt": TEXT, "bin/extra": PROGRAM, "raw.txt": "{{ x }}\n"},
        {
            "team": "{{ cookiecutter._infra_gen.name }}-ops",
            "shift": ["day", "night"],
            "loud": False,
            "_copy_without_render": ["raw.txt"],
        },
        {"README.md": "not a part\n", "tests/x": "not a part\n"},
    )  # fmt: skip
    (folder / PROJECT / "bin/extra").chmod(0o755)
    return folder


@pytest.fixture
def made(tmp_path: Path, extras: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A deployment with the pack."""
    monkeypatch.chdir(tmp_path)
    assert run(["new", "chat", *FLAGS, "--pack", "extras"]) == ExitCode.CLEAN
    return tmp_path / "chat"


def lock_of(root: Path) -> dict[str, object]:
    document: dict[str, object] = json.loads((root / "infra-gen.lock").read_text("utf-8"))
    return document


class TestNew:
    def test_its_files_are_part_of_the_deployment(self, made: Path) -> None:
        assert (made / "team.txt").read_text("utf-8").startswith("chat-ops: 0.")
        assert (made / "raw.txt").read_text("utf-8") == "{{ x }}\n"
        assert (made / "bin/extra").stat().st_mode & 0o100
        assert read_spec(made / "infra-gen.yaml").packs[0].source == "../extras"
        [pack] = lock_of(made)["packs"]  # type: ignore[misc]
        assert pack["commit"] is None
        assert pack["files"] == ["bin/extra", "raw.txt", "team.txt"]
        assert run(["check", "chat"]) == ExitCode.CLEAN

    @pytest.mark.usefixtures("extras")
    def test_answers(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        answers = ["--pack-set", "team=red", "--pack-set", "shift=night"]
        assert run(["new", "chat", *FLAGS, "--pack", "extras", *answers]) == ExitCode.CLEAN
        assert (tmp_path / "chat/team.txt").read_text("utf-8").startswith("red:")
        assert "echo night" in (tmp_path / "chat/bin/extra").read_text("utf-8")

    @pytest.mark.parametrize(
        ("answer", "told"),
        [
            ("nobody=1", "asks for no 'nobody'"),
            ("shift=noon", "is no choice"),
            ("loud=maybe", "neither true nor false"),
            ("_copy_without_render=x", "asks for no"),
            ("_infra_gen=x", "asks for no"),
            ("team", "is not KEY=VALUE"),
        ],
    )
    @pytest.mark.usefixtures("extras")
    def test_answers_that_are_none(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str], answer: str, told: str,
    ) -> None:  # fmt: skip
        monkeypatch.chdir(tmp_path)
        code = run(["new", "chat", *FLAGS, "--pack", "extras", "--pack-set", answer])
        assert code == ExitCode.USAGE
        assert told in capsys.readouterr().err
        assert not (tmp_path / "chat").exists()

    @pytest.mark.parametrize("path", ["compose.yaml", "Compose.YAML", "bin", "README.md/x"])
    def test_a_file_of_the_deployment_is_not_replaced(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str], path: str,
    ) -> None:  # fmt: skip
        monkeypatch.chdir(tmp_path)
        write_pack(tmp_path / "p", {path: "mine"})
        assert run(["new", "chat", *FLAGS, "--pack", "p"]) == ExitCode.USAGE
        assert "part of the deployment already" in capsys.readouterr().err
        assert not (tmp_path / "chat").exists()

    @pytest.mark.usefixtures("extras")
    def test_what_breaks_a_rule_is_not_handed_to_a_pack(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(fetching, "fetch", lambda *_: pytest.fail("it was"))
        key = ["--set", "api-key=sk-verysecret"]
        assert run(["new", "chat", *FLAGS, "--pack", "extras", *key]) == ExitCode.FINDINGS

    def test_two_packs_need_two_names(self, tmp_path: Path, extras: Path) -> None:
        shutil.copytree(extras, tmp_path / "other/extras")
        spec = spec_from(
            Asked(
                hardware="rtx-3090", model="qwen3-8b", name="chat", packs=("extras", "other/extras")
            )
        )
        with pytest.raises(UsageError, match="same name"):
            api.add_packs(api.build(spec, tmp_path), tmp_path)


class TestCheck:
    def test_an_edit_is_drift(self, made: Path) -> None:
        (made / "team.txt").write_text("mine\n", "utf-8")
        assert run(["check", "chat"]) == ExitCode.DRIFT

    @pytest.mark.usefixtures("made")
    def test_a_check_needs_only_the_folder(self, extras: Path) -> None:
        shutil.rmtree(extras)
        assert run(["check", "chat"]) == ExitCode.CLEAN
        assert run(["update", "chat"]) == ExitCode.CLEAN

    def test_a_forged_render_is_seen(self, made: Path) -> None:
        """File, pristine copy and lock agree, but the pack makes something else."""
        for path in ("team.txt", ".infra-gen/base/team.txt"):
            (made / path).write_text("forged\n", "utf-8")
        lock = made / "infra-gen.lock"
        old = next(f.sha256 for p, f in api.load(made)[1].files.items() if p == "team.txt")
        new = hashlib.sha256(b"forged\n").hexdigest()
        lock.write_text(lock.read_text("utf-8").replace(old, new), "utf-8")
        assert run(["check", "chat"]) == ExitCode.DRIFT

    @pytest.mark.parametrize("spoil", ["missing", "edited", "damaged", "unknown"])
    def test_a_spoiled_copy_is_said(
        self, made: Path, capsys: pytest.CaptureFixture[str], spoil: str
    ) -> None:
        copy = made / COPY
        if spoil == "missing":
            copy.unlink()
        elif spoil == "edited":
            copy.write_text(copy.read_text("utf-8").replace("echo", "rm -rf"), "utf-8")
        elif spoil == "damaged":
            copy.write_text('{"files": [1, 2]}', "utf-8")
        else:
            lock = lock_of(made)
            del lock["packs"]
            (made / "infra-gen.lock").write_text(json.dumps(lock), "utf-8")
        before = (made / "team.txt").read_bytes()
        assert run(["check", "chat"]) == ExitCode.BAD_SPEC
        assert "update --packs" in capsys.readouterr().err
        assert (made / "team.txt").read_bytes() == before
        assert run(["update", "chat", "--packs"]) == ExitCode.CLEAN
        assert run(["check", "chat"]) == ExitCode.CLEAN

    def test_a_path_of_the_lock_stays_inside(self, made: Path) -> None:
        lock = made / "infra-gen.lock"
        lock.write_text(lock.read_text("utf-8").replace('"raw.txt"', '"../raw.txt"'), "utf-8")
        assert run(["check", "chat"]) == ExitCode.BAD_SPEC


class TestUpdate:
    def test_a_changed_pack_is_fetched_when_asked(self, made: Path, extras: Path) -> None:
        (extras / PROJECT / "team.txt").write_text("v2\n", "utf-8")
        assert run(["update", "chat"]) == ExitCode.CLEAN
        assert (made / "team.txt").read_text("utf-8") != "v2\n"
        assert run(["update", "chat", "--packs"]) == ExitCode.CLEAN
        assert (made / "team.txt").read_text("utf-8") == "v2\n"
        assert run(["check", "chat"]) == ExitCode.CLEAN

    def test_the_plan_changes_and_so_does_its_file(self, made: Path) -> None:
        pack = made.parent / "users"
        write_pack(
            pack, {"n.txt": "{{ cookiecutter._infra_gen.plan.performance.users_supported }}\n"}
        )
        spec = made / "infra-gen.yaml"
        text = spec.read_text("utf-8").replace("source: ../extras", "source: ../users")
        spec.write_text(text, "utf-8")
        assert run(["check", "chat"]) == ExitCode.DRIFT
        assert run(["update", "chat"]) == ExitCode.CLEAN
        assert not (made / "team.txt").exists(), "the old pack's file goes"
        assert not (made / COPY).exists()
        assert (made / "n.txt").is_file()
        assert run(["check", "chat"]) == ExitCode.CLEAN

    def test_a_pack_that_is_taken_away(self, made: Path) -> None:
        spec = made / "infra-gen.yaml"
        text = spec.read_text("utf-8")
        spec.write_text(text[: text.index("packs:")], "utf-8")
        (made / "raw.txt").write_text("mine\n", "utf-8")
        assert run(["update", "chat"]) == ExitCode.CLEAN
        assert not (made / "team.txt").exists()
        assert (made / "raw.txt").read_text("utf-8") == "mine\n", "an edited one stays"
        assert not (made / COPY).exists()
        assert "packs" not in lock_of(made)

    def test_an_edit_is_merged(self, made: Path, extras: Path) -> None:
        edited = (made / "bin/extra").read_text("utf-8") + "\n\n\n# mine\n"
        (made / "bin/extra").write_text(edited, "utf-8")
        text = (extras / PROJECT / "bin/extra").read_text("utf-8")
        (extras / PROJECT / "bin/extra").write_text(text.replace("/bin/sh", "/bin/dash"), "utf-8")
        assert run(["update", "chat", "--packs"]) == ExitCode.CLEAN
        now = (made / "bin/extra").read_text("utf-8")
        assert "/bin/dash" in now
        assert "# mine" in now

    def test_your_file_in_the_place_of_a_new_one(self, made: Path, extras: Path) -> None:
        (made / "new.txt").write_text("mine\n", "utf-8")
        (extras / PROJECT / "new.txt").write_text("theirs\n", "utf-8")
        assert run(["update", "chat", "--packs"]) == ExitCode.USAGE
        assert (made / "new.txt").read_text("utf-8") == "mine\n"

    def test_twice_is_once(self, made: Path) -> None:
        before = {p: p.read_bytes() for p in made.rglob("*") if p.is_file()}
        assert run(["update", "chat"]) == ExitCode.CLEAN
        assert {p: p.read_bytes() for p in made.rglob("*") if p.is_file()} == before


class TestTrust:
    @pytest.fixture
    def trusted(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.chdir(tmp_path)
        hook = "open('by-hook.txt', 'w').write('1\\n')\n"
        write_pack(
            tmp_path / "hooked", {"a.txt": "x\n"}, beside={"hooks/post_gen_project.py": hook}
        )
        assert run(["new", "chat", *FLAGS, "--pack", "hooked"]) == ExitCode.USAGE
        assert not (tmp_path / "chat").exists()
        assert run(["new", "chat", *FLAGS, "--pack", "hooked", "--trust"]) == ExitCode.CLEAN
        return tmp_path / "chat"

    def test_a_check_never_runs_a_hook(
        self, trusted: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(running, "render", lambda *_, **__: pytest.fail("it was run"))
        assert run(["check", "chat"]) == ExitCode.CLEAN
        (trusted / "by-hook.txt").write_text("2\n", "utf-8")
        assert run(["check", "chat"]) == ExitCode.DRIFT

    @pytest.mark.usefixtures("trusted")
    def test_an_update_asks_for_trust_again(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert run(["update", "chat"]) == ExitCode.USAGE
        assert "--trust" in capsys.readouterr().err
        assert run(["update", "chat", "--trust"]) == ExitCode.CLEAN
        assert run(["check", "chat"]) == ExitCode.CLEAN

    def test_an_ejected_file_stays_yours(self, trusted: Path) -> None:
        assert run(["eject", "by-hook.txt", "chat"]) == ExitCode.CLEAN
        (trusted / "by-hook.txt").write_text("2\n", "utf-8")
        assert run(["check", "chat"]) == ExitCode.CLEAN


class TestRepositories:
    """A bare repository in a folder stands in for GitHub."""

    @pytest.fixture
    def hub(self, tmp_path: Path, extras: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
        monkeypatch.setitem(source.HOSTS, "gh", f"file://{tmp_path}/hub/")
        monkeypatch.setattr(
            fetching, "_SETTINGS", (*fetching._SETTINGS, "protocol.file.allow=always")
        )
        self.git(extras, "init", "--quiet", "-b", "main")
        self.commit(extras, "one")
        (tmp_path / "hub/org").mkdir(parents=True)
        self.git(tmp_path, "clone", "--quiet", "--bare", str(extras), "hub/org/extras")
        self.git(tmp_path / "hub/org/extras", "config", "uploadpack.allowAnySHA1InWant", "true")
        return tmp_path / "hub/org/extras"

    @staticmethod
    def git(folder: Path, *words: str) -> str:
        done = subprocess.run(
            ["git", "-c", "user.name=t", "-c", "user.email=t@example.invalid", *words],
            cwd=folder, capture_output=True, text=True, check=True,
        )  # fmt: skip
        return done.stdout.strip()

    def commit(self, folder: Path, message: str) -> str:
        self.git(folder, "add", "-A")
        self.git(folder, "commit", "--quiet", "--allow-empty", "-m", message)
        return self.git(folder, "rev-parse", "HEAD")

    def test_the_commit_is_in_the_lock(self, hub: Path, extras: Path) -> None:
        first = self.git(extras, "rev-parse", "HEAD")
        assert run(["new", "chat", *FLAGS, "--pack", "gh:org/extras"]) == ExitCode.CLEAN
        [pack] = lock_of(Path("chat"))["packs"]  # type: ignore[misc]
        assert pack["commit"] == first
        (extras / PROJECT / "team.txt").write_text("v2\n", "utf-8")
        second = self.commit(extras, "two")
        self.git(extras, "push", "--quiet", str(hub), "main")
        assert run(["check", "chat"]) == ExitCode.CLEAN
        assert run(["update", "chat", "--packs"]) == ExitCode.CLEAN
        [pack] = lock_of(Path("chat"))["packs"]  # type: ignore[misc]
        assert pack["commit"] == second
        assert Path("chat/team.txt").read_text("utf-8") == "v2\n"

    def test_a_commit_a_tag_and_a_branch(self, hub: Path, extras: Path) -> None:
        first = self.git(extras, "rev-parse", "HEAD")
        self.git(extras, "tag", "v1")
        (extras / PROJECT / "team.txt").write_text("v2\n", "utf-8")
        second = self.commit(extras, "two")
        self.git(extras, "push", "--quiet", "--tags", str(hub), "main")
        for ref, commit in ((first, first), ("v1", first), ("main", second)):
            assert fetching.fetch(f"gh:org/extras@{ref}", Path())[1] == commit

    @pytest.mark.usefixtures("hub")
    def test_what_is_not_there(self, capsys: pytest.CaptureFixture[str]) -> None:
        for word in ("gh:org/missing", "gh:org/extras@nope"):
            assert run(["new", "chat", *FLAGS, "--pack", word]) == ExitCode.USAGE
            assert "git: " in capsys.readouterr().err
        assert not Path("chat").exists()

    def test_a_repository_runs_nothing(self, hub: Path, extras: Path) -> None:
        """Filters that it names and links that it holds."""
        (extras / ".gitattributes").write_text("* filter=lfs\n", "utf-8")
        (extras / PROJECT / "link").symlink_to("/etc/passwd")
        self.commit(extras, "evil")
        self.git(extras, "push", "--quiet", str(hub), "main")
        with pytest.raises(UsageError, match="is a link"):
            fetching.fetch("gh:org/extras", Path())


class TestSource:
    @pytest.mark.parametrize(
        "word",
        ["gh:", "gh:org", "gh:org/", "gh:a/b/c", "gh:-o/r", "gh:o/..", "gh:o/r@", "gh:o/r@-x",
         "gh:o/r@a..b", "gh:o/r@--upload-pack=x", "gl:org/repo", "ext:sh -c id", "gh:o/r x"],
    )  # fmt: skip
    def test_words_that_are_none(self, word: str) -> None:
        with pytest.raises(UsageError):
            source.repository_of(word)

    def test_words_that_are_some(self) -> None:
        assert source.repository_of("./pack") is None
        assert source.repository_of("/a:b/c") is None
        found = source.repository_of("gh:org/repo.x@v1/beta")
        assert found == source.Repository("https://github.com/org/repo.x", "v1/beta")
        assert source.name_of("gh:org/My.Repo@v1") == "my-repo"
        assert source.name_of("../..") == "pack"


class TestContext:
    def test_it_is_what_its_schema_says(self, tmp_path: Path) -> None:
        spec = spec_from(Asked(hardware="2x4090", users=40, model="qwen3-32b", name="chat"))
        document = packing.context_document(api.build(spec, tmp_path))
        assert PackContext.model_validate(document).name == "chat"
        assert {one["role"] for one in document["services"]} >= {"engine", "metrics"}
        assert "compose.yaml" in document["files"]
        text = json.dumps(document)
        assert str(tmp_path) not in text
        assert "VLLM_API_KEY" in text or "API_KEY" in text, "secrets by name"

    def test_text_of_the_plan_is_never_a_template(self, tmp_path: Path) -> None:
        template = template_at(
            write_pack(tmp_path / "p", {"a": "{{ cookiecutter._infra_gen.name }}"})
        )
        variables = context_of(template, {}, {"name": "{{ 7 * 7 }}"}, "pack")
        assert running.render(template, variables, "pack")["a"].text == "{{ 7 * 7 }}"

    def test_the_copy_gives_the_pack_back(self, extras: Path) -> None:
        template = template_at(extras)
        assert template_in(template.copy, "x") == template
        assert "README.md" not in template.files
        assert template.files[f"{PROJECT}/bin/extra"].executable


def test_specs_without_packs_keep_their_hash() -> None:
    spec = Spec(name="chat", hardware="cpu")
    text = json.dumps(spec.model_dump(mode="json", exclude={"packs"}), sort_keys=True)
    assert spec_sha256(spec) == hashlib.sha256(text.encode()).hexdigest()
    with_one = Spec(name="chat", hardware="cpu", packs=(Pack(source="x"),))
    assert spec_sha256(spec) != spec_sha256(with_one)


def test_a_control_character_in_a_source() -> None:
    with pytest.raises(ValueError, match="control character"):
        Spec.model_validate({"name": "chat", "hardware": "cpu", "packs": [{"source": "a\nb"}]})


def test_a_missing_copy_is_the_locks_fault(made: Path) -> None:
    (made / COPY).unlink()
    with pytest.raises(SpecError):
        api.check(made)
