"""Compare the extracted table of vLLM with vLLM itself, imported without a GPU.

    python -m tools.tables.vllm.parity [--sources DIR] [--python PYTHON] [--results FILE] VERSION...

The releases come from the package index, or from DIR with the unpacked ones. PYTHON has CPU torch
and the requirements of vLLM's parser; without it, one is made once in the user's cache: some two
gigabytes. Where pip finds only a CUDA build of torch, add an index with CPU builds to its settings
(PIP_EXTRA_INDEX_URL).
"""

from __future__ import annotations

import datetime
import json
import os
import subprocess
import sys
import tempfile
import venv
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tools.tables.vllm.extractor import EXTRACTOR
from tools.tables.vllm.parity_compare import compare

_GENERATOR = Path(__file__).parents[3]
_REQUIREMENTS = _GENERATOR.parent / "tests" / "live" / "setup" / "vllm-parser.txt"
_TORCH = "torch==2.13.0"


def cached_python() -> Path:
    """Return the Python with torch in the user's cache, made where it is not there yet."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "infra-gen" / "parity" / "vllm"
    python = folder / "bin" / "python"
    done = folder / "complete"
    if not done.exists():
        venv.create(folder, with_pip=True, clear=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--no-input"]
        subprocess.run([*pip, "--no-deps", "-r", str(_REQUIREMENTS)], check=True)
        subprocess.run([*pip, _TORCH], check=True)
        done.touch()
    return python


def real_vllm(python: Path, sources: Path) -> dict[str, Any]:
    """Return what the vLLM in a folder says of itself."""
    script = "tools.tables.vllm.parity_import"
    command = [str(python), "-m", script, str(sources.resolve())]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=600, check=False, cwd=_GENERATOR
    )
    if done.returncode:
        raise SystemExit(f"{sources.name}: {done.stderr[-2000:]}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def compare_release(version: str, given: Path | None, python: Path) -> dict[str, Any]:
    """Compare one release."""
    with tempfile.TemporaryDirectory(prefix="infra-gen-") as scratch:
        artefact = EXTRACTOR.fetch(version, given, Path(scratch))
        real = real_vllm(python, artefact.path)
        row = {"version": version, "torch": real["torch"], "python": real["python"]}
        found = compare(EXTRACTOR.read(artefact), real)
    return row | found


def main(argv: Sequence[str] | None = None) -> int:
    """Compare the releases asked for; 1 where a spelling differs."""
    parser = ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("versions", nargs="+", metavar="VERSION", help="or `all`")
    parser.add_argument("--sources", type=Path, help="unpacked releases instead of the index")
    parser.add_argument("--python", type=Path, help="a Python with torch and what vLLM requires")
    parser.add_argument("--results", type=Path, help="where the results go, as JSON")
    args = parser.parse_args(argv)
    versions = args.versions
    if versions == ["all"]:
        versions = EXTRACTOR.releases(args.sources)
    python = args.python or cached_python()
    rows = []
    for version in versions:
        row = compare_release(version, args.sources, python)
        rows.append(row)
        print(_summary(row), flush=True)
    if args.results:
        _write(args.results, rows)
    return 1 if any(row["spellings"] for row in rows) else 0


def _summary(row: dict[str, Any]) -> str:
    counts = {name: len(found) for name, found in row.items() if isinstance(found, list)}
    told = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    return (
        f"{row['version']}: {row['compared']['spellings']} spellings; differences: {told or 'none'}"
    )


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    held = {
        "engine": "vllm",
        "date": datetime.date.today().isoformat(),
        "compared_with": "the parser, classes and variables of each release, imported with CPU torch",
        "versions": rows,
    }
    path.write_text(json.dumps(held, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    sys.exit(main())
