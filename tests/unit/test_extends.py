"""Specs laid over others: what wins, where errors are, and that a changed base is drift."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from infra_gen import api
from infra_gen.cli.main import run
from infra_gen.errors import SpecError
from infra_gen.lifecycle.spec_file import read_spec
from infra_gen.resources import data_dir

BASE = """
version: 1
hardware: rtx-3090
model: qwen3-8b
load: {users: 2, workload: chat}
engine_args: {"--max-model-len": 4096}
serve: {exposure: lan, host: box.lan}
"""
CHILD = """
extends: ../base.yaml
name: chat
load: {users: 3}
"""


@pytest.fixture
def child(tmp_path: Path) -> Path:
    (tmp_path / "base.yaml").write_text(BASE, "utf-8")
    (tmp_path / "chat").mkdir()
    path = tmp_path / "chat" / "infra-gen.yaml"
    path.write_text(CHILD, "utf-8")
    return path


def test_mappings_are_merged_and_the_nearest_value_wins(child: Path) -> None:
    spec = read_spec(child)
    assert (spec.name, spec.model, spec.serve.exposure) == ("chat", "qwen3-8b", "lan")
    assert (spec.load.users, spec.load.workload) == (3, "chat")
    assert spec.engine_args == {"--max-model-len": 4096}


def test_null_takes_out_what_a_base_says(child: Path) -> None:
    with child.open("a") as stream:
        stream.write('engine_args: {"--max-model-len": null, "--seed": null}\nserve: null\n')
    spec = read_spec(child)
    assert spec.engine_args == {}
    assert spec.serve.exposure == "loopback"


def test_null_of_the_lowest_is_a_value(child: Path) -> None:
    base = child.parents[1] / "base.yaml"
    base.write_text(BASE.replace("4096", "null"), "utf-8")
    with pytest.raises(SpecError, match="max-model-len"):
        read_spec(child)


def test_what_must_be_said_cannot_be_taken_out(child: Path) -> None:
    with child.open("a") as stream:
        stream.write("hardware: null\n")
    with pytest.raises(SpecError, match="hardware is missing") as error:
        read_spec(child)
    assert str(error.value.where).endswith("chat/infra-gen.yaml:5")


def test_a_list_is_replaced_not_joined(child: Path) -> None:
    rule = "{rule: image-not-pinned, reason: an old story}"
    with (child.parents[1] / "base.yaml").open("a") as stream:
        stream.write(f"allow: [{rule}]\n")
    assert len(read_spec(child).allow) == 1
    with child.open("a") as stream:
        stream.write("allow: []\n")
    assert read_spec(child).allow == ()


def test_a_base_may_extend_another(child: Path) -> None:
    base = child.parents[1] / "base.yaml"
    base.rename(base.with_name("company.yaml"))
    base.write_text("extends: company.yaml\nmodel: llama-3.1-8b-instruct\n", "utf-8")
    spec = read_spec(child)
    assert (spec.model, spec.hardware) == ("llama-3.1-8b-instruct", "rtx-3090")


@pytest.mark.parametrize(
    ("files", "where", "words"),
    [
        ({"base.yaml": "extends: chat/infra-gen.yaml\n"}, "base.yaml:1", "circle"),
        ({"base.yaml": "extends: base.yaml\n"}, "base.yaml:1", "circle"),
        ({"base.yaml": None}, "infra-gen.yaml:2", "no such file"),
        ({"base.yaml": "extends: 3\n"}, "base.yaml:1", "not a file's path"),
        ({"base.yaml": "- a\n"}, "base.yaml", "not a mapping"),
        ({"base.yaml": "a: [\n"}, "base.yaml:2", "not valid YAML"),
        ({"base.yaml": BASE + "modle: x\n"}, "base.yaml:8", "unknown key 'modle'"),
        ({"base.yaml": BASE.replace("users: 2,", "usrs: 2,")}, "base.yaml:5", "load.usrs"),
        ({"chat/infra-gen.yaml": CHILD.replace("3", "none")}, "infra-gen.yaml:4", "load.users"),
        ({"base.yaml": BASE.replace("version: 1", "version: 2")}, "base.yaml:2", "newer"),
        ({"base.yaml": BASE + "kubernetes: {namespace: x}\n"}, "base.yaml:8", "reserved"),
        ({"base.yaml": BASE + "patches: [1]\n"}, "base.yaml:8", "patches.0"),
        ({"base.yaml": "<<<<<<< yours\n"}, "base.yaml:1", "merge conflict"),
        ({"base.yaml": "model: a\n"}, "infra-gen.yaml", "hardware is missing"),
    ],
)
def test_errors_name_the_file_that_says_it(
    child: Path, files: dict[str, str | None], where: str, words: str
) -> None:
    for name, text in files.items():
        place = child.parents[1] / name
        place.unlink() if text is None else place.write_text(text, "utf-8")
    with pytest.raises(SpecError, match=words) as error:
        read_spec(child)
    assert str(error.value.where).endswith(where) or f"{where}:" in str(error.value.where)


def test_too_many_layers(child: Path) -> None:
    top = child.parents[1]
    (top / "base.yaml").write_text("extends: 0.yaml\n", "utf-8")
    for number in range(12):
        (top / f"{number}.yaml").write_text(f"extends: {number + 1}.yaml\n", "utf-8")
    with pytest.raises(SpecError, match="more than 10 specs"):
        read_spec(child)


def test_a_changed_base_is_drift_until_updated(child: Path) -> None:
    root = child.parent
    api.write_new(api.build(read_spec(child), root), root.parent / "made")
    made = root.parent / "made"
    (made / "infra-gen.yaml").write_text(CHILD, "utf-8")
    assert run(["update", str(made)]) == 0
    assert not api.check(made).rendered
    base = root.parent / "base.yaml"
    base.write_text(BASE.replace("exposure: lan, host: box.lan", "exposure: loopback"), "utf-8")
    assert [one.path for one in api.check(made).drift] == ["infra-gen.yaml"]
    assert run(["update", str(made)]) == 0
    assert run(["check", str(made)]) == 0


@pytest.mark.parametrize(
    ("document", "fits"),
    [
        ({"extends": "../base.yaml"}, True),
        ({"name": "chat", "hardware": "h100"}, True),
        ({"name": "chat"}, False),
    ],
)
def test_editors_do_not_ask_for_what_a_base_may_say(document: dict[str, Any], fits: bool) -> None:
    text = (data_dir("presets") / "schemas" / "spec.schema.json").read_text("utf-8")
    assert jsonschema.Draft202012Validator(json.loads(text)).is_valid(document) is fits
