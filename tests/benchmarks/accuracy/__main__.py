"""How far plans are from what real engines reported, asked as a script from outside would.

    python tests/benchmarks/accuracy [--json] [--rows [N]] [--write] [--quick]

Errors in percent. `cover`: share of the rows that got an answer; `over`: the largest prediction
above what was measured; `in band`: share of the answered rows within the error that the plan states.
Parts: `fitted` (constants were fitted to these rows), `not fitted`, and `held out by model` or `by
GPU`: the same fit made again without those models or that kind of GPU. A changed table or constant
makes those fits anew, which takes minutes.
"""

from __future__ import annotations

import argparse
import datetime
import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
sys.path[:0] = [str(ROOT), str(ROOT / "generator")]

from tests.benchmarks.accuracy import (  # noqa: E402
    collect,
    folds,
    peer_table,
    report,
    stored,
    vllm_rows,
)
from tests.benchmarks.accuracy.question import Measured  # noqa: E402
from tests.benchmarks.accuracy.score import Scored  # noqa: E402


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--json", action="store_true", help="the table as JSON")
    parser.add_argument("--rows", nargs="?", type=int, const=5, help="the worst N rows of a group")
    parser.add_argument("--write", action="store_true", help="store the result for the docs")
    parser.add_argument("--quick", action="store_true", help="no held-out fits, no process")
    return parser.parse_args()


def _points(rows: list[Scored]) -> dict[str, list[list[float]]]:
    """Measured and planned, for the pictures: three digits tell a dot's place."""
    found: dict[str, list[list[float]]] = {}
    for row in rows:
        if row.predicted is not None:
            pair = [float(f"{row.measured:.3g}"), float(f"{row.predicted:.3g}")]
            found.setdefault("/".join(row.group), []).append(pair)
    return found


def _document(
    everything: list[Measured], rows: list[Scored], made: list[folds.Fold], differing: list[str]
) -> dict[str, Any]:
    failed = collect.out_of_memory()
    return {
        "what": "written by tests/benchmarks/accuracy --write; errors are shares of one",
        "date": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
        "sha256": stored.sha256_of(),
        "seed": folds.SEED,
        "table": report.records(report.table(rows)),
        "peers": peer_table.records(everything),
        "out_of_memory": {"starts": len(failed), "said_fits": [r for r, fits in failed if fits is True],
                          "refused": [r for r, fits in failed if isinstance(fits, str)]},
        "refused": report.refusals(rows),
        "not_fitted": collect.reasons(everything),
        "folds": [[fold.engine, fold.split, list(fold.left_out)] for fold in made],
        "fitted_starts": sorted(vllm_rows.FITTED_STARTS),
        "process_differs": differing,
        "points": _points(rows),
    }  # fmt: skip


def _print(document: dict[str, Any], rows: list[Scored], worst: int | None) -> None:
    print("\n".join(report.text(report.table(rows))))
    print("\npeers, on rows that they answer; infra-gen on the same rows\n")
    print("\n".join(peer_table.text(document["peers"])))
    failed = document["out_of_memory"]
    print(
        f"\nran out of memory: {failed['starts']} starts, planned as fitting: "
        f"{len(failed['said_fits'])} {failed['said_fits'] or ''}"
    )
    print(
        f"one row of each group through a process: differs in {document['process_differs'] or 'none'}"
    )
    print("\nnot fitted:")
    for why, count in document["not_fitted"].items():
        print(f"  {count:5} {why}")
    print(f"\nleft out of fits (seed {document['seed']}):")
    for engine, split, names in document["folds"]:
        print(f"  {engine}, a fold by {split}: {', '.join(names)}")
    print("refused:")
    for why, count in document["refused"].items():
        print(f"  {count:5} {why}")
    if worst:
        print("\n".join(report.worst(rows, worst)))


def main() -> int:
    """Ask, compare, print."""
    asked = _arguments()
    everything = collect.measured()
    rows = collect.shipped(everything)
    made: list[folds.Fold] = []
    differing: list[str] = []
    if not asked.quick:
        made, anew = folds.current()
        for engine in anew:
            print(f"held-out fits of {engine} were made anew", file=sys.stderr)
        rows += collect.held_out(everything, made)
        differing = collect.process_differences(everything)
    document = _document(everything, rows, made, differing)
    if asked.write:
        if asked.quick:
            print("--write needs the held-out fits: leave --quick out", file=sys.stderr)
            return 1
        stored.RESULT_FILE.write_text(json.dumps(document, indent=1) + "\n", "utf-8")
    if asked.json:
        del document["points"]
        print(json.dumps(document, indent=1))
    else:
        _print(document, rows, asked.rows)
    return 1 if differing else 0


if __name__ == "__main__":
    raise SystemExit(main())
