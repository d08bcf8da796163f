"""Five hundred random launches: the table and vLLM's own parser agree, or it is explained why not."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.live.conftest import require
from tests.live.vllm_launches import EXPLAINED, Launch, illegal, legal, usable

from infra_gen.knowledge.engines import engine_info
from infra_gen.rules.checks.flag_value_wrong import value_problem
from infra_gen.rules.command_line import command_line
from infra_gen.rules.service import Service

pytestmark = pytest.mark.vllm_parser

INFO = engine_info("vllm")
BATCH, BATCHES = 50, 10


class Parser:
    """vLLM's parser in a process of its own, asked a batch at a time."""

    def __init__(self) -> None:
        python = require("vllm-parser").path("python")
        script = Path(__file__).with_name("vllm_parse.py")
        self.process = subprocess.Popen(
            [python, script, "--lines"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def refusals(self, launches: list[Launch]) -> list[str]:
        """Why each is refused by the parser itself, "" where it is taken."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps([launch.words for launch in launches]) + "\n")
        self.process.stdin.flush()
        results = json.loads(self.process.stdout.readline())
        return ["" if one["ok"] or one["stage"] == "validate" else one["error"] for one in results]

    def close(self) -> None:
        self.process.__exit__(None, None, None)  # closes both pipes and waits


@pytest.fixture(scope="module")
def parser() -> Iterator[Parser]:
    found = Parser()
    yield found
    found.close()


def ours(launch: Launch) -> str:
    """What the table says against the launch, "" when it takes it."""
    service = Service("engine", "compose.yaml", "", launch.words, {}, native=False)
    command = command_line(service, INFO.table, {})
    for used in command.used:
        if used.spec is None:
            return f"no flag {used.spelling}"
        problem = value_problem(used, INFO.table)
        if problem:
            return problem
    return "" if len(command.positionals) <= INFO.table.positionals else "words left over"


def test_only_what_is_explained_is_left_out() -> None:
    named = {spec.name for spec in INFO.table.flags.values() if spec.name.startswith("-")}
    assert named - {spec.name for spec in usable(INFO.table)} == set(EXPLAINED)


SEEN: Counter[str] = Counter()
SAME = settings(
    max_examples=BATCHES,
    deadline=None,
    derandomize=True,
    database=None,
    phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
)


@SAME
@given(data=st.data())
def test_what_the_table_takes_the_parser_takes(parser: Parser, data: st.DataObject) -> None:
    launches = data.draw(st.lists(legal(INFO.table), min_size=BATCH, max_size=BATCH))
    for launch, refusal in zip(launches, parser.refusals(launches), strict=True):
        SEEN["legal"] += 1
        assert ours(launch) == "", launch
        assert refusal == "", (refusal, launch)


@SAME
@given(data=st.data())
def test_what_the_table_refuses_the_parser_refuses(parser: Parser, data: st.DataObject) -> None:
    launches = data.draw(st.lists(illegal(INFO.table), min_size=BATCH, max_size=BATCH))
    for launch, refusal in zip(launches, parser.refusals(launches), strict=True):
        SEEN[launch.spoilt] += 1
        assert ours(launch) != "", launch
        assert refusal != "", launch


def test_there_were_five_hundred_of_each() -> None:
    print(dict(SEEN), file=sys.stderr)
    assert SEEN["legal"] >= BATCH * BATCHES
    assert sum(SEEN.values()) - SEEN["legal"] >= BATCH * BATCHES
    assert set(SEEN) == {"legal", "removed", "unknown", "switch", "choice", "number"}


# Where the table is stricter than the parser, on purpose: each of these is parsed, and fails, or does
# nothing, when the engine starts (docs/explanation/engine-tables.md).
STRICTER = {
    "a quantization method that nobody knows": ("--quantization", "nonsense"),
    "a type of the KV cache that nobody knows": ("--kv-cache-dtype", "nonsense"),
    "a loader that nobody knows": ("--load-format", "nonsense"),
    "an executor that nobody knows": ("--distributed-executor-backend", "nope"),
    "a share of memory above the whole": ("--gpu-memory-utilization", "1.5"),
    "no device at all": ("--tensor-parallel-size", "0"),
    "a negative number of sequences": ("--max-num-seqs", "-1"),
}


@pytest.mark.parametrize("why", STRICTER)
def test_stricter_than_the_parser(parser: Parser, why: str) -> None:
    launch = Launch(("org/model", *STRICTER[why]))
    assert parser.refusals([launch]) == [""]
    assert ours(launch) != ""
