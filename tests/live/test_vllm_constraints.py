"""The cases of vLLM's constraints, judged by the configuration of the pinned release itself."""

from __future__ import annotations

import json
import shlex
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from tests.live.conftest import require

from infra_gen.knowledge import store
from infra_gen.knowledge.constraints import constraints_of
from infra_gen.model.llm import ModelPreset

pytestmark = pytest.mark.vllm_parser

CASES: dict[str, dict[str, Any]] = YAML(typ="safe", pure=True).load(
    (Path(__file__).parents[1] / "rules" / "constraint_cases.yaml").read_text("utf-8")
)["vllm"]


def severities() -> dict[str, str]:
    stated = constraints_of("vllm")
    assert stated is not None
    return {row.id: row.severity for row in stated.rows}


def judged() -> list[tuple[str, str]]:
    """(row, which case) of all that the configuration decides."""
    found = []
    for row, case in CASES.items():
        real = case.get("real", "both")
        if "version" in case or real == "no" or severities()[row] != "error":
            continue
        found += [(row, which) for which in ("broken", "fine") if real in ("both", which)]
    return found


def config_of(preset: ModelPreset) -> dict[str, Any]:
    """The config.json of a Qwen3, which is what the cases have."""
    arch = preset.architecture
    found: dict[str, Any] = {
        "architectures": [arch.class_name],
        "model_type": "qwen3_moe" if arch.moe else "qwen3",
        "torch_dtype": "bfloat16",
        "hidden_size": arch.hidden_size,
        "intermediate_size": arch.intermediate_size or arch.hidden_size * 3,
        "num_hidden_layers": arch.layers,
        "num_attention_heads": arch.heads,
        "num_key_value_heads": arch.kv_heads,
        "head_dim": arch.head_dim,
        "max_position_embeddings": arch.max_context,
        "vocab_size": arch.vocab_size,
    }
    if arch.moe:
        found |= {
            "num_experts": arch.moe.experts,
            "num_experts_per_tok": arch.moe.experts_per_token,
            "moe_intermediate_size": arch.moe.intermediate_size,
        }
    return found


def asked(row: str, which: str) -> dict[str, Any]:
    given = CASES[row][which]
    case = {"words": given} if isinstance(given, str) else given
    preset = store.load("models", case.get("model", "qwen3-8b"), ModelPreset)
    return {
        "words": shlex.split(case.get("words", "")),
        "env": case.get("env", {}),
        "named": not case.get("bare"),
        "model": config_of(preset),
    }


@cache
def outcomes() -> dict[tuple[str, str], str | None]:
    python = require("vllm-parser").path("python")
    done = subprocess.run(
        [python, Path(__file__).with_name("vllm_configure.py")],
        input=json.dumps([asked(*one) for one in judged()]),
        text=True, capture_output=True, timeout=900, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(zip(judged(), json.loads(done.stdout), strict=True))


def test_most_cases_are_judged() -> None:
    assert len(judged()) > 100


@pytest.mark.parametrize(("row", "which"), judged())
def test_vllm_agrees(row: str, which: str) -> None:
    said = outcomes()[row, which]
    assert (said is None) == (which == "fine"), said
