"""Answers of `infra-gen plan`: in this process through its own entry point, or through a real one."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.benchmarks.accuracy.question import Load, Measured, Question

from infra_gen.cli.main import run
from infra_gen.errors import ExitCode
from infra_gen.knowledge import store
from infra_gen.model.calibration_speed import EngineSpeed

Document = Mapping[str, Any]
Answer = Document | str
"""The JSON document, or the first line of why there is none."""

ROOT = Path(__file__).parents[3]
# What a plan says may not hang on whether a model's page can be reached today.
os.environ["HF_HUB_OFFLINE"] = "1"
_ANSWERED = (ExitCode.CLEAN, ExitCode.DOES_NOT_FIT)


def answer(question: Question, loads: tuple[Load, ...] = ()) -> Answer:
    """What the command line prints, without starting a process for it."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run(question.words(loads))
    return _read(code, out.getvalue(), err.getvalue())


def process_answer(question: Question, loads: tuple[Load, ...] = ()) -> Answer:
    """The same through a process of its own, as a script from outside would."""
    command = [sys.executable, "-m", "infra_gen", *question.words(loads)]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "generator")}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment, timeout=60
    )
    return _read(done.returncode, done.stdout, done.stderr)


def _read(code: int, out: str, err: str) -> Answer:
    if code in _ANSWERED and out.strip():
        document: Document = json.loads(out)
        return document
    return (err.strip().splitlines() or [f"exit code {code}"])[0]


def answers(rows: Iterable[Measured]) -> Iterator[tuple[Measured, Answer]]:
    """Every row with its answer; rows that ask the same are asked in one command."""
    together: dict[Question, list[Measured]] = defaultdict(list)
    for row in rows:
        together[row.question].append(row)
    for question, mine in together.items():
        loads = tuple(dict.fromkeys(load for row in mine for load in row.loads))
        found = answer(question, loads)
        for row in mine:
            yield row, found


@contextlib.contextmanager
def constants(table: EngineSpeed | None) -> Iterator[None]:
    """Answer with other constants of one engine's speed; None changes nothing."""
    if table is None:
        yield
        return
    usual = store.calibration
    mine = tuple(table if held.id == table.id else held for held in usual().speed)
    replaced = usual().model_copy(update={"speed": mine})
    store.calibration = lambda: replaced  # type: ignore[assignment]
    try:
        yield
    finally:
        store.calibration = usual
