"""Generated vLLM command lines through the argument parser of the pinned release itself."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from tests.live.conftest import require
from tests.live.deployments import golden_words

from infra_gen import api
from infra_gen.cli.options import Asked, spec_from
from infra_gen.errors import DoesNotFitError
from infra_gen.model.spec import Spec
from infra_gen.targets.command import command_of

pytestmark = pytest.mark.vllm_parser

MACHINES = ("rtx-3060-12gb", "rtx-3090", "2x4090", "4x3090", "l4", "l40s", "a100", "h100",
            "h100:8", "h200", "mi300x", "rtx-5090")  # fmt: skip
MODELS = ("qwen3-8b", "qwen3-32b", "qwen3-30b-a3b", "qwen3-235b-a22b", "llama-3.1-8b-instruct",
          "llama-3.3-70b-instruct", "gemma-3-12b-it", "gpt-oss-20b", "gpt-oss-120b",
          "deepseek-v3", "mistral-small-3.2-24b", "phi-4")  # fmt: skip


def specs() -> list[Spec]:
    return [
        spec_from(Asked(hardware=machine, users=users, model=model, engine="vllm"))
        for machine in MACHINES
        for model in MODELS
        for users in (3, 60)
    ]


def command_lines() -> list[list[str]]:
    found = []
    for spec in specs():
        try:
            built = api.build(spec, Path())
        except DoesNotFitError:
            continue
        argv, _ = command_of(built.stack.service("engine"), built.stack)
        found.append(list(argv))
    return found


def parse(command_lines: list[list[str]]) -> list[dict[str, object]]:
    python = require("vllm-parser").path("python")
    done = subprocess.run(
        [python, Path(__file__).with_name("vllm_parse.py")],
        input=json.dumps(command_lines), text=True, capture_output=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    results: list[dict[str, object]] = json.loads(done.stdout)
    assert len(results) == len(command_lines)
    return results


def test_every_generated_command_line_is_accepted() -> None:
    lines = command_lines()
    assert len(lines) > 60
    refused = [(line, r) for line, r in zip(lines, parse(lines), strict=True) if not r["ok"]]
    assert not refused, refused[:3]


def test_every_golden_command_line_is_accepted() -> None:
    lines = list(golden_words("vllm"))
    assert len(lines) >= 4
    refused = [(line, r) for line, r in zip(lines, parse(lines), strict=True) if not r["ok"]]
    assert not refused, refused[:3]


def test_the_values_arrive_as_planned() -> None:
    spec = spec_from(Asked(hardware="2x4090", users=40, model="qwen3-32b"))
    built = api.build(spec, Path())
    argv, _ = command_of(built.stack.service("engine"), built.stack)
    namespace = parse([list(argv)])[0]["namespace"]
    assert isinstance(namespace, dict)
    assert namespace["max_model_len"] == built.plan.limits.context
    assert namespace["max_num_seqs"] == built.plan.limits.max_num_seqs
    assert namespace["tensor_parallel_size"] == 2
    assert namespace["shutdown_timeout"] == built.plan.startup.drain_s


def test_a_spoiled_flag_is_refused() -> None:
    spec = spec_from(Asked(hardware="2x4090", users=40, model="qwen3-32b"))
    built = api.build(spec, Path())
    argv, _ = command_of(built.stack.service("engine"), built.stack)
    spoiled = [word.replace("--max-num-seqs", "--max-num-seq") for word in argv]
    removed = [*argv, "--swap-space=4"]
    assert [r["ok"] for r in parse([spoiled, removed])] == [False, False]
