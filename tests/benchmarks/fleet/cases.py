"""What each tool says of the same trouble: exit codes, project by project."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks.fleet.peers import EDITED, LINE, NEWER, Templates, commit_all, environment

ROOT = Path(__file__).parents[3]
OURS = "infra-gen"


@dataclass(frozen=True, slots=True)
class Tools:
    """The programs, and copies of infra-gen: this one, and a newer that writes a line differently."""

    peers: Path
    now: Path
    newer: Path

    def infra_gen(self, *words: str) -> list[str]:
        """This infra-gen, from its sources."""
        return [sys.executable, "-m", "infra_gen", *words]

    def checks(self, folder: str) -> dict[str, tuple[str, list[str]]]:
        """Name -> tool, and the command that checks the project in `folder`."""
        copier, cruft = str(self.peers / "copier"), str(self.peers / "cruft")
        return {
            "infra-gen check": (OURS, self.infra_gen("check", folder)),
            "infra-gen check --strict": (OURS, self.infra_gen("check", "--strict", folder)),
            "copier check-update": ("copier", [copier, "check-update", "--quiet", folder]),
            "cruft check": ("cruft", [cruft, "check", "--project-dir", folder]),
            "cruft diff": ("cruft", [cruft, "diff", "--exit-code", "--project-dir", folder]),
        }

    def updates(self, folder: str) -> dict[str, tuple[str, list[str]]]:
        """Name -> tool, and the command that updates the project in `folder`."""
        copier, cruft = str(self.peers / "copier"), str(self.peers / "cruft")
        update = [cruft, "update", "--skip-apply-ask", "--project-dir", folder]
        return {
            "infra-gen update": (OURS, self.infra_gen("update", folder)),
            "copier update": ("copier", [copier, "update", "--defaults", "--quiet", folder]),
            "cruft update": ("cruft", update),
        }

    def environment(self, *, newer: bool = False) -> dict[str, str]:
        """Environment of one process; peers do not look at PYTHONPATH's infra_gen."""
        return {
            **environment(),
            "PYTHONPATH": str((self.newer if newer else self.now) / "generator"),
        }


def newer_infra_gen(top: Path) -> Path:
    """A copy of infra-gen whose README says one line differently."""
    for name in ("generator/infra_gen", "presets", "templates"):
        shutil.copytree(ROOT / name, top / name, ignore=shutil.ignore_patterns("__pycache__"))
    place = top / "templates/readme/README.md.j2"
    place.write_text(place.read_text().replace(LINE, NEWER))
    return top


def _edit(place: Path, old: str, new: str) -> None:
    text = place.read_text()
    found = re.sub(old, new, text, count=1, flags=re.MULTILINE)
    if found == text:
        raise SystemExit(f"{place.name} has no {old}")
    place.write_text(found)


def edit_file(project: Path, tool: str) -> None:
    """A line of the compose file, by hand."""
    _edit(project / "compose.yaml", r"^services:", "# mine\nservices:")


def edit_answers(project: Path, tool: str) -> None:
    """Another answer in the file that keeps them, and nothing regenerated."""
    files = {OURS: "infra-gen.yaml", "copier": ".copier-answers.yml", "cruft": ".cruft.json"}
    if tool == OURS:
        _edit(project / files[tool], r"users: (\d)", r"users: 1\1")
    else:
        _edit(project / files[tool], r"(name\"?: \"?)chat", r"\1talk")


def edit_the_line(project: Path, tool: str) -> None:
    """The line that the newer template changes too."""
    _edit(project / "README.md", f"^{LINE}$", EDITED)


def nothing(project: Path, tool: str) -> None:
    """As it was written."""


def _codes(
    projects: Mapping[str, Path],
    commands: Callable[[str], dict[str, tuple[str, list[str]]]],
    env: Mapping[str, str],
) -> Iterator[tuple[str, list[int]]]:
    def code_of(command: list[str]) -> int:
        return subprocess.run(command, env=env, capture_output=True, check=False).returncode

    for name, (tool, _) in commands("").items():
        wanted = [commands(str(folder))[name][1] for folder in sorted(projects[tool].iterdir())]
        with ThreadPoolExecutor(2) as pool:  # nothing is timed here
            yield name, list(pool.map(code_of, wanted))


def _records(what: str, found: Iterator[tuple[str, list[int]]]) -> Iterator[dict[str, Any]]:
    for name, codes in found:
        counted = {str(code): count for code, count in sorted(Counter(codes).items())}
        yield {"what": what, "command": name, "codes": counted}


def _spoiled(
    projects: Mapping[str, Path], top: Path, spoil: Callable[[Path, str], None]
) -> dict[str, Path]:
    """Copies of all projects below `top`, the same trouble in each, committed."""
    copies = {}
    for tool, folder in projects.items():
        copies[tool] = top / tool
        for original in sorted(folder.iterdir()):
            project = Path(shutil.copytree(original, copies[tool] / original.name))
            spoil(project, tool)
            if spoil is not nothing:
                commit_all(project)
    return copies


def run_cases(
    projects: Mapping[str, Path], tools: Tools, templates: Templates, top: Path
) -> Iterator[dict[str, Any]]:
    """Every case in all projects; `projects` is tool -> folder with its own, which stay as they are."""
    same_release = {
        "clean": nothing,
        "a file edited by hand": edit_file,
        "an answer changed, not regenerated": edit_answers,
    }
    for number, (what, spoil) in enumerate(same_release.items()):
        copies = _spoiled(projects, top / str(number), spoil)
        yield from _records(what, _codes(copies, tools.checks, tools.environment()))
    templates.move_on()
    newer = tools.environment(newer=True)
    copies = _spoiled(projects, top / "newer", nothing)
    yield from _records("a newer template", _codes(copies, tools.checks, newer))
    copies = _spoiled(projects, top / "conflict", edit_the_line)
    what = "the update to it contradicts an edit"
    yield from _records(what, _codes(copies, tools.updates, newer))
    for tool, folder in copies.items():
        yield {"what": "what that left", "command": tool, "codes": _left(folder)}
    yield from _records("the check after it", _codes(copies, tools.checks, newer))


def _left(folder: Path) -> dict[str, int]:
    """Projects with conflict marks in the README, and with a file of rejected changes."""
    marks = sum("<<<<<<<" in (p / "README.md").read_text() for p in folder.iterdir())
    rejected = sum((p / "README.md.rej").exists() for p in folder.iterdir())
    return {"marks": marks, "rejected": rejected}
