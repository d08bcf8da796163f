"""Deployments for engine versions other than the pinned one."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra_gen import api
from infra_gen.building import Built
from infra_gen.cli.options import Asked, spec_from
from infra_gen.knowledge.tables import table_document
from infra_gen.model.versions import version_key

# The oldest version for which everything that is written exists; docs/how-to/engine-versions.md.
OLDEST = {"vllm": "0.11.0", "llama.cpp": "9479", "tgi": "3.2.2", "ollama": "0.16.2"}


def built(engine: str, version: str) -> Built:
    asked = Asked(
        hardware="rtx-3090", users=3, model="qwen3-8b", engine=engine, engine_version=version
    )
    return api.build(spec_from(asked), Path())


def errors(engine: str, version: str) -> list[str]:
    return [found.message for found in built(engine, version).errors]


def supported(engine: str) -> list[str]:
    versions = table_document(engine)["versions"]
    found = [v for v in versions if version_key(v) >= version_key(OLDEST[engine])]
    step = max(1, len(found) // 8)
    return [*found[::step], found[-1]]


@pytest.mark.parametrize(
    ("engine", "version"), [(engine, v) for engine in OLDEST for v in supported(engine)]
)
def test_every_supported_version_generates_cleanly(engine: str, version: str) -> None:
    assert errors(engine, version) == []


@pytest.mark.parametrize("engine", OLDEST)
def test_an_older_one_says_what_it_lacks(engine: str) -> None:
    versions = table_document(engine)["versions"]
    before = versions[versions.index(OLDEST[engine]) - 1]
    assert any(f"{engine} {before}" in message for message in errors(engine, before))


def test_flags_that_a_version_lacks_are_left_out() -> None:
    old, new = built("vllm", "0.15.1"), built("vllm", "0.33.0")

    def flags(made: Built) -> set[str]:
        return {arg.flag for arg in made.stack.service("engine").argv}

    assert flags(new) - flags(old) == {
        "--shutdown-timeout",
        "--disable-access-log-for-endpoints",
    }
    assert [f.severity for f in old.findings if f.rule == "drain-not-nested"] == ["warning"]


def test_a_newer_version_is_taken_and_doubted() -> None:
    made = built("vllm", "99.1")
    assert not made.errors
    assert made.stack.service("engine").image is not None
    assert any("newer than infra-gen's table" in said for said in made.plan.warnings)


def test_the_pinned_version_is_not_doubted() -> None:
    assert not [said for said in built("vllm", "0.33.0").plan.warnings if "table" in said]
