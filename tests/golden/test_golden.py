"""Whole trees, read as files in review. A case is a folder with a spec; the rest is written by
`pytest tests/golden --update-golden` and reviewed like code."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from infra_gen import api
from infra_gen.cli.main import run
from infra_gen.lifecycle.spec_file import read_spec

HERE = Path(__file__).parent
CASES = sorted(path.parent for path in HERE.glob("*/infra-gen.yaml"))
FITTING = [case for case in CASES if not case.name.startswith("refused-")]
REFUSED = [case for case in CASES if case.name.startswith("refused-")]
# Copies of what is compared already, and hashes that every template edit changes.
_SKIPPED = (".infra-gen/",)
_OF_KNOWLEDGE = re.compile(r'("(knowledge_sha256|seal)": )"[0-9a-f]{64}"')


def _written(case: Path, root: Path) -> dict[str, tuple[str, bool]]:
    spec = read_spec(case / "infra-gen.yaml")
    built = api.build(spec, root)
    assert not built.errors, built.errors
    tree = api.write_new(built, root)
    return {
        path: (_OF_KNOWLEDGE.sub(r'\1"<\2>"', file.text), file.executable)
        for path, file in tree.items()
        if not path.startswith(_SKIPPED) and path != "infra-gen.yaml"
    }


def _expected(case: Path) -> dict[str, tuple[str, bool]]:
    root = case / "expected"
    return {
        path.relative_to(root).as_posix(): (
            path.read_text("utf-8").replace("\r\n", "\n"),
            os.access(path, os.X_OK),
        )
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def _rewrite(case: Path, written: dict[str, tuple[str, bool]]) -> None:
    shutil.rmtree(case / "expected", ignore_errors=True)
    for path, (text, executable) in written.items():
        place = case / "expected" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, "utf-8")
        place.chmod(0o755 if executable else 0o644)


@pytest.mark.parametrize("case", FITTING, ids=lambda case: case.name)
def test_tree(case: Path, tmp_path: Path, update_golden: bool) -> None:
    written = _written(case, tmp_path / "out")
    if update_golden:
        _rewrite(case, written)
    expected = _expected(case)
    assert sorted(written) == sorted(expected)
    for path, content in written.items():
        assert content == expected[path], f"{case.name}/{path} differs; read the diff, then update"


@pytest.mark.parametrize("case", FITTING, ids=lambda case: case.name)
def test_every_reason_leads_somewhere(case: Path, tmp_path: Path) -> None:
    """The file that a decision names as its source is there."""
    repository = HERE.parents[1]
    package = repository / "generator" / "infra_gen"
    for decision in api.plan(read_spec(case / "infra-gen.yaml"), tmp_path)[0].decisions:
        named = decision.source.partition(",")[0]
        if named.startswith("plan/"):
            assert (package / named).is_file(), decision
        elif named.startswith("presets/"):
            assert (repository / named).exists(), decision


def _printed(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    code = run(arguments)
    out = capsys.readouterr()
    return code, out.out + out.err


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_terminal(
    case: Path, update_golden: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    code, text = _printed(["plan", str(case)], capsys)
    assert code == (5 if case in REFUSED else 0)
    text = text.replace(str(case), "<case>")
    if update_golden:
        (case / "plan.txt").write_text(text, "utf-8")
    assert text == (case / "plan.txt").read_text("utf-8")


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.name)
def test_refusal_writes_nothing(case: Path, tmp_path: Path) -> None:
    root = tmp_path / "out"
    assert run(["new", str(root), "--spec", str(case / "infra-gen.yaml")]) == 5
    assert list(tmp_path.iterdir()) == []


def test_the_six_cases_are_there() -> None:
    assert len(FITTING) >= 5
    assert REFUSED


