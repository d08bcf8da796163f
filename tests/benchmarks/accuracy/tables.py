"""Reading the measurement tables, and what several kinds of rows share."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from infra_gen.errors import InfraGenError
from infra_gen.knowledge import store
from infra_gen.knowledge.machines import resolve_machine
from infra_gen.plan.sizing import vllm_memory
from infra_gen.plan.sizing.vllm_memory_release import batch_default

ROOT = Path(__file__).parents[3]
MEASURED = ROOT / "tests/measurements"


def lines_of(path: str) -> Iterator[dict[str, str]]:
    """The rows of a CSV table below tests/measurements; none where there is no such table."""
    place = MEASURED / path
    if place.is_file():
        with place.open(encoding="utf-8") as lines:
            yield from csv.DictReader(lines)


def documents(folder: str) -> Iterator[dict[str, Any]]:
    """Every JSON document of a folder, in the order of their names."""
    for path in sorted((MEASURED / folder).glob("*.json")):
        yield json.loads(path.read_text("utf-8"))


@cache
def requests_default(hardware: str, version: str | None) -> int | None:
    """`--max-num-seqs` of a vLLM that was not told any; None for hardware that no preset names."""
    try:
        machine = resolve_machine(hardware)
    except InfraGenError:
        return None
    constants = vllm_memory.constants_of(store.calibration())
    return batch_default(constants, version, machine).max_num_seqs


def kind_of(hardware: str) -> str:
    """The kind of device without the number of them: h200 of h200:4."""
    return hardware.split(":", maxsplit=1)[0]


def version_of(text: str) -> str | None:
    """A version that `--engine-version` can be; None where a run says none, or a nightly build."""
    return text if text[:1].isdigit() else None
