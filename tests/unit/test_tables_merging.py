"""Snapshots become intervals and come back as they were; doubtful ones are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra_gen.model.table_reading import table_of
from tools.tables import guards, update
from tools.tables.merging import dump, merge, snapshots_of, table_from
from tools.tables.records import Artefact, Guard, Snapshot, TableError

VERSIONS = ("0.8.5", "0.8.5.post1", "0.9.0", "0.10.0")


def flag(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "kind": "value", "type": "int", "default": 1, **more}


def sources(versions: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    return {v: {"version": v, "artifact": f"e-{v}.whl", "method": "test"} for v in versions}


records = st.lists(
    st.builds(flag, st.sampled_from(["--a", "--b", "--c"]), default=st.sampled_from([1, 2, None])),
    unique_by=lambda record: record["name"],
    max_size=3,
).map(lambda rows: sorted(rows, key=lambda row: row["name"]))


@given(st.lists(records, min_size=len(VERSIONS), max_size=len(VERSIONS)))
def test_a_table_gives_back_every_snapshot(rows: list[list[dict[str, Any]]]) -> None:
    snapshots: dict[str, Snapshot] = {
        version: {"flags": row} for version, row in zip(VERSIONS, rows, strict=True)
    }
    table = json.loads(dump(table_from("e", snapshots, sources(VERSIONS), [])))
    again = snapshots_of(table)
    assert {v: s.get("flags", []) for v, s in again.items()} == dict(
        zip(VERSIONS, rows, strict=True)
    )


@given(st.permutations(VERSIONS))
def test_the_order_of_reading_does_not_matter(order: list[str]) -> None:
    snapshots = {v: {"flags": [flag("--a", default=len(v))]} for v in order}
    assert merge(snapshots) == merge(dict(sorted(snapshots.items())))


def test_a_name_that_comes_back_has_two_intervals() -> None:
    there: Snapshot = {"flags": [flag("--a")]}
    merged = merge({"0.8.5": there, "0.9.0": {"flags": []}, "0.10.0": there, "0.11.0": there})
    assert [(r.get("since"), r.get("until")) for r in merged["flags"]] == [
        (None, "0.9.0"),
        ("0.10.0", None),
    ]


def test_versions_sort_as_versions() -> None:
    merged = merge({"0.10.0": {"flags": [flag("--a")]}, "0.9.0": {"flags": []}})
    assert merged["flags"][0]["since"] == "0.10.0"


DOCUMENT = table_from(
    "e",
    {
        "1.0": {"flags": [flag("--old"), flag("--kept", negatives=["--no-kept"])], "facts": []},
        "1.1": {
            "flags": [flag("--kept", default=2, negatives=["--no-kept"])],
            "env": [{"name": "E_X", "default": None}],
        },
        "1.4": {"flags": [flag("--kept", default=2), flag("--new")]},
    },
    sources(("1.0", "1.1", "1.4")),
    [
        {"section": "flags", "name": "--old", "instead": "--kept"},
        {"section": "flags", "name": "--ancient", "gone_by": "0.5", "instead": "drop it"},
    ],
)


def test_a_version_of_the_table() -> None:
    table = table_of(DOCUMENT, "1.1")
    assert (table.standing, table.base, table.doubt) == ("exact", "1.1", "")
    kept = table.flag("--no-kept")
    assert kept is not None
    assert kept.default == 2
    gone = table.removed_flags["--old"]
    assert (gone.last_seen, gone.gone_by, gone.instead) == ("1.0", "1.1", "--kept")
    assert table.removed_flags["--ancient"].said == " (gone by 0.5); instead: drop it"
    assert table.absence("--old") == table.absence("--new") == "error"


def test_a_version_before_its_removal_has_the_flag() -> None:
    table = table_of(DOCUMENT, "1.0")
    assert table.flag("--old")
    assert "--old" not in table.removed_flags
    assert "E_X" not in table.env


def test_a_version_between_two_is_the_older_one_and_doubts_what_came_next() -> None:
    table = table_of(DOCUMENT, "1.2")
    assert (table.standing, table.base) == ("between", "1.1")
    assert table.absence("--new") == "warning"
    assert table.absence("--nonsense") == table.absence("--old") == "error"
    assert "1.1" in table.doubt


def test_a_newer_version_doubts_all_but_what_was_removed() -> None:
    table = table_of(DOCUMENT, "2.0")
    assert (table.standing, table.base) == ("newer", "1.4")
    assert table.absence("--nonsense") == "warning"
    assert table.absence("--old") == table.absence("--ancient") == "error"
    assert table.removed_env["E_X"].gone_by == "1.4"


def test_an_older_version_is_unknown() -> None:
    with pytest.raises(KeyError):
        table_of(DOCUMENT, "0.9")


GUARD = Guard({"flags": ["--port"]}, {"flags": 2}, known_jumps={"0.3": ("flags",)})


def many(start: int, count: int = 30) -> Snapshot:
    return {"flags": [flag("--port"), *(flag(f"--f{n}") for n in range(start, start + count))]}


def test_a_guard_lets_small_changes_pass() -> None:
    guards.check("0.2", many(2), GUARD, many(0))


@pytest.mark.parametrize(
    ("snapshot", "said"),
    [
        ({"flags": [flag("--port")]}, "1 found, at least 2 expected"),
        ({"flags": [flag("--host"), flag("--b")]}, "lost --port"),
        (many(20), "20 of 31 names gone and 20 new"),
        ({"flags": [flag("--port"), flag("--x", aliases=["--port"])]}, "--port is there twice"),
        ({"flag": [], **many(0)}, "unknown section flag"),
        (
            {"flags": [flag("--port"), {"name": "--x", "kind": "value"}]},
            "--x neither has a default nor says so",
        ),
    ],
)
def test_a_guard_refuses(snapshot: Snapshot, said: str) -> None:
    with pytest.raises(TableError, match=f"0.2: .*{said}"):
        guards.check("0.2", snapshot, GUARD, many(0))


def test_a_jump_that_somebody_looked_at_passes() -> None:
    guards.check("0.3", many(20), GUARD, many(0))


class Stub:
    """An engine whose releases are a dictionary."""

    engine = "stub"
    guard = GUARD

    def __init__(self, found: dict[str, Snapshot]) -> None:
        self.found = found

    def releases(self, _: Path | None) -> list[str]:
        return list(self.found)

    def fetch(self, version: str, _: Path | None, scratch: Path) -> Artefact:
        return Artefact(version, f"stub-{version}.whl", "0" * 64, scratch, "test")

    def read(self, artefact: Artefact) -> Snapshot:
        return self.found[artefact.version]


@pytest.fixture
def presets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(update, "data_dir", lambda _: tmp_path)
    return tmp_path / "engines" / "stub" / "table.json"


def feed(monkeypatch: pytest.MonkeyPatch, found: dict[str, Snapshot]) -> None:
    monkeypatch.setattr(update, "extractor", lambda _: Stub(found))


def test_an_update_adds_only_what_is_missing(
    presets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed(monkeypatch, {"0.1": many(0), "0.2": many(2)})
    first = update.update("stub", None, None, print)
    assert first.versions == ("0.1", "0.2")
    feed(monkeypatch, {"0.0.1": many(0), "0.1": many(9), "0.2": many(9), "0.10": many(4)})
    second = update.update("stub", None, None, print)
    assert second.versions == ("0.10",)
    table = json.loads(presets.read_text())
    assert table["versions"] == ["0.1", "0.2", "0.10"]
    assert [row["artifact"] for row in table["sources"]][-1] == "stub-0.10.whl"
    assert update.update("stub", None, None, print).versions == ()


def test_a_doubtful_release_writes_nothing(presets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    feed(monkeypatch, {"0.1": many(0), "0.2": many(2)})
    update.update("stub", None, None, print)
    before = presets.read_bytes()
    feed(monkeypatch, {"0.4": many(3), "0.5": many(25)})
    with pytest.raises(TableError, match=r"0\.5: flags: 22 of 31"):
        update.update("stub", None, None, print)
    assert presets.read_bytes() == before
    assert [path.name for path in presets.parent.iterdir()] == ["table.json"]


def test_a_dry_run_writes_nothing(presets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    feed(monkeypatch, {"0.1": many(0)})
    assert update.update("stub", None, None, print, write=False).versions == ("0.1",)
    assert not presets.exists()


def test_reading_an_old_release_anew_is_held_to_its_neighbours(
    presets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed(monkeypatch, {"0.1": many(0), "0.2": many(2)})
    update.update("stub", None, None, print)
    feed(monkeypatch, {"0.1": many(24)})
    with pytest.raises(TableError, match=r"0\.2: flags"):
        update.update("stub", "0.1", None, print)


def test_hints_come_from_their_file(presets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    feed(monkeypatch, {"0.1": many(0)})
    update.update("stub", None, None, print)
    hints = presets.with_name("hints.yaml")
    hints.write_text("flags:\n  --gone: {instead: drop it, source: its changelog}\n")
    update.write_hints("stub")
    assert json.loads(presets.read_text())["hints"] == [
        {"section": "flags", "name": "--gone", "instead": "drop it", "source": "its changelog"}
    ]
