"""`plan` without a number of users: the engine's own limits, and how many people they carry."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from infra_gen.cli.main import app


def planned(*words: str) -> dict[str, Any]:
    done = CliRunner().invoke(app, ["plan", "--json", *words])
    assert done.exit_code == 0, done.output
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def argument(document: dict[str, Any], flag: str) -> int:
    argv: list[str] = [part for word in document["launch"]["argv"] for part in word.split("=", 1)]
    return int(argv[argv.index(flag) + 1])


VLLM = ("--model", "llama-3.1-8b-instruct", "--engine", "vllm")


# vLLM's defaults for `vllm serve` by device: 1,024 from 70 GiB on, but not on an A100
# (vllm/engine/arg_utils.py, get_batch_defaults).
@pytest.mark.parametrize(("hardware", "limit"), [("h100", 1024), ("a100-80gb", 256), ("l4", 256)])
def test_vllm_keeps_its_default_of_the_device(hardware: str, limit: int) -> None:
    words = (*VLLM, "--hardware", hardware, "--quantization", "fp8" if hardware == "l4" else "bf16")
    assert argument(planned(*words), "--max-num-seqs") == limit


def test_users_make_the_limit_as_small_as_they_need() -> None:
    assert argument(planned(*VLLM, "--hardware", "h100", "--users", "1"), "--max-num-seqs") == 8


def test_it_carries_what_the_cache_holds_not_one_person() -> None:
    free = planned(*VLLM, "--hardware", "h100")["performance"]["users_supported"]
    one = planned(*VLLM, "--hardware", "h100", "--users", "1")["performance"]["users_supported"]
    assert free > 5 * one


def test_slots_are_reserved_for_people_only() -> None:
    words = ("--hardware", "apple-m3", "--model", "llama-3.1-8b-instruct")
    assert argument(planned(*words), "--parallel") == 1


def test_the_terminal_says_that_nobody_was_counted() -> None:
    done = CliRunner().invoke(app, ["plan", "--hardware", "h100", *VLLM])
    assert "--users N plans for N of them" in done.output
    assert "no number of users was given" in done.output
