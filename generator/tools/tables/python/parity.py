"""Compare the tables of SGLang and mlx-lm with the parsers that their releases really make.

Each release's own code runs in another Python (with torch for SGLang), in a process without
network; what that Python lacks is replaced by stand-ins. Run by a maintainer:

    python -m tools.tables.python.parity sglang --python VENV/bin/python --sources FOLDER \
        --out FILE --date DATE [--only VERSION...]

FOLDER has the unpacked sources of each release below its version.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from packaging.version import Version

from tools.tables.python.modules import Package
from tools.tables.records import Record, TableError, spellings
from tools.tables.registry import extractor
from tools.tables.sglang.parser import command_line

_PROBE = Path(__file__).with_name("parity_probe.py")
# What is replaced when the installed version does not fit a release: one step more each time.
_STEPS = ((), ("transformers",), ("transformers", "huggingface_hub"))
_KINDS = {None: "value", "?": "optional_value", "+": "list", "*": "list", 0: "switch"}
_TYPES = {
    "<lambda>": "str",
    "_parse_size": "size",
    "human_readable_int": "size",
    "json_list_type": "json",
    "loads": "json",
    "nullable_str": "str",
    "parse_cuda_graph_backend_arg": "str",
    "parse_cuda_graph_config_arg": "json",
    "parse_size": "size",
    None: "str",
}


def real_parser(python: Path, engine: str, root: Path) -> Record:
    """Return what the release's own parser holds; TableError where its code does not run."""
    offline = ["unshare", "--net"] if shutil.which("unshare") else []
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "parser.json"
        for replaced in _STEPS:
            command = [*offline, str(python), "-B", str(_PROBE), engine, str(root), str(out)]
            done = subprocess.run(
                [*command, *replaced], capture_output=True, text=True, check=False, cwd=folder
            )
            if done.returncode == 0:
                found: Record = json.loads(out.read_text(encoding="utf-8"))
                return found
    raise TableError(done.stderr.strip().splitlines()[-1][:200])


def compare(flags: list[Record], refused: Sequence[str], actions: list[Record]) -> Record:
    """Count what is the same in a table and a parser, and list what is not."""
    ours = {word for flag in flags for word in spellings(flag)} | set(refused)
    theirs = {word for action in actions for word in action["names"]}
    by_word = {word: flag for flag in flags for word in spellings(flag)}
    differing: list[Any] = []
    unknown: list[str] = []
    compared = 0
    for action in actions:
        flag = by_word.get(action["names"][0])
        if flag is None:
            continue
        for key, told in _facts(action, flag).items():
            if key == "default" and flag.get("default_known") is False:
                unknown.append(flag["name"])
                continue
            compared += 1
            mine = flag.get(key, [] if key == "choices" else None)
            if mine != told:
                differing.append([flag["name"], key, told, mine])
    return {
        "spellings": len(theirs),
        "only_in_parser": sorted(theirs - ours),
        "only_in_table": sorted(ours - theirs),
        "refused_by_the_parser": sorted(refused),
        "facts_compared": compared,
        "facts_differing": differing,
        "defaults_not_known": unknown,
    }


def _facts(action: Record, flag: Record) -> Record:
    """Return what a record would say of an action."""
    kind = "bool_pair" if action["action"] == "BooleanOptionalAction" else _KINDS[action["nargs"]]
    is_switch = kind in ("switch", "bool_pair")
    choices = [item for item in action["choices"] or [] if item is not None]
    default = action["default"]
    if flag["type"] == "json" and isinstance(default, str):
        default = json.loads(default)
    mine = flag.get("choices", [])
    return {
        "kind": kind,
        "type": "bool" if is_switch else _TYPES.get(action["type"], action["type"]),
        # A set of choices has no order.
        "choices": mine if sorted(map(str, mine)) == sorted(map(str, choices)) else choices,
        "default": default,
    }


def _row(engine: str, version: str, args: argparse.Namespace) -> Record:
    reader = extractor(engine)
    artefact = reader.fetch(version, args.sources / version, args.sources)
    flags = reader.read(artefact)["flags"]
    refused = command_line(Package(artefact.path)).refused if engine == "sglang" else []
    try:
        real = real_parser(args.python, engine, artefact.path)
    except TableError as error:
        return {"version": version, "not_run": str(error)}
    found = compare(flags, refused, real["actions"])
    return {"version": version, **found, "stand_ins": real["stood_in"], "python": real["python"]}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the comparison; 1 where a spelling differs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("engine", choices=("sglang", "mlx-lm"))
    parser.add_argument("--only", nargs="+", metavar="VERSION", help="not every one that is there")
    for name in ("python", "sources", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--date", required=True)
    args = parser.parse_args(argv)
    there = [path.name for path in args.sources.iterdir() if path.name[0].isdigit()]
    rows: list[Record] = []
    for version in args.only or sorted(there, key=Version):
        rows.append(_row(args.engine, version, args))
        print(version, "not run" if "not_run" in rows[-1] else rows[-1]["spellings"], flush=True)
    told = "the parser that the release's own code makes"
    report = {"engine": args.engine, "date": args.date, "compared_with": told, "versions": rows}
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    wrong = [
        row["version"] for row in rows if row.get("only_in_parser") or row.get("only_in_table")
    ]
    print(f"{len(rows)} versions, spellings differ in: {', '.join(wrong) or 'none'}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
