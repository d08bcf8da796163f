"""How long infra-gen takes, as ratios against peers in the same run. usage: startup.py [RUNS]

Whole processes, in turn, medians of RUNS (9) after one warm-up. A ratio holds on a busy machine
where a time does not. See README.md beside this file for the targets.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from infra_gen.building import gather
from infra_gen.cli.options import Asked, spec_from
from infra_gen.plan.planner import make_plan

BIN = Path(sys.executable).parent
NEW = ["new", "out", "--hardware", "2x4090", "--users", "40", "--model", "qwen3-32b"]


def seconds(command: list[str], folder: Path, prepare: Callable[[], None]) -> float:
    """Wall time of one process."""
    prepare()
    started = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return time.perf_counter() - started


def paired(
    ours: list[str], theirs: list[str], folder: Path, runs: int
) -> tuple[float, float, float]:
    """Medians of both, and of the ratio pair by pair."""

    def clear() -> None:
        for name in ("out", "peer"):
            shutil.rmtree(folder / name, ignore_errors=True)

    pairs = [
        (seconds(ours, folder, clear), seconds(theirs, folder, clear)) for _ in range(runs + 1)
    ][1:]
    return (
        statistics.median(a for a, _ in pairs),
        statistics.median(b for _, b in pairs),
        statistics.median(a / b for a, b in pairs),
    )


def peer_templates(folder: Path) -> int:
    """A cookiecutter and a copier template of as many files, of the same size, as `new` writes."""
    subprocess.run([str(BIN / "infra-gen"), *NEW], cwd=folder, check=True, capture_output=True)
    cookie, copier = folder / "cookie", folder / "copier"
    (cookie / "{{ cookiecutter.slug }}").mkdir(parents=True)
    copier.mkdir()
    (cookie / "cookiecutter.json").write_text(json.dumps({"slug": "peer", "name": "chat"}))
    (copier / "copier.yml").write_text("name: {type: str, default: chat}\n")
    files = [path for path in sorted((folder / "out").rglob("*")) if path.is_file()]
    for number, path in enumerate(files):
        filler = "x" * max(0, path.stat().st_size - 40) + "\n"
        text = "{{ cookiecutter.name }} " + filler
        (cookie / "{{ cookiecutter.slug }}" / f"file{number}.txt").write_text(text)
        (copier / f"file{number}.txt.jinja").write_text("{{ name }} " + filler)
    return len(files)


def planning_ms(runs: int) -> tuple[float, float]:
    """Planning in a started process: a named model, and `auto`."""
    medians = []
    for model in ("qwen3-32b", "auto"):
        spec = spec_from(Asked(hardware="2x4090", users=40, model=model))
        facts, everything = gather(spec, Path(), None)
        times = []
        for _ in range(runs * 3):
            started = time.perf_counter()
            make_plan(facts, spec, None, everything)
            times.append((time.perf_counter() - started) * 1e3)
        medians.append(statistics.median(times))
    return medians[0], medians[1]


def main() -> None:
    """Print one table."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        count = peer_templates(folder)
        tool = str(BIN / "infra-gen")
        comparisons = [
            ("--help / python -c 'import typer'", [tool, "--help"],
             [sys.executable, "-c", "import typer"], "<= 1.5"),
            (f"new / cookiecutter, {count} files each", [tool, *NEW],
             [str(BIN / "cookiecutter"), "--no-input", "cookie"], "< 1"),
            (f"new / copier copy, {count} files each", [tool, *NEW],
             [str(BIN / "copier"), "copy", "--defaults", "--quiet", "copier", "peer"], "< 1"),
        ]  # fmt: skip
        print("| what | infra-gen s | peer s | ratio | target |")
        print("|---|---:|---:|---:|---|")
        for what, ours, theirs, target in comparisons:
            mine, other, ratio = paired(ours, theirs, folder, runs)
            print(f"| {what} | {mine:.3f} | {other:.3f} | {ratio:.2f} | {target} |")
    named, auto = planning_ms(runs)
    print(f"| planning after start, named model, ms | {named:.1f} | | | <= 10 |")
    print(f"| planning after start, auto, ms | {auto:.1f} | | | <= 10 |")


if __name__ == "__main__":
    main()
