"""Where deployments lie: in and outside of git, deep in other people's repositories, behind links."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from tests.unit.kill_driver import snapshot

from infra_gen import api
from infra_gen.cli.main import run
from infra_gen.errors import UsageError
from infra_gen.lifecycle import journal, writing
from infra_gen.lifecycle.journal import Step, fingerprint, journal_text
from infra_gen.model.filetree import File
from infra_gen.packs.guard import folded

GOLDEN = Path(__file__).parents[1] / "golden"


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")


def git(folder: Path, *words: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    done = subprocess.run(
        ["git", *who, *words], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout


def updated(root: Path) -> None:
    """An edit and another spec, brought together, and checked."""
    edit(root / "README.md", "\n", "\nMy own words.\n")
    edit(root / "infra-gen.yaml", "users: 2", "users: 30")
    done = api.update(root)
    assert done.edited == ("README.md",)
    assert not done.conflicts
    assert api.check(root).drift == ()
    assert "My own words." in (root / "README.md").read_text("utf-8")


@pytest.fixture
def monorepo(chat: Path, tmp_path: Path) -> Path:
    """A repository with other things in it; the deployment lies deep."""
    top = tmp_path / "mono"
    (top / "src").mkdir(parents=True)
    (top / "src" / "main.c").write_text("int mine;\n", "utf-8")
    (top / "src" / "compose.yaml").write_text("services: {}\n", "utf-8")
    shutil.copytree(chat, top / "ops" / "llm" / "chat")
    git(top, "init", "--quiet")
    git(top, "add", "--all")
    git(top, "commit", "--quiet", "-m", "all")
    return top


def test_without_git(chat: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    updated(chat)


def test_deep_in_a_repository_nothing_else_changes(
    monorepo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    updated(monorepo / "ops" / "llm" / "chat")
    changed = [line[3:] for line in git(monorepo, "status", "--porcelain").splitlines()]
    assert changed
    assert all(path.startswith("ops/llm/chat/") for path in changed)
    monkeypatch.chdir(monorepo)
    assert run(["check"]) == 0


def test_a_dirty_tree_is_not_asked_for(monorepo: Path) -> None:
    """What is staged and what is not stays so: infra-gen asks the lock, not git."""
    (monorepo / "src" / "main.c").write_text("int staged;\n", "utf-8")
    git(monorepo, "add", "src/main.c")
    (monorepo / "src" / "main.c").write_text("int dirty;\n", "utf-8")
    updated(monorepo / "ops" / "llm" / "chat")
    assert "MM src/main.c" in git(monorepo, "status", "--porcelain")


def test_a_shallow_clone(monorepo: Path, tmp_path: Path) -> None:
    """What merges need lies in the tree, not in history."""
    edit(monorepo / "src" / "main.c", "mine", "yours")
    git(monorepo, "commit", "--quiet", "-am", "more")
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", "--depth", "1", monorepo.as_uri(), str(clone))
    assert git(clone, "rev-parse", "--is-shallow-repository") == "true\n"
    assert api.check(clone / "ops" / "llm" / "chat").drift == ()
    updated(clone / "ops" / "llm" / "chat")


def test_a_deployment_behind_a_link(chat: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(chat)
    assert api.check(link).drift == ()
    updated(link)
    assert link.is_symlink()
    assert api.check(chat).drift == ()


def test_a_dangling_link_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "new").symlink_to("nowhere")
    with pytest.raises(UsageError, match="is not a folder"):
        writing.write_new(tmp_path / "new", {"a": File("a")})
    assert not (tmp_path / "nowhere").exists()


def test_nothing_is_deleted_behind_a_link_and_the_next_command_works(
    chat: Path, tmp_path: Path
) -> None:
    """Refused before the journal is written: a journal of it could never be followed."""
    (chat / "monitoring").rename(tmp_path / "outside")
    (chat / "monitoring").symlink_to(tmp_path / "outside")
    edit(chat / "infra-gen.yaml", "monitoring: true", "monitoring: false")
    before = snapshot(tmp_path)
    with pytest.raises(UsageError, match="leads out of the folder"):
        api.update(chat)
    assert snapshot(tmp_path) == before
    assert [one.kind for one in api.check(chat).drift] == ["spec"]


def test_bytes_that_are_no_text_in_a_record_survive_an_abort(chat: Path) -> None:
    edit(chat / "infra-gen.yaml", "users: 2", "users: 30")
    after = api.prepare(chat).changes.write["compose.yaml"].text.splitlines()
    lines = (chat / "compose.yaml").read_text("utf-8").splitlines()
    line = next(one for one in lines if one not in after)
    edit(chat / "compose.yaml", f"\n{line}\n", f"\n{line} # mine\n")
    (chat / ".infra-gen" / "base" / "README.md").write_bytes(b"\xff\x00junk")
    before = snapshot(chat)
    assert api.update(chat).conflicts
    api.abort(chat)
    assert snapshot(chat) == before


def test_a_killed_new_repo_is_ended_by_a_command_in_its_deployment(
    chat: Path, tmp_path: Path
) -> None:
    """Its journal lies at the top of the repository, and not where the deployment is."""
    top = tmp_path / "repo"
    root = Path(shutil.copytree(chat, top / "deployments" / "chat"))
    readme = (root / "README.md").read_bytes()
    (root / "README.md").unlink()
    pending = top / ".infra-gen" / "pending"
    pending.mkdir(parents=True)
    (pending / "00000").write_bytes(readme)
    step = Step("deployments/chat/README.md", fingerprint(root / "README.md"), "00000")
    (top / ".infra-gen" / journal.JOURNAL).write_text(journal_text((step,)), "utf-8")
    assert api.check(root).drift == ()
    assert (root / "README.md").read_bytes() == readme
    assert not (top / ".infra-gen").exists()


def names(root: Path) -> list[str]:
    """Paths of a deployment as a file system without letter case sees them."""
    return [folded(path.relative_to(root).as_posix()) for path in root.rglob("*")]


@pytest.mark.parametrize("tree", sorted(p.parent for p in GOLDEN.rglob("infra-gen.lock")), ids=str)
def test_no_two_names_differ_only_in_letter_case(tree: Path) -> None:
    assert max(Counter(names(tree)).values()) == 1


def test_a_name_of_yours_in_other_letters_is_not_overwritten(chat: Path) -> None:
    (chat / "readme.MD").write_text("mine", "utf-8")
    if sys.platform != "darwin":  # there it is the file itself
        updated(chat)
        assert (chat / "readme.MD").read_text("utf-8") == "mine"
