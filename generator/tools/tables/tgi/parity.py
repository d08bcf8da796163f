"""Compare the tables of Text Generation Inference with the pages its own programs wrote.

A checkout holds the launcher's help page (docs/source/reference/launcher.md, written by the built
launcher) and a list of metrics (metrics.md, written by hand). Run by a maintainer:

    python -m tools.tables.tgi.parity --from CHECKOUT --scratch FOLDER --out FILE --date DATE
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tools.tables.checkouts import text
from tools.tables.records import Record, Snapshot, TableError, spellings
from tools.tables.tgi.extractor import EXTRACTOR

_LAUNCHER = "docs/source/reference/launcher.md"
_METRICS = "docs/source/reference/metrics.md"
_ENTRY = re.compile(r"```shell\n {2,6}(?:(-\w), )?(--[\w-]+)(?: <\w+>)?\n(.*?)\n```", re.DOTALL)
_METRIC = re.compile(r"^\| `(\w+)` .*\| (Counter|Gauge|Histogram) +\|", re.MULTILINE)
_OF_CLAP = {"--help", "--version"}  # every program has them; a deployment has no use for them


def documented_flags(page: str) -> dict[str, Record]:
    """Return what the help page says of each argument."""
    found: dict[str, Record] = {}
    for short, name, body in _ENTRY.findall(page):
        values = re.search(r"\[possible values: ([^\]]*)\]", body)
        listed = re.findall(r"^ {10}- ([\w-]+):", body, re.MULTILINE)
        env, default = re.search(r"\[env: (\w+)=", body), re.search(r"\[default: ([^\]]*)\]", body)
        found[name] = {
            "short": short or None,
            "env": env[1] if env else None,
            "default": default[1] if default else None,
            "choices": values[1].split(", ") if values else listed,
        }
    if page.count("\n## ") != len(found):
        raise TableError(f"{page.count(chr(10) + '## ')} arguments in the page, {len(found)} read")
    return {name: row for name, row in found.items() if name not in _OF_CLAP}


def _shown(flag: Record) -> Record:
    default = flag["default"]
    if isinstance(default, float):
        default = f"{default:g}" if default % 1 else f"{default:.1f}"
    switch = flag["kind"] == "switch"
    return {
        "env": flag.get("env"),
        "default": None if switch or default is None else str(default),
        "choices": flag.get("choices", []),
    }


def compare(snapshot: Snapshot, launcher: str, metrics: str) -> Record:
    """Count what is the same in a table and the two pages, and list what is not."""
    told, flags = documented_flags(launcher), {flag["name"]: flag for flag in snapshot["flags"]}
    words = set(told) | {row["short"] for row in told.values() if row["short"]}
    ours = {word for flag in flags.values() for word in spellings(flag)}
    differing: list[Any] = []
    for name in sorted(set(told) & set(flags)):
        page, table = told[name], _shown(flags[name])
        differing += [
            [name, key, page[key], table[key]] for key in table if page[key] != table[key]
        ]
    page_metrics = {name: kind.lower() for name, kind in _METRIC.findall(metrics)}
    kinds = {row["name"]: row["type"] for row in snapshot["metrics"]}
    return {
        "spellings": len(ours),
        "only_in_page": sorted(words - ours),
        "only_in_table": sorted(ours - words),
        "facts_compared": 3 * len(set(told) & set(flags)),
        "facts_differing": differing,
        "metrics_in_page": len(page_metrics),
        "metrics_in_table": len(kinds),
        "metrics_only_in_page": sorted(set(page_metrics) - set(kinds)),
        "metric_types_differing": [
            [name, kind, kinds[name]]
            for name, kind in sorted(page_metrics.items())
            if name in kinds and kinds[name] != kind
        ],
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Run the comparison for every version; 1 where a spelling differs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--from", dest="given", type=Path, required=True)
    for name in ("scratch", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--date", required=True)
    args = parser.parse_args(argv)
    rows: list[Record] = []
    for version in EXTRACTOR.releases(args.given):
        artefact = EXTRACTOR.fetch(version, args.given, args.scratch)
        pages = (text(artefact.path, name) for name in (_LAUNCHER, _METRICS))
        rows.append({"version": version, **compare(EXTRACTOR.read(artefact), *pages)})
    report = {
        "engine": "tgi",
        "date": args.date,
        "compared_with": "the launcher's help page and the list of metrics of each tag",
        "versions": rows,
    }
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    wrong = [row["version"] for row in rows if row["only_in_page"] or row["only_in_table"]]
    print(f"{len(rows)} versions, spellings differ in: {', '.join(wrong) or 'none'}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
