"""docs/reference/fleet.md, from the stored result of tests/benchmarks/fleet."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tools.docs_markdown import page, table

RESULT = Path(__file__).parents[2] / "tests/measurements/fleet/result.json"
_FLEET = """`infra-gen check` over folders below the one where it runs: deployments of every engine and
target that has a golden one, a hundred of them different and the rest copies of these. Each is
untouched, so hashes decide and nothing is rendered; `--full` renders and judges all the same. Targets:
1000 in under 10 s, 10000 in proportion, under 300 MiB."""
_BESIDE = """copier and cruft on projects from a template each, which renders the very files of one of our
deployments. They look at one project in one process; infra-gen at all in one, or one by one like them."""
_COLUMNS = """`wall` is the clock's time and `CPU` that of the processors, user and system, of all processes
of the command: where other work shares the machine, it is the one to compare. `MiB` is the sum of the
largest resident size of each process, so pages that two share count twice; of commands for one project
it is the largest."""
_CASES = """The same trouble in each of the {count} projects, and the exit code of each tool; 0 is
"nothing to see". Where not all projects were alike, their number stands behind the code. `cruft diff`
runs with `--exit-code`, `copier check-update` with `--quiet`: without them they end with 0 whatever they
see. For infra-gen a newer template is a newer infra-gen that writes a line differently: that is a
warning, and with `--strict` an error."""
_LEFT = {"marks": "conflict marks in the file", "rejected": "a .rej file"}
_AGAIN = """```sh
python tests/benchmarks/fleet      # minutes, 5 GB of disk
make fleet                         # and store it for this page
```"""


def stored() -> dict[str, Any]:
    """The result; empty where none was made yet."""
    if not RESULT.is_file():
        return {}
    loaded: dict[str, Any] = json.loads(RESULT.read_text("utf-8"))
    return loaded


def _times(row: Mapping[str, Any]) -> list[str]:
    return [f"{row['wall_s']:.2f}", f"{row['cpu_s']:.2f}", str(row["mib"])]


def _codes(codes: Mapping[str, int]) -> str:
    if len(codes) == 1:
        return next(iter(codes))
    return ", ".join(f"{code} ({count})" for code, count in codes.items())


def _left(found: Mapping[str, int], projects: int) -> str:
    seen = [f"{_LEFT[key]} ({count} of {projects})" for key, count in found.items() if count]
    return ", ".join(seen) or "nothing"


def _said(result: Mapping[str, Any]) -> str:
    rows = [
        [case["what"], f"`{case['command']}`", _codes(case["codes"])]
        for case in result["cases"]
        if case["what"] != "what that left"
    ]
    return table(["Case", "Command", "Exit code"], rows)


def _leftovers(result: Mapping[str, Any]) -> str:
    rows = [
        [case["command"], _left(case["codes"], result["projects"])]
        for case in result["cases"]
        if case["what"] == "what that left"
    ]
    return table(["Tool", "What its update left in the file"], rows)


def fleet_page() -> str:
    """docs/reference/fleet.md."""
    result = stored()
    if not result:
        return page("Checking many deployments", "No result is stored yet.", _AGAIN)
    versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    mine = result["project"]["infra-gen"]
    fleet = [[f"`{row['command']}`", row["deployments"], *_times(row)] for row in result["fleet"]]
    beside = [[f"`{row['command']}`".replace(", one process`", "`, one process"), *_times(row)]
              for row in result["beside"]]  # fmt: skip
    return page(
        "Checking many deployments",
        f"One run on {result['date']}, on two cores of a virtual machine that other work shared; Python "
        f"{result['python']}; {versions}. A whole fleet: the median of {result['runs']} "
        "runs; `--full` and the projects: once.",
        _COLUMNS,
        "## A fleet\n\n" + _FLEET,
        table(["Command", "Deployments", "wall s", "CPU s", "MiB"], fleet),
        f"## {result['projects']} projects, beside peers\n\n{_BESIDE}\nA project has {mine['files']} files "
        f"with {mine['bytes']} bytes.",
        table(["Command", "wall s", "CPU s", "MiB"], beside),
        "## What each one sees\n\n" + _CASES.format(count=result["projects"]),
        _said(result),
        _leftovers(result),
        "## Make it again\n\n" + _AGAIN,
    )
