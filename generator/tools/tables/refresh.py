"""Look for new releases of every engine that a package index has, and write what they changed.

What the scheduled workflow runs. One engine's trouble does not keep the others back: its table stays
as it was, the report says why, and the exit code is 1 so that somebody looks.

usage: python -m tools.tables.refresh --report FILE [--from ENGINE=PATH ...]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from infra_gen.errors import UsageError
from tools.tables.command import INDEXED, run

_ROOT = Path(__file__).parents[3]
# What is generated from the tables; the tests compare it with what is committed.
_FOLLOW = ("generator/tools/build_index.py", "generator/tools/docs.py")


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What came of it: Markdown for a pull request, the engines that moved, and those in trouble."""

    report: str
    changed: tuple[str, ...]
    failed: tuple[str, ...]


def refresh(given: Mapping[str, Path]) -> Refreshed:
    """Update every engine of the index; with `given` only those, from these paths."""
    parts: list[str] = []
    changed: list[str] = []
    failed: list[str] = []
    for engine in sorted(given) or INDEXED:
        try:
            if run(engine, None, given.get(engine), parts.append, write=True):
                changed.append(engine)
        except UsageError as error:
            failed.append(engine)
            parts.append(
                f"# {engine}: not understood\n\n{error.message}\n\nIts table is as it was.\n"
            )
    return Refreshed("\n".join(parts), tuple(changed), tuple(failed))


def follow_up() -> None:
    """Bring the index and the pages up to date. Raises CalledProcessError when one cannot be."""
    for script in _FOLLOW:
        subprocess.run([sys.executable, str(_ROOT / script)], check=True, cwd=_ROOT)


def _pair(text: str) -> tuple[str, Path]:
    engine, equals, path = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is no ENGINE=PATH")
    return engine, Path(path)


def main(argv: Sequence[str] | None = None) -> int:
    """Refresh, write the report, say in one line what happened."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--report", type=Path, required=True, help="Markdown goes here")
    parser.add_argument("--from", dest="given", type=_pair, action="append", default=[])
    args = parser.parse_args(argv)
    done = refresh(dict(args.given))
    if done.changed:
        follow_up()
    args.report.write_text(done.report, "utf-8")
    print(
        f"changed: {', '.join(done.changed) or 'none'}; failed: {', '.join(done.failed) or 'none'}"
    )
    return 1 if done.failed else 0


if __name__ == "__main__":
    sys.exit(main())
