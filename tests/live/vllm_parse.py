"""Parse `vllm serve` command lines with the argument parser of vLLM itself.

Reads a JSON list from standard input, each item the list of arguments after `vllm serve`, and
writes a JSON list of results in the same order: {ok, stage, error, namespace}. `stage` is where
an error arose: "parse" (unknown flag, bad value), "abbreviation" (argparse would have guessed a
flag from its beginning; generated commands must spell flags out) or "validate" (vLLM's own quick
checks of how flags go together). `namespace` holds the values that differ from the defaults.

With `--lines` each line of standard input is such a list, and is answered with one line at once.

Run by the Python that `setup/vllm-parser.sh` sets up. One process for all command lines, for the
import takes some ten seconds and a parse a millisecond.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
from argparse import Namespace
from collections.abc import Iterator
from typing import Any, NoReturn


class Rejected(Exception):  # noqa: N818 - what happened, as argparse sees it, is no failure here
    """The parser's error message, in place of the exit that argparse would make."""


def isolate(scratch: str) -> None:
    """Keep the import from looking for a GPU, phoning home or writing to the home folder."""
    os.environ |= {
        "VLLM_TARGET_DEVICE": "cpu",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_LOGGING_LEVEL": "ERROR",
        "VLLM_CACHE_ROOT": scratch,
        "VLLM_CONFIG_ROOT": scratch,
        "HF_HOME": scratch,
        "HF_HUB_OFFLINE": "1",
    }


def make_parser() -> tuple[Any, Any, Any]:
    """The `vllm` parser with its `serve` subcommand, as vLLM's main() puts them together.

    Returns the parser, the subcommand's parser and the subcommand.
    """
    # Here, for the import already acts on the variables that isolate() sets.
    from vllm.entrypoints.cli.serve import (  # type: ignore[import-not-found]  # noqa: PLC0415
        ServeSubcommand,
    )
    from vllm.utils.argparse_utils import (  # type: ignore[import-not-found]  # noqa: PLC0415
        FlexibleArgumentParser,
    )

    class StrictParser(FlexibleArgumentParser):  # type: ignore[misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **{**kwargs, "allow_abbrev": False})

        def error(self, message: str) -> NoReturn:
            raise Rejected(message)

    parser = StrictParser(prog="vllm")
    serve = ServeSubcommand()
    return parser, serve.subparser_init(parser.add_subparsers(dest="subparser")), serve


def abbreviated(argv: list[str], names: set[str]) -> list[str]:
    """Which arguments are no flag but the beginning of one, with what they would be taken for."""
    found = []
    for argument in argv:
        name = argument.split("=", 1)[0].split(".", 1)[0].replace("_", "-")
        if not name.startswith("--") or name in names or name == "--":
            continue
        if longer := sorted(full for full in names if full.startswith(name)):
            found.append(f"{name} begins {', '.join(longer)}")
    return found


def changed_values(namespace: Namespace, defaults: Namespace) -> dict[str, Any]:
    """What the command line set, in a form that JSON can carry."""
    before = vars(defaults)
    changed = {n: v for n, v in vars(namespace).items() if repr(v) != repr(before.get(n))}
    plain: dict[str, Any] = json.loads(json.dumps(changed, default=repr))
    return plain


def failure(stage: str, error: object) -> dict[str, Any]:
    """The result of a command line that vLLM would not start with."""
    return {"ok": False, "stage": stage, "error": str(error), "namespace": {}}


class Checker:
    """Holds the one parser that judges all command lines."""

    def __init__(self) -> None:
        self.parser, serve_parser, self.serve = make_parser()
        self.names = {n for action in serve_parser._actions for n in action.option_strings}
        self.defaults = self.parser.parse_args(["serve"])

    def check(self, argv: list[str]) -> dict[str, Any]:
        """Parse one command line and put it through vLLM's own checks."""
        try:
            namespace = self.parser.parse_args(["serve", *argv])
        except (Exception, SystemExit) as error:
            guesses = abbreviated(argv, self.names)
            if "unrecognized arguments" in str(error) and guesses:
                return failure("abbreviation", f"{error} ({'; '.join(guesses)})")
            return failure("parse", error)
        try:
            self.serve.validate(namespace)
        except Exception as error:
            return failure("validate", error)
        values = changed_values(namespace, self.defaults)
        return {"ok": True, "stage": "", "error": "", "namespace": values}


def batches(lines: bool) -> Iterator[list[list[str]]]:
    """The lists of command lines that standard input holds."""
    if not lines:
        yield json.load(sys.stdin)
        return
    for line in sys.stdin:
        yield json.loads(line)


def main() -> None:
    """Read the command lines, write the results; standard output carries nothing else."""
    answers = sys.stdout
    with (
        tempfile.TemporaryDirectory() as scratch,
        contextlib.redirect_stdout(sys.stderr),
    ):
        isolate(scratch)
        checker = Checker()
        for batch in batches("--lines" in sys.argv):
            results = [checker.check(argv) for argv in batch]
            print(json.dumps(results), file=answers, flush=True)


if __name__ == "__main__":
    main()
