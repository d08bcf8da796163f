"""SGLang: arguments of both eras, variables, metrics, routes; and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tools.tables.python.modules import Package
from tools.tables.records import Artefact, Record, TableError
from tools.tables.sglang.code import endpoints, metrics
from tools.tables.sglang.env import environment
from tools.tables.sglang.extractor import EXTRACTOR
from tools.tables.sglang.parser import command_line

OLD = """
import argparse
from sglang.srt.utils import PARTS, nullable_str
from sglang.srt.parsers import Parser

BACKENDS = ["a", "b"]

class Mode(Enum):
    NONE = 0
    ALL = 1

class ServerArgs:
    model_path: str
    port: int = 30000
    kv_cache_dtype: str = "auto"
    ratio: float = compute()

    @staticmethod
    def add_cli_args(parser):
        names = list(Parser.Table.keys())
        kinds = set(BACKENDS)
        if plenty():
            kinds.add("c")
        parser.add_argument("--model-path", "--model", type=str, required=True)
        parser.add_argument("--port", type=int, default=ServerArgs.port)
        parser.add_argument("--tp-size", "--tensor-parallel-size", type=int)
        parser.add_argument("--kv-cache-dtype", choices=["auto", "fp8_e5m2"], default="auto")
        parser.add_argument("--quantization", choices=["awq", *BACKENDS])
        parser.add_argument("--parser", choices=["auto"] + names, default=argparse.SUPPRESS)
        parser.add_argument("--kind", choices=kinds)
        parser.add_argument("--mode", choices=[m.name.lower() for m in Mode], default=Mode.ALL)
        parser.add_argument("--parts", nargs="*", choices=PARTS + ["all"])
        parser.add_argument("--ratio", type=float, default=ServerArgs.ratio)
        parser.add_argument("--path", type=nullable_str, nargs="?", const="")
        parser.add_argument("--lora", action=LoRAPathAction, nargs="*")
        parser.add_argument("--old", action=DeprecatedStoreTrueAction, new_flag="--new")
        parser.add_argument("--const", action=DeprecatedStoreConstAction, const_value=1)
        parser.add_argument("--gone", action=DeprecatedAction, help="use --new")
        parser.add_argument("--said", action="store_true", help="(Deprecated: use --new) text")
        parser.add_argument("--pair", action=argparse.BooleanOptionalAction, default=True)

class DeprecatedAction(argparse.Action):
    def __call__(self, parser, namespace, values, option_string=None):
        raise ValueError(self.help)
"""
FILES = {
    "sglang/srt/server_args.py": OLD,
    "sglang/srt/utils/__init__.py": "from sglang.srt.utils.common import *",
    "sglang/srt/utils/common.py": 'PARTS = ["q", "k"]\ndef nullable_str(x): ...\nm = Mount("/metrics")',
    "sglang/srt/parsers.py": 'class Parser:\n    Table = {"one": One, "two": Two}\n',
}


def package(root: Path, files: dict[str, str]) -> Package:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Package(root)


def flags_of(root: Path, files: dict[str, str]) -> dict[str, Record]:
    return {row["name"]: row for row in command_line(package(root, files)).flags}


def without(row: Record, *keys: str) -> Record:
    return {key: value for key, value in row.items() if key not in keys}


def test_calls_of_add_argument_are_read(tmp_path: Path) -> None:
    flags = flags_of(tmp_path, FILES)
    plain = {"kind": "value", "type": "str"}
    switch = {"kind": "switch", "type": "bool", "deprecated": True}
    expected: dict[str, dict[str, Any]] = {
        "--model-path": {"aliases": ["--model"], **plain, "default": None},
        "--port": {"kind": "value", "type": "int", "default": 30000},
        "--tensor-parallel-size": {
            "aliases": ["--tp-size"],
            "kind": "value",
            "type": "int",
            "default": None,
        },
        "--kv-cache-dtype": {**plain, "choices": ["auto", "fp8_e5m2"], "default": "auto"},
        "--quantization": {**plain, "choices": ["awq", "a", "b"], "default": None},
        "--parser": {**plain, "choices": ["auto", "one", "two"], "default": None},
        "--kind": {**plain, "choices": ["a", "b"], "default": None},
        "--mode": {**plain, "choices": ["none", "all"], "default": 1},
        "--parts": {"kind": "list", "type": "str", "choices": ["q", "k", "all"], "default": None},
        "--ratio": {"kind": "value", "type": "float", "default_known": False},
        "--path": {"kind": "optional_value", "type": "str", "default": None, "nullable": True},
        "--lora": {"kind": "list", "type": "str", "default": None},
        "--old": {**switch, "default": False},
        "--const": {**switch, "default": None},
        "--said": {**switch, "default": False},
        "--pair": {
            "kind": "bool_pair",
            "type": "bool",
            "negatives": ["--no-pair"],
            "default": True,
        },
    }
    assert {name: without(row, "name") for name, row in flags.items()} == expected


def test_a_flag_whose_action_raises_is_refused_by_the_parser(tmp_path: Path) -> None:
    found = command_line(package(tmp_path, FILES))
    assert found.refused == ["--gone"]
    warns = OLD.replace("raise ValueError(self.help)", "warn(self.help)")
    flags = flags_of(tmp_path, {**FILES, "sglang/srt/server_args.py": warns})
    assert flags["--gone"]["deprecated"] is True


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("action=LoRAPathAction", "action=OtherAction", "unknown action OtherAction"),
        ("type=nullable_str", "type=other_str", "unknown type other_str"),
        ("DeprecatedStoreTrueAction", "DeprecatedOtherAction", "DeprecatedOtherAction"),
        ("choices=kinds", "choices=find()", "find is not bound"),
        ("class ServerArgs", "class Args", "no class ServerArgs"),
        ("def add_cli_args", "def add_args", "no method add_cli_args"),
        ("class DeprecatedAction", "class Action", "DeprecatedAction is not bound"),
        (
            "        names =",
            "        add_cli_args_from_dataclass(parser, X)\n        names =",
            "lost",
        ),
    ],
)
def test_what_is_not_understood_is_refused(
    tmp_path: Path, before: str, after: str, said: str
) -> None:
    assert before in OLD
    files = {**FILES, "sglang/srt/server_args.py": OLD.replace(before, after)}
    with pytest.raises(TableError, match=said):
        command_line(package(tmp_path, files))


NEW = """
def _names():
    module = sys.modules.get("x")
    if module is not None:
        return list(module.Table)
    from sglang.srt.names import NAMES
    return list(NAMES)

class ServerArgs:
    @staticmethod
    def add_cli_args(parser):
        add_cli_args_from_dataclass(parser, ServerArgs)
        names = _names()
        parser.add_argument("--parser", choices=["auto"] + names, default=_declared_default("parser"))
        parser.add_argument("--mono", action=DeprecatedStoreConstAction, nargs=None, choices=["amd"])
"""
FIELDS = """
class Space(msgspec.Struct):
    _NS_PATH = "space"
    model_path: A[str, Arg(help="x", aliases=["--model"])]
    tp_size: A[int, Arg(help="x", cli_name="--tensor-parallel-size", aliases=["--tp"])] = 1
    trust: A[bool, "text"] = False
    maybe: A[Optional[bool], "text", NS("other")] = None
    sizes: A[Optional[List[int]], "Deprecated. text"] = None
    hooks: A[List[dict], Arg(help="x", type_parser=json_list_type)] = msgspec.field(default_factory=list)
    level: A[Literal["low", "high"], "text"] = "low"
    some: A[Literal[None, "x"], "text"] = None
    number: A[Literal[1, 2] | None, "text"] = 2
    paths: A[Optional[Union[str, List[str]]], Arg(nargs="*", choices=KINDS)] = None
    loras: A[Optional[str], Arg(action=LoRAPathAction, action_kwargs={"type": str, "nargs": "*"})] = None
    pair: A[bool, Arg(action=argparse.BooleanOptionalAction)] = True
    context: A[Optional[int], Arg(type_parser=human_readable_int)] = 10 * 1000
    hidden: A[bool, Arg(no_cli=True)] = False
    parser: Optional[str] = None
    rank = Derived(doc="x")

KINDS = ["k"]
class Other:
    ignored: A[bool, "text"] = False
"""
NEW_FILES = {
    "sglang/srt/server_args.py": NEW,
    "sglang/srt/names.py": 'NAMES = ("one", "two")',
    "sglang/srt/arg_groups/fields/__init__.py": "",
    "sglang/srt/arg_groups/fields/space.py": FIELDS,
}


def test_annotated_fields_are_read(tmp_path: Path) -> None:
    flags = flags_of(tmp_path, NEW_FILES)
    text = {"kind": "value", "type": "str"}
    switch = {"kind": "switch", "type": "bool"}
    expected: dict[str, dict[str, Any]] = {
        "--model-path": {"aliases": ["--model"], **text, "default": None},
        "--tensor-parallel-size": {
            "aliases": ["--tp"],
            "kind": "value",
            "type": "int",
            "default": 1,
        },
        "--trust": {**switch, "default": False},
        "--maybe": {**switch, "default": None},
        "--sizes": {"kind": "list", "type": "int", "deprecated": True, "default": None},
        "--hooks": {"kind": "value", "type": "json", "default": []},
        "--level": {**text, "choices": ["low", "high"], "default": "low"},
        "--some": {**text, "choices": ["x"], "default": None},
        "--number": {"kind": "value", "type": "int", "choices": [1, 2], "default": 2},
        "--paths": {"kind": "list", "type": "str", "choices": ["k"], "default": None},
        "--loras": {"kind": "list", "type": "str", "default": None},
        "--pair": {
            "kind": "bool_pair",
            "type": "bool",
            "negatives": ["--no-pair"],
            "default": True,
        },
        "--context": {"kind": "value", "type": "size", "default": 10000},
        "--parser": {**text, "choices": ["auto", "one", "two"], "default": None},
        "--mono": {**text, "choices": ["amd"], "deprecated": True, "default": None},
    }
    assert {name: without(row, "name") for name, row in flags.items()} == expected


def test_an_annotation_that_is_not_understood_is_refused(tmp_path: Path) -> None:
    odd = FIELDS.replace("no_cli=True", "hide=True")
    with pytest.raises(TableError, match="not understood"):
        command_line(package(tmp_path, {**NEW_FILES, "sglang/srt/arg_groups/fields/space.py": odd}))
    lost = NEW.replace('_declared_default("parser")', '_declared_default("nothing")')
    with pytest.raises(TableError, match="no such field"):
        command_line(package(tmp_path, {**NEW_FILES, "sglang/srt/server_args.py": lost}))


ENVIRON = """
class Level(IntEnum):
    OFF = 0
def later(): ...
class EnvField:
    def get(self):
        warnings.warn("using default")
class Envs:
    SGLANG_A = EnvBool(False)
    SGLANG_B = EnvInt(4 * 1024)
    SGLANG_C = EnvStr(None)
    SGLANG_D = EnvBool(later)
    SGLANG_E = EnvInt(Level.OFF)
    SGLANG_F = EnvTuple(tuple())
    SGLANG_G = EnvStr(os.path.expanduser("~/.cache/x"))
    SGLANG_H = EnvIntWithAlias(1, deprecated_name="SGLANG_OLD_H")
    NOT_ITS_PREFIX = EnvFloat(-1)
"""
READS = """
a = os.environ.get("SGLANG_A", "1")
b = get_bool_env_var("SGLANG_READ", "true")
c = get_int_env_var("ANY_NAME", 5)
d = os.environ["SGLANG_TAKEN"]
e = os.getenv("SGLANG_TWICE", "1")
f = os.getenv("SGLANG_TWICE", "2")
os.environ["SGLANG_WRITTEN"] = "1"
os.environ.pop("SGLANG_POPPED")
x = os.getenv("HOME")
"""


def test_variables_are_read(tmp_path: Path) -> None:
    files = {
        "sglang/srt/environ.py": ENVIRON,
        "sglang/srt/a.py": READS,
        "sglang/test/b.py": 'os.getenv("SGLANG_OF_TESTS")',
    }
    found = {row["name"]: without(row, "name") for row in environment(package(tmp_path, files))}
    kept = {"on_bad_value": "default"}
    assert found == {
        "SGLANG_A": {"type": "bool", **kept, "default": False},
        "SGLANG_B": {"type": "int", **kept, "default": 4096},
        "SGLANG_C": {"type": "str", "default": None},
        "SGLANG_D": {"type": "bool", **kept, "default_known": False},
        "SGLANG_E": {"type": "int", **kept, "default": 0},
        "SGLANG_F": {"type": "list", "default": []},
        "SGLANG_G": {"type": "str", "default": "~/.cache/x"},
        "SGLANG_H": {"type": "int", **kept, "default": 1},
        "SGLANG_OLD_H": {"type": "int", **kept, "default_known": False},
        "NOT_ITS_PREFIX": {"type": "float", **kept, "default": -1},
        "SGLANG_READ": {"type": "bool", "on_bad_value": "false", "default": True},
        "ANY_NAME": {"type": "int", **kept, "default": 5},
        "SGLANG_TAKEN": {"type": "str", "default_known": False},
        "SGLANG_TWICE": {"type": "str", "default_known": False},
    }
    odd = ENVIRON.replace("EnvStr(None)", "EnvNew(None)")
    with pytest.raises(TableError, match="EnvNew"):
        environment(package(tmp_path, {"sglang/srt/environ.py": odd}))


COLLECTOR = """
class Collector:
    def __init__(self, labels):
        self.a = Gauge(name="sglang:running", labelnames=labels.keys())
        self.b = Counter("sglang:requests", "text", labelnames=["endpoint"])
        self.c = Counter(name="sglang:tokens_total")
        if extra:
            self.d = Histogram(name="sglang:size")
        self.e = GaugeHistogram(name="sglang:keys")
        torch.ops("sglang::no_metric")
"""


def test_metrics_are_read_as_they_are_exposed(tmp_path: Path) -> None:
    assert metrics(package(tmp_path, {"sglang/srt/metrics.py": COLLECTOR})) == [
        {"name": "sglang:keys", "type": "gauge"},
        {"name": "sglang:requests_total", "type": "counter", "labels": ["endpoint"]},
        {"name": "sglang:running", "type": "gauge"},
        {"name": "sglang:size", "type": "histogram", "conditional": True},
        {"name": "sglang:tokens_total", "type": "counter"},
    ]
    with pytest.raises(TableError, match="nobody says what 'sglang:lost' is"):
        metrics(package(tmp_path, {"sglang/srt/metrics.py": 'x = "sglang:lost"'}))
    two = 'Gauge("sglang:x")\nCounter(name="sglang:x")\nHistogram("sglang:x")'
    with pytest.raises(TableError, match="two types"):
        metrics(package(tmp_path, {"sglang/srt/metrics.py": two}))


def test_routes_are_read(tmp_path: Path) -> None:
    server = '@app.get("/health")\ndef a(): ...\n@app.get("/get_model_info")\ndef b(): ...\n'
    files = {**FILES, "sglang/srt/server.py": server}
    assert endpoints(package(tmp_path, files)) == [
        {"name": "health", "path": "/health"},
        {"name": "metrics", "path": "/metrics"},
        {"name": "model_info", "path": "/get_model_info"},
        {"name": "ready", "path": "/health"},
    ]
    with pytest.raises(TableError, match="none of"):
        endpoints(package(tmp_path / "other", {"sglang/srt/utils.py": ""}))


def test_a_version_becomes_a_snapshot(tmp_path: Path) -> None:
    package(tmp_path, {**FILES, "sglang/srt/server.py": ""})
    found = EXTRACTOR.read(Artefact("0.4.0", "x", None, tmp_path, "test"))
    assert [row["name"] for row in found["quantization"]] == ["a", "awq", "b"]
    assert [row["name"] for row in found["kv_cache_dtypes"]] == ["auto", "fp8_e5m2"]
    assert found["tool_call_parsers"] == []
    facts = {row["name"]: row["value"] for row in found["facts"]}
    assert facts["default_port"] == 30000
