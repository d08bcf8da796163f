"""Every constraint on a deployment that breaks it and one that does not: constraint_cases.yaml."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from tests.rules.bases import built, changed

from infra_gen.knowledge import store
from infra_gen.knowledge.constraints import constraints_of
from infra_gen.knowledge.engines import engine_info
from infra_gen.knowledge.tables import table_document
from infra_gen.model.constraint import Constraint, Constraints
from infra_gen.model.finding import Finding
from infra_gen.model.llm import ModelPreset
from infra_gen.model.operand import kind_of
from infra_gen.model.versions import within
from infra_gen.rules.checks import constraint_broken
from infra_gen.rules.deployment import Deployment, read_deployment
from infra_gen.rules.facts import fact
from infra_gen.rules.settings import Reading, Settings
from infra_gen.rules.subject import Subject

CASES: dict[str, dict[str, dict[str, Any]]] = YAML(typ="safe", pure=True).load(
    Path(__file__).with_name("constraint_cases.yaml").read_text("utf-8")
)
# Engine -> a deployment of it, and the command of a case before its own words.
BASES = {
    "vllm": ("lan", "Qwen/Qwen3-8B"),
    "llama.cpp": ("public", "--model /models/model.gguf"),
    "tgi": ("tgi", "--model-id Qwen/Qwen3-32B"),
    "ollama": ("ollama", "serve"),
}
# Variables that are no engine's own, so that no table has them.
FOREIGN = {"PYTORCH_CUDA_ALLOC_CONF", "VLLM_WORKER_MULTIPROC_METHOD"}
# The first release that the constraints of an engine were compared with.
FIRST = {"vllm": "0.8.5", "llama.cpp": "3543", "tgi": "3.0.0", "ollama": "0.5.0"}
EACH = [(engine, row) for engine, rows in CASES.items() for row in rows]


def stated(engine: str) -> Constraints:
    found = constraints_of(engine)
    assert found is not None
    return found


ROWS = [(engine, row) for engine in BASES for row in stated(engine).rows]
IDS = [f"{engine}: {row.id}" for engine, row in ROWS]


def subject_of(engine: str, case: str | dict[str, Any], version: str | None) -> Subject:
    """A small deployment that has what the case says and little else."""
    given: dict[str, Any] = {"words": case} if isinstance(case, str) else case
    base, command = BASES[engine]
    made = built(base)
    plan = made.plan
    for path, value in given.get("plan", {}).items():
        plan = changed(plan, path, value)
    files = {path: file.text for path, file in made.tree.items()}
    service = read_deployment(files).engine
    assert service is not None
    words = shlex.split(given.get("words", ""))
    if not given.get("bare"):
        words = [*shlex.split(command), *words]
    service = replace(service, words=tuple(words), env=given.get("env", {}), build=None, image="x")
    name = given.get("model")
    model = store.load("models", name, ModelPreset) if name else made.facts.preset(plan.model_id)
    assert model is not None
    if "architecture" in given:
        shape = model.architecture.model_copy(update=given["architecture"])
        model = model.model_copy(update={"architecture": shape})
    return Subject(
        spec=made.spec,
        plan=plan,
        stack=replace(made.stack, plan=plan),
        engine=engine_info(engine, version or plan.engine_version),
        deployment=Deployment(files=files, services=(service,)),
        model=model,
        constraints=stated(engine),
    )


def findings(engine: str, row: str, which: str) -> list[Finding]:
    """What is said of the row."""
    case = CASES[engine][row]
    subject = subject_of(engine, case[which], case.get("version"))
    found = constraint_broken.check(subject)
    return [one for one in found if one.message.endswith(f"({row})")]


def test_every_constraint_has_its_cases_in_order() -> None:
    for engine in BASES:
        assert list(CASES[engine]) == [row.id for row in stated(engine).rows]
    assert list(CASES) == list(BASES)


def test_there_are_enough() -> None:
    assert len(ROWS) >= 60


@pytest.mark.parametrize(("engine", "row"), EACH, ids=[f"{e}: {r}" for e, r in EACH])
def test_the_broken_case_is_found(engine: str, row: str) -> None:
    stated_row = next(one for one in stated(engine).rows if one.id == row)
    (finding,) = findings(engine, row, "broken")
    assert finding.severity == stated_row.severity
    assert "?" not in finding.message
    assert "{" not in finding.message + finding.fix
    assert finding.fix.endswith(".")


@pytest.mark.parametrize(("engine", "row"), EACH, ids=[f"{e}: {r}" for e, r in EACH])
def test_the_fine_case_is_not(engine: str, row: str) -> None:
    assert findings(engine, row, "fine") == []


@pytest.mark.parametrize(("engine", "row"), ROWS, ids=IDS)
def test_a_constraint_is_fit_to_print(engine: str, row: Constraint) -> None:
    assert row.source.strip() == row.source != ""
    assert "\n" not in row.message + row.fix
    version = CASES[engine][row.id].get("version") or stated(engine).checked
    assert within(version, row.since, row.until)


@cache
def known_names(engine: str, version: str) -> frozenset[str]:
    """Every flag and variable of that version."""
    table = engine_info(engine, version).table
    return frozenset((*table.flags, *table.env, *FOREIGN))


@pytest.mark.parametrize(("engine", "row"), ROWS, ids=IDS)
def test_a_constraint_names_what_its_versions_have(engine: str, row: Constraint) -> None:
    excepted = {condition.of for condition in row.unless}
    names = {
        name.partition(".")[0]
        for name in row.operands
        if kind_of(name) in ("flag", "env") and name not in excepted
    }
    for version in table_document(engine)["versions"]:
        if within(version, row.since, row.until) and within(version, FIRST[engine], None):
            assert names <= known_names(engine, version), version


def test_what_is_excepted_is_something_that_some_version_has() -> None:
    for engine, row in ROWS:
        tables = [engine_info(engine, v).table for v in table_document(engine)["versions"][-1:]]
        known = {
            name for table in tables for name in (*table.flags, *table.env, *table.removed_env)
        }
        known |= {name for table in tables for name in table.removed_flags}
        for condition in row.unless:
            if kind_of(condition.of) in ("flag", "env"):
                assert condition.of.partition(".")[0] in known, f"{row.id}: {condition.of}"


def test_a_newer_version_is_warned_of_only() -> None:
    subject = subject_of("vllm", "--tensor-parallel-size 3", None)
    newer = replace(subject, engine=replace(subject.engine, version="99.0.0"))
    assert [one.severity for one in constraint_broken.check(subject)] == ["error"]
    assert [one.severity for one in constraint_broken.check(newer)] == ["warning"]


def test_what_is_not_known_breaks_nothing() -> None:
    for words in ("--tensor-parallel-size $TP", "--enable-auto-tool-choice --config /vllm.yaml"):
        assert list(constraint_broken.check(subject_of("vllm", words, None))) == []
    unknown = replace(subject_of("vllm", "--tensor-parallel-size 3", None), model=None)
    assert list(constraint_broken.check(unknown)) == []
    nothing = replace(unknown, constraints=None)
    assert list(constraint_broken.check(nothing)) == []


def test_a_message_has_the_words_of_the_files() -> None:
    (finding,) = findings("vllm", "batch-smaller-than-requests", "broken")
    assert re.search(r"--max-num-batched-tokens 128 is below --max-num-seqs 256", finding.message)


def settings_of(words: str, engine: str = "vllm", **given: Any) -> Settings:
    subject = subject_of(engine, {"words": words, **given}, None)
    command = subject.command
    assert command is not None
    return Settings(subject, command, stated(engine).defaults)


@pytest.mark.parametrize(
    ("words", "operand", "reading"),
    [
        ("--max-num-seqs 8", "--max-num-seqs", Reading("8", written=True)),
        ("--max-num-seqs 8 --max-num-seqs 9", "--max-num-seqs", Reading("9", written=True)),
        ("", "--tensor-parallel-size", Reading("1")),
        ("", "--max-model-len", Reading("40960")),
        ("", "--enable-lora", Reading("off")),
        ("--no-enable-lora", "--enable-lora", Reading("false", written=True)),
        ("--enable_lora", "--enable-lora", Reading("true", written=True)),
        ("--max-num-seqs $N", "--max-num-seqs", Reading(written=True, known=False)),
        ("--config /c.yaml", "--max-num-seqs", Reading(written=None, known=False)),
        ("", "--never-there", Reading()),
        (
            "--speculative-config.method x",
            "--speculative-config.method",
            Reading("x", written=True),
        ),
        ('-sc \'{"a":{"b":true}}\'', "--speculative-config.a.b", Reading("true", written=True)),
        ("-sc '{\"a\":1}'", "--speculative-config.a.b", Reading()),
        ("-sc '{broken'", "--speculative-config.a", Reading(written=None, known=False)),
        ("-sc '[1]'", "--speculative-config.a", Reading()),
        ("", "--speculative-config.a", Reading()),
        ("", "model.heads", Reading("32")),
        ("", "7", Reading("7")),
        ("", "-1", Reading("-1")),
    ],
)
def test_an_operand_is_read(words: str, operand: str, reading: Reading) -> None:
    assert settings_of(words).read(operand) == reading


def test_variables_stand_for_flags() -> None:
    env = {
        "LLAMA_ARG_FLASH_ATTN": "off",
        "LLAMA_ARG_NO_KV_UNIFIED": "1",
        "LLAMA_ARG_CTX_SIZE": "$C",
    }
    settings = settings_of("-b 64", "llama.cpp", env=env)
    assert settings.read("--flash-attn") == Reading("off", written=True)
    assert settings.read("--kv-unified") == Reading("false", written=True)
    assert settings.read("--ctx-size") == Reading(written=True, known=False)
    assert settings.read("LLAMA_ARG_BATCH") == Reading("2048")


def test_a_variable_may_be_in_a_file_of_somebody_else() -> None:
    settings = settings_of("--max-model-len 64k")
    service = settings.subject.service
    assert service is not None
    for file, known in (("/etc/infra-gen/chat/engine.env", True), ("/home/me/vllm.env", False)):
        deployment = Deployment(files={}, services=(replace(service, env_files=(file,)),))
        subject = replace(settings.subject, deployment=deployment)
        found = list(constraint_broken.check(subject))
        assert bool(found) == known


def test_states_are_counted_in_blocks_of_the_cache() -> None:
    case = CASES["vllm"]["more-requests-than-states"]["broken"]
    # 844 were measured on an H100 with 1024 requests at once.
    assert fact(subject_of("vllm", case, None), "plan.state_blocks") == 844
    assert fact(subject_of("vllm", "", None), "plan.state_blocks") is None
