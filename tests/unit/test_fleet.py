"""The benchmark of many deployments: what it measures with, its peers' templates, its stored result."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import jinja2
import pytest
from tests.benchmarks.fleet import cases, deployments, peers
from tests.benchmarks.fleet.measuring import measured

from tools import docs_fleet


def test_memory_and_time_of_children_count(tmp_path: Path) -> None:
    hungry = "b = bytearray(60 << 20); b[::4096] = bytes(len(b[::4096]))\n"
    code = hungry + "import time; end = time.process_time() + 0.4\n"
    code += "while time.process_time() < end: pass\n"
    outer = (
        f"import subprocess, sys; sys.exit(subprocess.call([sys.executable, '-c', {code!r}]) + 7)"
    )
    took = measured([sys.executable, "-c", outer], tmp_path, dict(os.environ))
    assert took.code == 7
    assert took.cpu_s >= 0.4
    assert took.mib >= 60


@pytest.mark.parametrize(
    "text", ["# chat-00\n{{ x }} {% y %}\n", "chat-00", "a\n\n", "${{ z }}-chat-00"]
)
def test_templates_of_peers_render_our_bytes(text: str) -> None:
    template = peers._template(text.encode(), "name").decode()
    environment = jinja2.Environment(keep_trailing_newline=True, autoescape=False)
    assert environment.from_string(template).render(name="chat-07") == text.replace(
        "chat-00", "chat-07"
    )


def test_a_fleet_is_made_of_clean_deployments(tmp_path: Path) -> None:
    distinct = deployments.make_distinct(tmp_path / "distinct", 2)
    deployments.make_fleet(tmp_path / "fleet", distinct, 5)
    specs = sorted((tmp_path / "fleet").rglob("infra-gen.yaml"))
    assert len(specs) == 5
    assert len({spec.read_bytes() for spec in specs}) == 2


def test_each_edit_of_a_case_is_one(chat: Path) -> None:
    """A case that changes nothing would say that a tool sees nothing."""
    for edit in (cases.edit_file, cases.edit_answers, cases.edit_the_line):
        before = {p: p.read_bytes() for p in chat.rglob("*") if p.is_file()}
        edit(chat, cases.OURS)
        changed = [p for p, data in before.items() if p.read_bytes() != data]
        assert len(changed) == 1


class TestStored:
    def test_the_targets_are_held(self) -> None:
        quick = {
            row["deployments"]: row
            for row in docs_fleet.stored()["fleet"]
            if row["command"] == "infra-gen check"
        }
        assert quick[1000]["wall_s"] < 10
        assert quick[10000]["cpu_s"] < 10 * quick[1000]["cpu_s"] * 1.1
        assert all(row["mib"] < 300 and row["codes"] == [0] for row in quick.values())

    def test_projects_are_of_the_same_size(self) -> None:
        sizes = list(docs_fleet.stored()["project"].values())
        assert sizes == [sizes[0]] * 3

    def test_all_of_it_is_on_the_page(self) -> None:
        page, result = docs_fleet.fleet_page(), docs_fleet.stored()
        assert result["date"] in page
        for row in result["fleet"]:
            assert f"| `{row['command']}` | {row['deployments']} | {row['wall_s']:.2f} |" in page
        for row in result["cases"]:
            assert row["command"] in page
