"""The weekly look for new releases, on one that is held back: the last vLLM, from its real sources."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.live.conftest import require

from tools.tables.merging import Table, dump, snapshots_of, sources_of, table_from

pytestmark = pytest.mark.vllm_parser

ROOT = Path(__file__).parents[2]
TABLE = "presets/engines/vllm/table.json"


def left_out(folder: str, names: list[str]) -> set[str]:
    """What is not of the checkout: caches, environments, git's own."""
    top = Path(folder) == ROOT
    return {n for n in names if n == "__pycache__" or (top and (n.startswith(".") or n == "try"))}


def held_back(table: Table, version: str) -> Table:
    """The table as it was before that version."""
    snapshots, sources = snapshots_of(table), sources_of(table)
    del snapshots[version], sources[version]
    return table_from("vllm", snapshots, sources, table["hints"])


def run(copy: Path, *words: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(copy / "generator")}
    return subprocess.run(
        [sys.executable, "-m", *words],
        cwd=copy / "generator", env=env, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip


def test_a_release_that_was_held_back_comes_back(tmp_path: Path) -> None:
    python = Path(require("vllm-parser").path("python"))
    [sources] = python.parents[1].glob("lib/python3*/site-packages")
    copy = tmp_path / "checkout"
    shutil.copytree(ROOT, copy, ignore=left_out)
    whole: dict[str, Any] = json.loads((ROOT / TABLE).read_text("utf-8"))
    last, before = whole["versions"][-1], whole["versions"][-2]
    (copy / TABLE).write_text(dump(held_back(whole, last)), "utf-8")

    done = run(copy, "tools.tables.refresh", "--report", "report.md", "--from", f"vllm={sources}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "changed: vllm" in done.stdout

    again = json.loads((copy / TABLE).read_text("utf-8"))
    where = ("sources", "method")  # an installed package has no wheel to name
    assert {k: v for k, v in again.items() if k not in where} == {
        k: v for k, v in whole.items() if k not in where
    }
    report = (copy / "generator" / "report.md").read_text("utf-8")
    assert report.startswith(f"# vllm {before} to {last}")
    assert "## Flags: " in report
    # The pages that are generated from the tables are those of the checkout again.
    page = "docs/reference/tables/vllm.md"
    assert (copy / page).read_text("utf-8").split("## What was read")[0] == (ROOT / page).read_text(
        "utf-8"
    ).split("## What was read")[0]


def test_a_release_that_lost_its_parser_is_refused(tmp_path: Path) -> None:
    """Sources in which nothing is found must leave the table as it was, and say why."""
    copy, spoilt = tmp_path / "checkout", tmp_path / "spoilt"
    shutil.copytree(ROOT, copy, ignore=left_out)
    (spoilt / "vllm").mkdir(parents=True)
    (spoilt / "vllm" / "__init__.py").write_text("")
    (spoilt / "vllm-9.9.0.dist-info").mkdir()
    (spoilt / "vllm-9.9.0.dist-info" / "METADATA").write_text("Name: vllm\nVersion: 9.9.0\n")
    before = (copy / TABLE).read_bytes()
    done = run(copy, "tools.tables.refresh", "--report", "report.md", "--from", f"vllm={spoilt}")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "failed: vllm" in done.stdout
    assert "# vllm: not understood" in (copy / "generator" / "report.md").read_text("utf-8")
    assert (copy / TABLE).read_bytes() == before
