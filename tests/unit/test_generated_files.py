"""What is generated into presets/ is what its generator makes, and judges as it should."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import jsonschema
import pytest
import yaml

from infra_gen.cli.main import run
from infra_gen.knowledge.store import KINDS
from infra_gen.resources import data_dir

ROOT = Path(__file__).parents[2]
PRESETS = data_dir("presets")
GOLDEN = sorted((ROOT / "tests" / "golden").glob("*/infra-gen.yaml"))


def tool(name: str) -> ModuleType:
    path = ROOT / "generator" / "tools" / f"{name}.py"
    found = importlib.util.spec_from_file_location(f"tools_{name}", path)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


OUTPUTS = tool("build_index").outputs(PRESETS)


@pytest.mark.parametrize("path", OUTPUTS, ids=lambda path: path.name)
def test_generated_files_are_current(path: Path) -> None:
    assert path.read_text("utf-8") == OUTPUTS[path], "run `make index`"


def test_no_schema_is_left_over() -> None:
    generated = {path.name for path in OUTPUTS if path.parent.name == "schemas"}
    there = {path.name for path in (PRESETS / "schemas").glob("*.schema.json")}
    assert there == generated


def test_the_index_knows_every_preset() -> None:
    index = json.loads((PRESETS / "index.json").read_text("utf-8"))
    for kind in KINDS:
        assert sorted(index[kind]) == sorted(p.stem for p in (PRESETS / kind).glob("*.yaml"))
        assert set(index["digests"][kind]) == set(index[kind])


def test_every_kind_of_preset_has_a_schema() -> None:
    assert set(KINDS.values()) <= set(tool("build_index").SCHEMAS.values())


def schema(name: str) -> dict[str, Any]:
    document = json.loads((PRESETS / "schemas" / f"{name}.schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(document)
    assert isinstance(document, dict)
    return document


def problems(name: str, document: object) -> list[str]:
    validator = jsonschema.Draft202012Validator(schema(name))
    return [error.message for error in validator.iter_errors(document)]


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.parent.name)
def test_the_spec_schema_accepts_specs(path: Path) -> None:
    assert problems("spec", yaml.safe_load(path.read_text("utf-8"))) == []


@pytest.mark.parametrize(
    "changed",
    [
        {"bogus": 1},
        {"load": {"usres": 5}},
        {"load": {"users": 0}},
        {"load": {"users": "many"}},
        {"serve": {"port": 0}},
        {"serve": {"exposure": "internet"}},
        {"engine": "vlm"},
        {"engine": {"name": "vllm", "versoin": "1"}},
        {"version": 2},
        {"name": None},
        {"allow": [{"rule": "x"}]},
    ],
    ids=str,
)
def test_the_spec_schema_rejects_mistakes(changed: dict[str, Any]) -> None:
    good = {"version": 1, "name": "chat", "hardware": "h100"}
    assert problems("spec", good) == []
    assert problems("spec", {**good, **changed})


@pytest.mark.parametrize(
    "path",
    sorted((ROOT / "tests" / "golden").glob("*/expected/infra-gen.lock")),
    ids=lambda path: path.parents[1].name,
)
def test_the_lock_schema_accepts_locks(path: Path) -> None:
    lock = json.loads(path.read_text("utf-8"))
    for masked in ("knowledge_sha256", "seal"):
        if lock[masked].startswith("<"):
            lock[masked] = "0" * 64
    assert problems("lock", lock) == []
    assert problems("lock", {**lock, "bogus": 1})


PLANS: dict[str, tuple[list[str], int]] = {
    "compose": (["-H", "h100", "-m", "llama-3.1-8b-instruct", "-u", "20"], 0),
    "launchd": (["-H", "apple-m3", "-u", "5"], 0),
    "cpu": (["-H", "cpu"], 0),
    "tensor parallel": (["-H", "h100:8", "-u", "200", "--point", "8:1024:128"], 0),
    "refused": (["-H", "rtx-3090", "-m", "deepseek-v3"], 5),
    "refused on Apple": (["-H", "apple-m3-8gb", "-m", "llama-3.3-70b-instruct"], 5),
}


@pytest.mark.parametrize("case", PLANS)
def test_the_plan_schema_accepts_plans(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments, code = PLANS[case]
    assert run(["plan", "--json", *arguments]) == code
    document = json.loads(capsys.readouterr().out)
    assert problems("plan", document) == []
    assert document["fits"] is (code == 0)
    assert document["schema"] == 1
    assert bool(document["nearest"]) is (code == 5)
    assert document["launch"]["argv"]
    assert problems("plan", {**document, "bogus": 1})


def test_the_schema_beside_a_spec_is_the_same(chat: Path) -> None:
    beside = (chat / ".infra-gen" / "spec.schema.json").read_text("utf-8")
    assert json.loads(beside) == schema("spec")
    first = (chat / "infra-gen.yaml").read_text("utf-8").splitlines()[0]
    assert first == "# yaml-language-server: $schema=.infra-gen/spec.schema.json"
