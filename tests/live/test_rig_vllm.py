"""vLLM's own parser, as the rig runs it, accepts what is right and rejects what is not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

pytestmark = pytest.mark.vllm_parser


@pytest.fixture(scope="module")
def vllm_results(
    vllm_parse: Callable[[Sequence[Sequence[str]]], list[Any]],
) -> dict[tuple[str, ...], Any]:
    flags = [
        ("--max-model-len", "8192"),
        ("--swap-space", "4"),
        ("--max-model-l", "8192"),
        ("--max-model-len", "many"),
        ("--enable-auto-tool-choice",),
    ]
    results = vllm_parse([["Qwen/Qwen3-8B", *line] for line in flags])
    return dict(zip(flags, results, strict=True))


@pytest.mark.parametrize(
    ("argv", "stage", "message"),
    [
        (["--swap-space", "4"], "parse", "unrecognized arguments: --swap-space"),
        (["--max-model-l", "8192"], "abbreviation", "--max-model-len"),
        (["--max-model-len", "many"], "parse", "--max-model-len"),
        (["--enable-auto-tool-choice"], "validate", "--tool-call-parser"),
    ],
)
def test_rejects(
    vllm_results: dict[tuple[str, ...], Any], argv: list[str], stage: str, message: str
) -> None:
    result = vllm_results[tuple(argv)]

    assert (result.ok, result.stage) == (False, stage)
    assert message in result.error


def test_accepts(vllm_results: dict[tuple[str, ...], Any]) -> None:
    result = vllm_results["--max-model-len", "8192"]

    assert result.ok, result.error
    assert result.namespace == {"model_tag": "Qwen/Qwen3-8B", "max_model_len": 8192}
