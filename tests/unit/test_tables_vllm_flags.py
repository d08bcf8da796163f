"""The parser of vLLM is read by evaluating what builds it, and refused where that is not clear."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, get_args

import pytest
from tests.unit.vllm_tree import CLI_ARGS, write

from tools.tables.records import TableError
from tools.tables.vllm.fields import Fields
from tools.tables.vllm.flags import Flags
from tools.tables.vllm.parser import world_of
from tools.tables.vllm.sources import Sources

Records = dict[str, dict[str, Any]]


def reader(root: Path) -> Flags:
    sources = Sources(root)
    return Flags(world_of(sources, {}), world_of(sources, {}, checking=True))


def read(root: Path, **changed: str) -> Records:
    records = reader(write(root, **changed)).records()
    return {record.pop("name"): record for record in records}


def arguments(*lines: str) -> str:
    """A make_arg_parser with these lines."""
    start = CLI_ARGS.partition("parser.add_argument(")[0].rstrip()
    return "\n".join([start, *(f"        {line}" for line in lines), "        return parser"])


def test_plain_arguments(tmp_path: Path) -> None:
    found = read(tmp_path)
    assert found["model_tag"] == {"kind": "positional", "type": "str", "default": None}
    assert found["--port"] == {"kind": "value", "type": "int", "default": 8000}
    assert found["--flag"] == {"kind": "switch", "type": "bool", "default": False}
    assert found["--tags"] == {
        "aliases": ["-t"],
        "kind": "value",
        "type": "json",
        "default_known": False,
    }


def test_arguments_of_dataclass_fields(tmp_path: Path) -> None:
    found = read(tmp_path)
    assert found["--dtype"] == {
        "kind": "value",
        "type": "str",
        "choices": ["auto", "half"],
        "default": "auto",
    }
    assert found["--eager"] == {
        "negatives": ["--no-eager"],
        "kind": "bool_pair",
        "type": "bool",
        "default": False,
    }
    assert found["--max-len"]["type"] == "size"
    assert found["--max-len"]["special_values"] == ["auto", "-1"]
    assert found["--inner"] == {
        "kind": "value",
        "type": "json",
        "config": "InnerConfig",
        "deprecated": True,
        "default_known": False,
    }


def test_values_that_only_a_type_checker_sees_are_open(tmp_path: Path) -> None:
    method = read(tmp_path)["--method"]
    assert method["known_values"] == ["awq", "fp8"]
    assert method["nullable"] is True
    assert "choices" not in method


def test_values_that_depend_on_the_machine_are_open(tmp_path: Path) -> None:
    device = read(tmp_path)["--device"]
    assert device["known_values"] == ["auto", "cuda"]
    assert "choices" not in device


def test_enable_and_disable_are_each_others_negation(tmp_path: Path) -> None:
    line = 'parser.add_argument("--enable-x", action=argparse.BooleanOptionalAction)'
    found = read(tmp_path, entrypoints__cli_args=arguments(line))
    assert found["--enable-x"]["negatives"] == ["--disable-x", "--no-enable-x"]


def test_the_short_optimization_level(tmp_path: Path) -> None:
    line = 'parser.add_argument("--optimization-level", type=str, default="2")'
    found = read(tmp_path, entrypoints__cli_args=arguments(line))
    assert found["--optimization-level"]["aliases"] == ["-O"]


def test_fields_of_nested_configurations(tmp_path: Path) -> None:
    flags = reader(write(tmp_path))
    flags.records()
    records = Fields(flags.world, flags.checker).records(flags.classes.values())
    found = {record.pop("name"): record for record in records}
    assert found["InnerConfig.size"] == {
        "kind": "value",
        "type": "int",
        "default": 3,
        "exclusive_minimum": 0,
        "maximum": 9,
    }
    assert found["InnerConfig.mode"]["known_values"] == [0, 1]
    assert found["InnerConfig.mode"]["default"] == 1
    assert found["InnerConfig.backend"]["known_values"] == ["FAST", "SLOW"]
    assert found["InnerConfig.names"] == {"kind": "list", "type": "str", "default": ["a"]}
    assert set(found) == {f"InnerConfig.{name}" for name in ("size", "mode", "backend", "names")}


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('parser.add_argument("--x", type=str.upper)', "a flag of type upper"),
        ('parser.add_argument("--x", type=lambda s: s * 2)', r"a flag of type s \* 2"),
        ('parser.add_argument("--x", action="count")', "an action of no known kind"),
        ("parser.add_argument(some_name, type=str)", "without a known name"),
        ('parser.add_argument("--x", choices=elsewhere.names)', "choices are not known"),
        ("elsewhere.extend(parser)", "the parser is handed to"),
        ("if elsewhere.has_more(): parser.add_argument('--x')", "a decision depends on"),
        ("while True: pass", "a statement of no known form: While"),
    ],
)
def test_what_is_not_clear_is_refused(tmp_path: Path, line: str, why: str) -> None:
    with pytest.raises(TableError, match=why):
        read(tmp_path, entrypoints__cli_args=arguments(line))


def test_no_vllm_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="no vllm package"):
        Sources(tmp_path)
    write(tmp_path, entrypoints__cli__serve="")
    with pytest.raises(TableError, match="no serve subcommand"):
        reader(tmp_path).records()


def test_two_literals_are_one_list(tmp_path: Path) -> None:
    # vLLM 0.8.5 takes the first of a set of two, which is chance.
    get_type = world_of(Sources(write(tmp_path)), {}).known["get_type"]
    merged = get_type({Literal["b", "a"], Literal["c"], int}, Literal)
    assert get_args(merged) == ("a", "b", "c")
