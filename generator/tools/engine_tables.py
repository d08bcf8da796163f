"""Build presets/engines/<engine>/table.json: the flags, variables and metrics of an engine.

A maintainer runs this when an engine version is added; infra-gen itself only reads the result.
All inputs are paths on the command line, the output is deterministic (sorted, one record a line).

    python -m tools.engine_tables vllm --parser P.json --history H.json --registries R.json \
        --wheel W.whl --out O
    python -m tools.engine_tables llama.cpp --help-text H --version-text V --metrics-page M \
        --library L.so --older-source BUILD=arg.cpp --older-table T.json --out O
    python -m tools.engine_tables tgi --checkout DIR --version 3.3.7 --commit SHA --out O
    python -m tools.engine_tables ollama --checkout DIR --version 0.32.15 --commit SHA --out O

Only facts are kept (names, types, defaults, limits); no help text of an engine is copied.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tools.engine_llama import build_llama
from tools.engine_ollama import build_ollama
from tools.engine_records import dump
from tools.engine_tgi import build_tgi
from tools.engine_vllm import build_vllm


def command_line() -> argparse.ArgumentParser:
    """Describe the commands, one for each engine."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(required=True)
    vllm = commands.add_parser("vllm")
    for name in ("parser", "history", "registries", "wheel", "out"):
        vllm.add_argument(f"--{name}", type=Path, required=True)
    vllm.set_defaults(build=build_vllm)
    llama = commands.add_parser("llama.cpp")
    for name in ("help-text", "version-text", "metrics-page", "library", "older-table", "out"):
        llama.add_argument(f"--{name}", type=Path, required=True)
    llama.add_argument("--older-source", action="append", default=[], metavar="BUILD=ARG_CPP")
    llama.add_argument("--artifact", required=True)
    llama.add_argument("--artifact-sha256")
    llama.set_defaults(build=build_llama)
    for engine, build in (("tgi", build_tgi), ("ollama", build_ollama)):
        command = commands.add_parser(engine)
        command.add_argument("--checkout", type=Path, required=True, help="sources of that tag")
        command.add_argument("--version", required=True)
        command.add_argument("--commit", required=True)
        command.add_argument("--out", type=Path, required=True)
        command.set_defaults(build=build)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tool."""
    args = command_line().parse_args(argv)
    table = args.build(args)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(dump(table), encoding="utf-8")
    print(f"{args.out}: {len(table['flags'])} flags, {len(table['metrics'])} metrics")
    return 0


if __name__ == "__main__":
    sys.exit(main())
