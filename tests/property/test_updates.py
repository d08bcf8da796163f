"""Random edits against random changes of the spec: no line of yours is lost without a word."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.kill_driver import Snapshot, snapshot

from infra_gen import api
from infra_gen.errors import InfraGenError
from infra_gen.model.spec import Spec

FILES = ("README.md", "compose.yaml", "bin/preflight", "image/Dockerfile", "monitoring/alerts.yml")
CHANGES = {
    "users: 2": ("users: 3", "users: 30", "users: 2"),
    "monitoring: true": ("monitoring: false", "monitoring: true"),
    "exposure: loopback": ("exposure: loopback\n  port: 9000", "exposure: loopback"),
}


@dataclass(frozen=True)
class Edit:
    """One edit: in which file, at which share of its lines, and whether a line goes for it."""

    file: str
    share: float
    replaces: bool


EDITS = st.lists(
    st.builds(Edit, st.sampled_from(FILES), st.floats(0, 1), st.booleans()), min_size=1, max_size=4
)
SPECS = st.fixed_dictionaries({old: st.sampled_from(new) for old, new in CHANGES.items()})


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("updates") / "chat"
    spec = {"name": "chat", "hardware": "rtx-3090", "model": "qwen3-8b", "load": {"users": 2}}
    api.write_new(api.build(Spec.model_validate({"version": 1, **spec}), root), root)
    return root


def edited(root: Path, edits: list[Edit]) -> dict[str, list[str]]:
    """Carry the edits out; the lines written, by file."""
    written: dict[str, list[str]] = {}
    for number, edit in enumerate(edits):
        path = root / edit.file
        if not path.is_file():
            continue
        lines = path.read_text("utf-8").splitlines(keepends=True)
        at = min(len(lines) - 1, int(edit.share * len(lines)))
        line = f"# mine {number}\n"
        lines[at : at + edit.replaces] = [line]
        path.write_text("".join(lines), "utf-8")
        written.setdefault(edit.file, []).append(line)
    return written


def kept(root: Path, path: str, line: str) -> bool:
    return line in (root / path).read_text("utf-8").splitlines(keepends=True)


def without_time(found: Snapshot) -> Snapshot:
    """Folders that an attempt made and removed again do not count."""
    return {path: value for path, value in found.items() if value[1] is not None}


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(edits=EDITS, changes=SPECS)
def test_no_line_is_lost(
    pristine: Path, tmp_path_factory: pytest.TempPathFactory, edits: list[Edit],
    changes: dict[str, str],
) -> None:  # fmt: skip
    root = tmp_path_factory.mktemp("one") / "chat"
    shutil.copytree(pristine, root)
    spec = (root / "infra-gen.yaml").read_text("utf-8")
    for old, new in changes.items():
        assert old in spec
        spec = spec.replace(old, new, 1)
    (root / "infra-gen.yaml").write_text(spec, "utf-8")
    lines = edited(root, edits)
    survived = {p: [one for one in ls if kept(root, p, one)] for p, ls in lines.items()}
    before = without_time(snapshot(root))
    try:
        done = api.update(root)
    except InfraGenError:
        assert without_time(snapshot(root)) == before
        return
    assert all(kept(root, path, line) for path, ls in survived.items() for line in ls)
    if done.conflicts:
        assert {one.kind for one in api.check(root).drift} == {"conflict"}
        assert api.abort(root)
        assert without_time(snapshot(root)) == before
        return
    assert api.check(root).drift == ()
    once = snapshot(root)
    assert api.update(root).written == ()
    assert snapshot(root) == once
