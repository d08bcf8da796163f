"""Random edits against random changes of the spec: nothing of yours is lost without a word."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.kill_driver import Snapshot, snapshot

from infra_gen import api
from infra_gen.cli.main import run
from infra_gen.errors import EditedError, InfraGenError, SpecError
from infra_gen.model.spec import Spec

BASE = ".infra-gen/base"
CHANGES = {
    "users: 2": ("users: 3", "users: 30", "users: 2"),
    "monitoring: true": ("monitoring: false", "monitoring: true"),
    "port: auto": ("port: 9000", "port: auto"),
}
DEPLOYMENTS = {
    "compose": {"hardware": "rtx-3090", "model": "qwen3-8b"},
    "systemd": {"hardware": "cpu", "engine": "llama.cpp", "target": "systemd"},
}


@dataclass
class Place:
    """A managed file of a deployment, and what must be found of its edits afterwards."""

    root: Path
    path: str
    data: bytes

    @property
    def file(self) -> Path:
        return self.root / self.path

    def lines(self) -> list[bytes]:
        return self.data.split(b"\n")

    def write(self, data: bytes) -> None:
        self.file.write_bytes(data)


def _insert(place: Place, at: float, mark: bytes) -> None:
    lines = place.lines()
    lines.insert(int(at * len(lines)), mark)
    place.write(b"\n".join(lines))


def _replace(place: Place, at: float, mark: bytes) -> None:
    lines = place.lines()
    lines[min(len(lines) - 1, int(at * len(lines)))] = mark
    place.write(b"\n".join(lines))


def _append_to_line(place: Place, at: float, mark: bytes) -> None:
    lines = place.lines()
    lines[min(len(lines) - 1, int(at * len(lines)))] += b" " + mark
    place.write(b"\n".join(lines))


def _odd_ends(place: Place, at: float, mark: bytes) -> None:
    """Letters that other programs take for ends of lines."""
    _insert(place, at, mark + "\x0c\u2028\x1c\r odd".encode())


def _cut(place: Place, at: float, _: bytes) -> None:
    lines = place.lines()
    first = int(at * len(lines))
    place.write(b"\n".join(lines[:first] + lines[first + 3 :]))


def _unended(place: Place, _at: float, mark: bytes) -> None:
    place.write(place.data + mark)


def _windows(place: Place, at: float, mark: bytes) -> None:
    _insert(place, at, mark)
    place.write(place.file.read_bytes().replace(b"\n", b"\r\n"))


def _marked(place: Place, at: float, mark: bytes) -> None:
    _insert(place, at, mark)
    place.write(b"\xef\xbb\xbf" + place.file.read_bytes())


def _mode(place: Place, _at: float, _: bytes) -> None:
    place.file.chmod(place.file.stat().st_mode ^ 0o111)


def _junk(place: Place, _at: float, mark: bytes) -> None:
    place.write(b"\x00\xff\xfe" + mark)


def _delete(place: Place, _at: float, _: bytes) -> None:
    place.file.unlink()


def _rename(place: Place, _at: float, _: bytes) -> None:
    place.file.rename(place.file.with_name("mine-" + place.file.name))


def _add(place: Place, _at: float, mark: bytes) -> None:
    place.file.with_name("mine" + place.file.suffix).write_bytes(mark)


def _base_junk(place: Place, _at: float, _: bytes) -> None:
    (place.root / BASE / place.path).write_bytes(b"\xff\x00junk")


def _base_gone(place: Place, _at: float, _: bytes) -> None:
    (place.root / BASE / place.path).unlink()


Act = Callable[[Place, float, bytes], None]
TEXTUAL: tuple[Act, ...] = (
    _insert, _replace, _append_to_line, _odd_ends, _cut, _unended, _windows, _marked,
)  # fmt: skip
OTHER: tuple[Act, ...] = (_mode, _junk, _delete, _rename, _add, _base_junk, _base_gone)


@dataclass(frozen=True)
class Edit:
    """What is done to which file (a share of the list of files), and where in it."""

    act: Act
    file: float
    at: float

    def __repr__(self) -> str:
        return f"{self.act.__name__}({self.file:.3f}, {self.at:.3f})"


SHARE = st.floats(0, 1, exclude_max=True)
EDITS = st.lists(
    st.builds(Edit, st.one_of(st.sampled_from(TEXTUAL), st.sampled_from(OTHER)), SHARE, SHARE),
    min_size=1,
    max_size=4,
    unique_by=lambda edit: edit.file,
)
SPECS = st.fixed_dictionaries({old: st.sampled_from(new) for old, new in CHANGES.items()})


@pytest.fixture(scope="module", params=DEPLOYMENTS)
def pristine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("updates") / "chat"
    spec = {"version": 1, "name": "chat", "load": {"users": 2}, **DEPLOYMENTS[request.param]}
    api.write_new(api.build(Spec.model_validate(spec), root), root)
    return root


@dataclass(frozen=True)
class Mine:
    """Bytes that one edit put where they must be found again."""

    edit: Edit
    path: str
    mark: bytes

    def survives(self, root: Path) -> bool:
        return self.mark in (root / self.path).read_bytes()


def edited(root: Path, edits: list[Edit]) -> list[Mine]:
    """Carry the edits out, each in a file of its own."""
    managed = sorted(p for p, f in api.load(root)[1].files.items() if f.file_class == "managed")
    found, taken = [], set()
    for number, edit in enumerate(edits):
        path = managed[int(edit.file * len(managed))]
        if path in taken:
            continue
        taken.add(path)
        mark = f"# mine {number} ".encode()
        edit.act(Place(root, path, (root / path).read_bytes()), edit.at, mark)
        if edit.act in TEXTUAL and edit.act is not _cut:
            found.append(Mine(edit, path, mark))
    return found


def changed_spec(root: Path, changes: dict[str, str]) -> None:
    spec = (root / "infra-gen.yaml").read_text("utf-8")
    for old, new in changes.items():
        assert old in spec
        spec = spec.replace(old, new, 1)
    (root / "infra-gen.yaml").write_text(spec, "utf-8")


def files(found: Snapshot) -> Snapshot:
    """Folders that an attempt made and removed again do not count."""
    return {path: value for path, value in found.items() if value[1] is not None}


def foretold(root: Path) -> str:
    said = StringIO()
    with redirect_stdout(said), redirect_stderr(StringIO()):
        run(["diff", str(root)])
    return said.getvalue()


def visible(before: Snapshot, after: Snapshot) -> Iterator[str]:
    """Files of the deployment itself that are not what they were."""
    for path in sorted({*before, *after}):
        own = path.startswith(".infra-gen/") or path == "infra-gen.lock"
        if before.get(path) != after.get(path) and not own:
            yield path


def diff_told(said: str, before: Snapshot, after: Snapshot) -> None:
    """`diff` named every file that the update changed, and none that it did not."""
    told = {line.split(" (")[0][4:] for line in said.splitlines() if line.startswith("+++ ")}
    told |= {line.split(": ")[0] for line in said.splitlines() if ": would get its" in line}
    told |= {line[13:] for line in said.splitlines() if line.startswith("would remove ")}
    assert told == set(visible(before, after))


def nothing_of_yours_is_gone(mine: list[Mine], before: Snapshot, root: Path) -> None:
    for one in mine:
        assert one.survives(root), one
        data = (root / one.path).read_bytes()
        if one.edit.act is _marked:
            assert data.startswith(b"\xef\xbb\xbf")
        if one.edit.act is _windows:
            assert data.count(b"\n") == data.count(b"\r\n")
    for path, value in files(before).items():
        if "mine" in Path(path).name:
            assert snapshot(root)[path] == value


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(edits=EDITS, changes=SPECS)
def test_nothing_is_lost(
    pristine: Path, tmp_path_factory: pytest.TempPathFactory, edits: list[Edit],
    changes: dict[str, str],
) -> None:  # fmt: skip
    root = tmp_path_factory.mktemp("one") / "chat"
    shutil.copytree(pristine, root)
    mine = edited(root, edits)
    changed_spec(root, changes)
    before = files(snapshot(root))
    said = foretold(root)
    assert files(snapshot(root)) == before, "diff writes nothing"
    try:
        done = api.update(root)
    except InfraGenError as error:
        assert files(snapshot(root)) == before
        if isinstance(error, EditedError):
            assert any(edit.act is _junk for edit in edits)
        if isinstance(error, SpecError):
            assert any(edit.act in (_base_junk, _base_gone) for edit in edits)
        return
    after = files(snapshot(root))
    nothing_of_yours_is_gone(mine, before, root)
    diff_told(said, before, after)
    if done.conflicts:
        assert {one.kind for one in api.check(root).drift} == {"conflict"}
        assert api.abort(root)
        assert files(snapshot(root)) == before
        return
    assert api.check(root).drift == ()
    assert api.check(root, full=True).drift == ()
    assert api.update(root).written == ()
    assert files(snapshot(root)) == after


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(edits=EDITS)
def test_where_nothing_else_changed_an_edit_stays_byte_for_byte(
    pristine: Path, tmp_path_factory: pytest.TempPathFactory, edits: list[Edit]
) -> None:
    root = tmp_path_factory.mktemp("one") / "chat"
    shutil.copytree(pristine, root)
    edited(root, edits)
    before = files(snapshot(root))
    try:
        api.update(root)
    except InfraGenError:
        assert files(snapshot(root)) == before
        return
    after = files(snapshot(root))
    assert {p for p in before if p.startswith(BASE)} <= set(after)
    for path in set(before) & set(after):
        if not path.startswith(".infra-gen") and path != "infra-gen.lock":
            assert before[path][1] == after[path][1], path


@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    users=st.integers(1, 60),
    target=st.sampled_from(["compose", "systemd", "quadlet"]),
    hardware=st.sampled_from(["rtx-3090", "cpu", "2x4090", "h100:2"]),
    monitoring=st.booleans(),
)
def test_what_new_writes_is_clean(
    tmp_path_factory: pytest.TempPathFactory, users: int, target: str, hardware: str,
    monitoring: bool,
) -> None:  # fmt: skip
    root = tmp_path_factory.mktemp("new") / "chat"
    words = {"name": "chat", "hardware": hardware, "target": target, "monitoring": monitoring}
    spec = Spec.model_validate({"version": 1, "load": {"users": users}, **words})
    try:
        api.write_new(api.build(spec, root), root)
    except InfraGenError:
        assert not root.exists()
        return
    once = snapshot(root)
    for full in (False, True):
        found = api.check(root, full=full)
        assert found.drift == ()
    assert api.update(root).written == ()
    assert snapshot(root) == once
