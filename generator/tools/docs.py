"""Brings the documentation up to date with the code and the presets.

Writes the reference pages, the picture, the worked example and the output of every example that is
marked `<!-- run -->`. usage: python generator/tools/docs.py [--check]
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from tools import (
    docs_accuracy,
    docs_alerts,
    docs_calibration,
    docs_checklist,
    docs_cli,
    docs_constraints,
    docs_engines,
    docs_example,
    docs_fleet,
    docs_goodput,
    docs_hardware,
    docs_parity,
    docs_picture,
    docs_presets,
    docs_schemas,
    docs_tables,
)
from tools.docs_blocks import ExampleError, rewritten

ROOT = Path(__file__).parents[2]
WRITTEN_BY_HAND = ("docs/tutorial", "docs/how-to", "docs/explanation")
_GENERATED = {
    "docs/reference/cli.md": docs_cli.cli_page,
    "docs/reference/exit-codes.md": docs_cli.exit_codes_page,
    "docs/reference/spec.md": docs_schemas.spec_page,
    "docs/reference/lock.md": docs_schemas.lock_page,
    "docs/reference/plan-json.md": docs_schemas.plan_page,
    "docs/reference/ranking-json.md": docs_schemas.ranking_page,
    "docs/reference/hardware.md": docs_hardware.hardware_page,
    "docs/reference/models.md": docs_presets.models_page,
    "docs/reference/workloads.md": docs_presets.workloads_page,
    "docs/reference/calibration.md": docs_calibration.calibration_page,
    "docs/reference/accuracy.md": docs_accuracy.accuracy_page,
    "docs/reference/fleet.md": docs_fleet.fleet_page,
    "docs/reference/goodput.md": docs_goodput.goodput_page,
    "docs/reference/engines.md": docs_engines.engines_page,
    "docs/reference/constraints.md": docs_constraints.constraints_page,
    "docs/reference/checklist.md": docs_checklist.checklist_page,
    "docs/reference/alerts.md": docs_alerts.alerts_page,
    "docs/reference/tables/parity.md": docs_parity.parity_page,
    "docs/images/plan.svg": docs_picture.plan_svg,
}


def pages_with_examples(root: Path) -> list[str]:
    """Hand-written pages, as paths below `root`."""
    found = ["README.md", "CONTRIBUTING.md"]
    for folder in WRITTEN_BY_HAND:
        found += [
            path.relative_to(root).as_posix() for path in sorted((root / folder).glob("*.md"))
        ]
    return found


def attempts(root: Path = ROOT) -> tuple[dict[str, str], list[str]]:
    """Every page as it should be, and what went wrong with those that are missing there."""
    made = {path: make() for path, make in _GENERATED.items()}
    made |= docs_tables.pages() | docs_accuracy.pictures()
    problems = []
    for path in pages_with_examples(root):
        if not (root / path).is_file():
            continue
        try:
            made[path] = docs_example.filled(rewritten((root / path).read_text("utf-8")))
        except ExampleError as error:
            problems.append(f"{path}: {error}")
    return made, problems


def outputs(root: Path = ROOT) -> dict[str, str]:
    """Every page that this tool writes or completes; ExampleError when one cannot be made."""
    made, problems = attempts(root)
    if problems:
        raise ExampleError("\n".join(problems))
    return made


def stale(made: Mapping[str, str], root: Path = ROOT) -> list[str]:
    """Those of `made` that differ from the files below `root`."""
    return [
        path
        for path, text in made.items()
        if not (root / path).is_file() or (root / path).read_text("utf-8") != text
    ]


def main() -> int:
    """Write what changed, whatever else fails; with --check only say so."""
    made, problems = attempts()
    old = stale(made)
    check = "--check" in sys.argv[1:]
    for path in old:
        if not check:
            (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
            (ROOT / path).write_text(made[path], "utf-8")
        print(("stale: " if check else "wrote ") + path)
    for problem in problems:
        print(f"cannot be made: {problem}", file=sys.stderr)
    return 1 if problems or (old and check) else 0


if __name__ == "__main__":
    raise SystemExit(main())
