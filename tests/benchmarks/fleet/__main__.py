"""`infra-gen check` over a thousand deployments, beside copier and cruft on twenty projects.

    python tests/benchmarks/fleet [--sizes N ...] [--projects N] [--runs N] [--no-full] [--write]

On two cores, all in one run; medians. Peers check one project in one process, so they are given
twenty; infra-gen is timed on twenty like them too, in one process and in one for each. Then the same
trouble is made in each of them, and every tool's exit codes are told. The first run installs the
peers into an environment of its own in the cache folder. Linux only: it reads /proc.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
sys.path[:0] = [str(ROOT), str(ROOT / "generator")]

from tests.benchmarks.fleet import cases, deployments, peers  # noqa: E402
from tests.benchmarks.fleet.measuring import Took, measured  # noqa: E402

RESULT_FILE = ROOT / "tests/measurements/fleet/result.json"
_CORES = 2


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--sizes", nargs="*", type=int, default=[1000, 10000], metavar="N")
    parser.add_argument("--projects", type=int, default=20, metavar="N", help="beside peers")
    parser.add_argument("--runs", type=int, default=3, metavar="N", help="of a whole fleet")
    parser.add_argument("--no-full", action="store_true", help="do not render all of the smallest")
    parser.add_argument("--write", action="store_true", help="store the result for the docs")
    parser.add_argument("--folder", type=Path, help="where to work, on a disk with 5 GB")
    return parser.parse_args()


def _middle(all_took: list[Took]) -> dict[str, Any]:
    return {
        "wall_s": round(statistics.median(one.wall_s for one in all_took), 2),
        "cpu_s": round(statistics.median(one.cpu_s for one in all_took), 2),
        "mib": round(max(one.mib for one in all_took)),
        "codes": sorted({one.code for one in all_took}),
    }


def _fleet(asked: argparse.Namespace, top: Path, tools: cases.Tools) -> Iterator[dict[str, Any]]:
    distinct = deployments.make_distinct(top / "distinct")
    env = tools.environment()
    for size in asked.sizes:
        folder = top / str(size)
        deployments.make_fleet(folder, distinct, size)
        runs = [measured(tools.infra_gen("check"), folder, env) for _ in range(asked.runs)]
        yield {"deployments": size, "command": "infra-gen check", **_middle(runs)}
        if size == min(asked.sizes) and not asked.no_full:
            took = measured(tools.infra_gen("check", "--full"), folder, env)
            yield {"deployments": size, "command": "infra-gen check --full", **_middle([took])}


def _beside_peers(projects: dict[str, Path], tools: cases.Tools) -> Iterator[dict[str, Any]]:
    """Sums over the projects; tool after tool in each, so that other work meets all alike."""
    env = tools.environment()
    for words in (["check"], ["check", "--full"]):
        took = measured(tools.infra_gen(*words), projects[cases.OURS], env)
        yield {"command": f"infra-gen {' '.join(words)}, one process", **_middle([took])}
    found: dict[str, list[Took]] = {}
    for name in sorted(path.name for path in projects[cases.OURS].iterdir()):
        for title, (tool, command) in tools.checks(name).items():
            if "--strict" not in title:
                took = measured(command, projects[tool], env)
                found.setdefault(title, []).append(took)
    for title, all_took in found.items():
        together = Took(
            sum(one.wall_s for one in all_took),
            sum(one.cpu_s for one in all_took),
            max(one.mib for one in all_took),
            max(one.code for one in all_took),
        )
        yield {"command": title, **_middle([together])}


def _sizes(projects: dict[str, Path]) -> dict[str, dict[str, int]]:
    """Files and bytes of the first project of each tool, its own state left out."""
    own = (".copier-answers.yml", ".cruft.json")
    found = {}
    for tool, folder in projects.items():
        files = deployments.files_of(sorted(folder.iterdir())[0])
        sizes = [len(data) for name, data in files.items() if name not in own]
        found[tool] = {"files": len(sizes), "bytes": sum(sizes)}
    return found


def _document(asked: argparse.Namespace, top: Path) -> dict[str, Any]:
    tools = cases.Tools(peers.installed(), ROOT, cases.newer_infra_gen(top / "newer"))
    os.environ.update(peers.environment())
    ours = deployments.make_alike(top / "projects" / cases.OURS, asked.projects)
    templates = peers.Templates(top / "templates", ours[0])
    peers.make_projects(top / "projects", templates, tools.peers, [root.name for root in ours])
    projects = {tool: top / "projects" / tool for tool in (cases.OURS, "copier", "cruft")}
    for root in ours:
        peers.commit_all(root)
    return {
        "what": "written by tests/benchmarks/fleet --write",
        "date": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
        "cores": _CORES,
        "python": platform.python_version(),
        "versions": peers.VERSIONS,
        "projects": asked.projects,
        "runs": asked.runs,
        "project": _sizes(projects),
        "beside": list(_beside_peers(projects, tools)),
        "fleet": list(_fleet(asked, top / "fleet", tools)),
        "cases": list(cases.run_cases(projects, tools, templates, top / "cases")),
    }


def _print(document: dict[str, Any]) -> None:
    print(f"{document['projects']} projects; files and bytes of one: {document['project']}\n")
    print(f"{'command':44} {'folders':>8} {'wall s':>8} {'cpu s':>8} {'MiB':>6}  exit codes")
    for row in [*document["beside"], *document["fleet"]]:
        folders = row.get("deployments", document["projects"])
        times = f"{row['wall_s']:8.2f} {row['cpu_s']:8.2f} {row['mib']:6}"
        print(f"{row['command']:44} {folders:8} {times}  {row['codes']}")
    for what in dict.fromkeys(row["what"] for row in document["cases"]):
        print(f"\n{what}")
        for row in document["cases"]:
            if row["what"] == what:
                print(f"  {row['command']:30} {row['codes']}")


def main() -> int:
    """Make all, measure, print."""
    asked = _arguments()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:_CORES])
    if asked.folder:
        asked.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=asked.folder) as name:
        document = _document(asked, Path(name).resolve())
        _print(document)
        if asked.write:
            RESULT_FILE.parent.mkdir(parents=True, exist_ok=True)
            RESULT_FILE.write_text(json.dumps(document, indent=1) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
