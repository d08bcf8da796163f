"""A deployment over its life: checked, edited, updated, planned anew; the same bytes everywhere."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest
from tests.unit.kill_driver import snapshot

from infra_gen import api
from infra_gen.cli.main import run
from infra_gen.errors import EditedError
from infra_gen.knowledge import store
from infra_gen.lifecycle import lock_file, spec_file
from infra_gen.model.llm import ModelPreset

Printed = pytest.CaptureFixture[str]


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")


def kinds(root: Path) -> dict[str, str]:
    return {one.path: one.kind for one in api.check(root).drift}


def test_an_edit_is_found_and_undone(chat: Path, capsys: Printed) -> None:
    before = snapshot(chat)
    assert run(["check", str(chat)]) == 0
    edit(chat / "README.md", "\n", "\nMy own words.\n")
    capsys.readouterr()

    assert run(["check", str(chat)]) == 2
    said = capsys.readouterr().out
    assert "README.md: edited by hand" in said
    assert "-My own words." in said
    assert f"infra-gen update {chat}" in said
    assert "--discard-edits" in said
    assert run(["check", "--no-diff", str(chat)]) == 2
    assert "-My own words." not in capsys.readouterr().out

    assert run(["update", str(chat), "--discard-edits"]) == 0
    assert "wrote README.md" in capsys.readouterr().out
    assert snapshot(chat) == before
    assert run(["check", str(chat)]) == 0


@pytest.mark.parametrize("path", ["README.md", "bin/smoke-test", ".env.example"])
def test_a_missing_file_comes_back(path: str, chat: Path) -> None:
    before = snapshot(chat)
    (chat / path).unlink()
    assert kinds(chat) == {path: "missing"}
    assert api.update(chat).written == (path,)
    assert snapshot(chat) == before


def test_a_mode_is_drift(chat: Path) -> None:
    before = snapshot(chat)
    (chat / "bin" / "smoke-test").chmod(0o644)
    (chat / "README.md").chmod(0o755)
    assert kinds(chat) == {"bin/smoke-test": "mode", "README.md": "mode"}
    assert api.update(chat).written == ("README.md", "bin/smoke-test")
    assert snapshot(chat) == before


def test_a_link_in_place_of_a_file_is_drift(chat: Path, tmp_path: Path) -> None:
    (chat / "README.md").rename(tmp_path / "elsewhere")
    (chat / "README.md").symlink_to(tmp_path / "elsewhere")
    assert kinds(chat) == {"README.md": "edited"}
    with pytest.raises(EditedError):
        api.update(chat)
    assert (chat / "README.md").is_symlink()
    api.update(chat, discard_edits=True)
    assert not (chat / "README.md").is_symlink()
    assert (tmp_path / "elsewhere").is_file()
    assert kinds(chat) == {}


def test_update_with_nothing_to_do_writes_nothing(chat: Path, capsys: Printed) -> None:
    before = {path: path.stat().st_mtime_ns for path in chat.rglob("*")}
    assert run(["update", str(chat)]) == 0
    assert "nothing to do" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in chat.rglob("*")} == before


def test_a_changed_spec_is_drift_until_updated(chat: Path, capsys: Printed) -> None:
    edit(chat / "infra-gen.yaml", "users: 2", "users: 30")
    assert kinds(chat) == {"infra-gen.yaml": "spec"}
    assert run(["check", str(chat)]) == 2
    assert f"infra-gen update {chat}" in capsys.readouterr().out
    old, _ = api.load(chat)[1].resolved, None
    assert run(["update", str(chat)]) == 0
    new = api.load(chat)[1].resolved
    assert f"max_num_seqs: {old.max_num_seqs} -> {new.max_num_seqs}" in capsys.readouterr().out
    assert new.max_num_seqs > old.max_num_seqs
    assert kinds(chat) == {}


def test_comments_and_order_of_the_spec_are_no_drift(chat: Path) -> None:
    spec = chat / "infra-gen.yaml"
    lines = [line for line in spec.read_text("utf-8").splitlines() if not line.startswith("#")]
    spec.write_text("# mine\n" + "\n".join(lines) + "\n", "utf-8")
    assert kinds(chat) == {}
    api.update(chat)
    assert spec.read_text("utf-8").startswith("# mine")


def test_what_is_no_longer_deployed_goes(chat: Path) -> None:
    (chat / "monitoring" / "mine.yml").write_text("mine", "utf-8")
    edit(chat / "infra-gen.yaml", "monitoring: true", "monitoring: false")
    updated = api.update(chat)
    assert "monitoring/prometheus.yml" in updated.deleted
    assert [path.name for path in (chat / "monitoring").iterdir()] == ["mine.yml"]
    assert not (chat / ".infra-gen" / "base" / "monitoring").exists()
    assert kinds(chat) == {}
    edit(chat / "infra-gen.yaml", "monitoring: false", "monitoring: true")
    api.update(chat)
    assert kinds(chat) == {}


def test_an_edited_file_that_is_no_longer_deployed_stays(chat: Path) -> None:
    edit(chat / "monitoring" / "prometheus.yml", "\n", "\n# mine\n")
    edit(chat / "infra-gen.yaml", "monitoring: true", "monitoring: false")
    updated = api.update(chat)
    assert "monitoring/prometheus.yml" not in updated.deleted
    assert (chat / "monitoring" / "prometheus.yml").is_file()


def test_an_orphan_is_drift(chat: Path) -> None:
    """A managed file of the lock that this version no longer renders."""
    lock = chat / "infra-gen.lock"
    document = json.loads(lock.read_text("utf-8"))
    document["files"]["old/file"] = document["files"]["README.md"]
    lock.write_text(json.dumps(document), "utf-8")
    assert kinds(chat) == {}, "it is gone already"
    (chat / "old").mkdir()
    (chat / "old" / "file").write_bytes((chat / "README.md").read_bytes())
    assert kinds(chat) == {"old/file": "orphan"}
    assert api.update(chat).deleted == ("old/file",)
    assert not (chat / "old").exists()


def test_files_that_another_version_wrote_are_stale_not_edited(chat: Path) -> None:
    """The lock knows the bytes, so `update` may replace them without being told to."""
    edit(chat / "README.md", "\n", "\nAn older version said this.\n")

    shutil.copyfile(chat / "README.md", chat / ".infra-gen" / "base" / "README.md")
    lock = chat / "infra-gen.lock"
    document = json.loads(lock.read_text("utf-8"))
    digest = hashlib.sha256((chat / "README.md").read_bytes()).hexdigest()
    document["files"]["README.md"]["sha256"] = digest
    lock.write_text(json.dumps(document), "utf-8")
    assert kinds(chat) == {"README.md": "lock"}, "nothing moved but the lock itself"
    document["generator"] = "infra-gen 0.0.9"
    lock.write_text(json.dumps(document), "utf-8")
    assert kinds(chat) == {"README.md": "stale"}
    assert api.update(chat).written == ("README.md",)
    assert kinds(chat) == {}


def test_files_of_yours_are_never_touched(chat: Path) -> None:
    mine = ["compose.override.yaml", ".env", "bin/mine", "monitoring/mine.yml", "notes/deep/x"]
    for path in mine:
        (chat / path).parent.mkdir(parents=True, exist_ok=True)
        (chat / path).write_text("mine: true\n", "utf-8")
    assert run(["check", str(chat)]) == 0
    edit(chat / "infra-gen.yaml", "users: 2", "users: 30")
    assert run(["update", str(chat), "--discard-edits"]) == 0
    assert run(["update", str(chat), "--replan"]) == 0
    assert {(chat / path).read_text("utf-8") for path in mine} == {"mine: true\n"}


def test_replanning_prints_old_and_new(chat: Path, capsys: Printed) -> None:
    """A lock that holds an older choice stays until --replan."""
    lock = chat / "infra-gen.lock"
    edit(lock, '"max_num_batched_tokens": 2048', '"max_num_batched_tokens": 1024')
    assert run(["update", str(chat)]) == 0
    assert "1024" in (chat / "compose.yaml").read_text("utf-8")
    assert run(["check", str(chat)]) == 0
    capsys.readouterr()
    assert run(["update", str(chat), "--replan"]) == 0
    assert "max_num_batched_tokens: 1024 -> 2048" in capsys.readouterr().out
    assert run(["check", str(chat)]) == 0


def better_model() -> dict[str, object]:
    """Qwen3-8B again, with a higher value on the same scale: `auto` would take it."""
    document = json.loads(json.dumps(store.index()["models"]["qwen3-8b"]))
    document.update(id="qwen9-9b", name="Qwen9 9B", aliases=[])
    document["quality"]["value"] = 99.0
    return dict(document)


def test_a_better_model_does_not_change_what_is_deployed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "chat"
    assert run(["new", str(root), "-H", "rtx-3090", "-u", "2"]) == 0
    before = snapshot(root)
    models = (*store.models(), ModelPreset.model_validate(better_model()))
    index = {**store.index(), "models": {**store.index()["models"], "qwen9-9b": better_model()}}
    monkeypatch.setattr(store, "models", lambda: models)
    monkeypatch.setattr(store, "index", lambda: index)
    assert run(["check", str(root)]) == 0
    assert run(["update", str(root)]) == 0
    assert snapshot(root) == before
    assert run(["update", str(root), "--replan"]) == 0
    assert api.load(root)[1].resolved.model == "qwen9-9b"


def test_validate_reads_the_files_as_they_are(chat: Path, capsys: Printed) -> None:
    assert run(["validate", str(chat)]) == 0
    edit(chat / "compose.yaml", "127.0.0.1", "0.0.0.0")
    capsys.readouterr()
    assert run(["validate", str(chat)]) == 3
    assert "compose.yaml" in capsys.readouterr().out
    assert run(["validate", "--json", str(chat)]) == 3
    findings = json.loads(capsys.readouterr().out)
    assert {"rule", "severity", "file", "line", "message", "fix"} <= set(findings[0])


def test_allowed_findings_pass_with_their_reason(chat: Path, capsys: Printed) -> None:
    edit(chat / "compose.yaml", "127.0.0.1", "0.0.0.0")
    rule = next(f.rule for f in api.validate(chat).findings if f.counts)
    spec = chat / "infra-gen.yaml"
    text = spec.read_text("utf-8").replace("allow: []", "")
    spec.write_text(f"{text}allow:\n  - {{rule: {rule}, reason: behind a firewall}}\n", "utf-8")
    capsys.readouterr()
    assert run(["validate", str(chat)]) == 0
    assert "behind a firewall" in capsys.readouterr().out


def test_what_is_written_is_read_back(chat: Path) -> None:
    spec, lock = api.load(chat)
    assert spec_file.spec_sha256(spec) == lock.spec_sha256
    again = lock_file.lock_text(lock)
    assert again == (chat / "infra-gen.lock").read_text("utf-8")
    built = api.build_locked(chat, spec, lock)
    assert {path: file.sha256 for path, file in built.tree.items()} == {
        path: locked.sha256 for path, locked in lock.files.items()
    }
    assert set(lock.files) & {"infra-gen.lock", "infra-gen.yaml"} == set()


def test_pristine_copies_lie_beside(chat: Path) -> None:
    _, lock = api.load(chat)
    for path, locked in lock.files.items():
        if locked.file_class == "managed":
            base = chat / ".infra-gen" / "base" / path
            assert base.read_bytes() == (chat / path).read_bytes()


def test_files_that_infra_gen_never_wrote_are_never_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chat = tmp_path / "chat"
    assert run(["new", str(chat), "--hardware", "cpu", "--no-monitoring"]) == 0
    (chat / "monitoring").mkdir()
    (chat / "monitoring" / "prometheus.yml").write_text("mine")
    spec = chat / "infra-gen.yaml"
    spec.write_text(spec.read_text().replace("monitoring: false", "monitoring: true"))
    assert run(["update", str(chat), "--discard-edits"]) == 1
    assert "monitoring/prometheus.yml" in capsys.readouterr().err
    assert (chat / "monitoring" / "prometheus.yml").read_text() == "mine"


def test_an_edited_file_that_leaves_the_deployment_is_left_and_named(chat: Path) -> None:
    rules = chat / "monitoring" / "alerts.yml"
    rules.write_text(rules.read_text() + "# mine\n")
    spec = chat / "infra-gen.yaml"
    spec.write_text(spec.read_text().replace("monitoring: true", "monitoring: false"))
    assert api.update(chat).left == ("monitoring/alerts.yml",)
    assert rules.read_text().endswith("# mine\n")
