"""Print the real arguments of `vllm serve` as JSON: run by a Python that has vLLM's requirements.

    python -m tools.tables.vllm.parity_import SOURCES

SOURCES is a folder with the unpacked `vllm` package, which is imported from there, without its
native parts. That Python has none of infra-gen's own requirements, so nothing else of infra-gen is
imported than the stand-ins beside this file.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import enum
import importlib
import importlib.abc
import importlib.machinery
import importlib.metadata
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from tools.tables.vllm.parity_stand_ins import soften


def isolate(scratch: str) -> None:
    """Keep the import from looking for a GPU, phoning home or writing to the home folder."""
    os.environ |= {
        "VLLM_TARGET_DEVICE": "cpu",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_CACHE_ROOT": scratch,
        "VLLM_CONFIG_ROOT": scratch,
        "VLLM_PLUGINS": "",
        "HF_HOME": scratch,
        "HF_HUB_OFFLINE": "1",
    }


def serve_parser() -> tuple[Any, list[Any]]:
    """Build the `vllm` parser and return it with the arguments of its `serve`."""
    serve = importlib.import_module("vllm.entrypoints.cli.serve")
    parser = serve.FlexibleArgumentParser(prog="vllm")
    command = serve.ServeSubcommand()
    built = command.subparser_init(parser.add_subparsers(dest="subparser"))
    return parser, [a for a in built._actions if not isinstance(a, argparse._HelpAction)]


def short_level(parser: Any) -> str | None:
    """Return which argument `-O1` sets; the parser rewrites it before it reads it."""
    before, after = (vars(parser.parse_args(["serve", "m", *more])) for more in ([], ["-O1"]))
    changed = [name for name in after if repr(after[name]) != repr(before[name])]
    return changed[0] if len(changed) == 1 else None


def plain(value: Any) -> Any:
    """Turn a default into something that JSON can carry."""
    if isinstance(value, enum.Enum):
        return {"$enum": [value.name, plain(value.value)]}
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(plain(item) for item in value)
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return {"$object": type(value).__name__}


def told(action: Any) -> dict[str, Any]:
    """Describe one argument."""
    kind = action.type
    return {
        "spellings": accepted(action),
        "dest": action.dest,
        "action": type(action).__name__,
        "nargs": action.nargs,
        "const": plain(action.const),
        "type": getattr(kind, "__name__", repr(kind)) if kind is not None else None,
        "choices": None if action.choices is None else [plain(c) for c in action.choices],
        "default": plain(action.default),
    }


def accepted(action: Any) -> list[str]:
    """Every spelling that the parser takes, hidden ones too."""
    table = action.container._option_string_actions
    return sorted(text for text, held in table.items() if held is action)


def config_fields() -> dict[str, dict[str, Any]]:
    """Return the fields of vLLM's configuration classes, with their defaults."""
    config = importlib.import_module("vllm.config")
    found: dict[str, dict[str, Any]] = {}
    for name in dir(config):
        cls = getattr(config, name)
        if isinstance(cls, type) and dataclasses.is_dataclass(cls):
            found[name] = {
                one.name: _default(one) for one in dataclasses.fields(cls) if _given(one)
            }
        elif isinstance(cls, type) and hasattr(cls, "model_fields"):
            found[name] = {key: _default(one) for key, one in cls.model_fields.items()}
    return found


def _given(one: Any) -> bool:
    return one.init and getattr(one.default, "init", None) is not False


def _default(one: Any) -> Any:
    default = one.default
    if hasattr(default, "default_factory"):  # a pydantic Field as the default of a dataclass
        one, default = default, default.default
    missing = default is dataclasses.MISSING or type(default).__name__ == "PydanticUndefinedType"
    if not missing:
        return plain(default)
    if one.default_factory in (None, dataclasses.MISSING):
        return {"$none": True}
    try:
        return plain(one.default_factory())
    except Exception as error:  # a default that this machine cannot make
        return {"$object": repr(error)}


def environment() -> dict[str, Any]:
    """Return the defaults of vLLM's variables, as on a machine where none is set."""
    envs = importlib.import_module("vllm.envs")
    kept = dict(os.environ)
    os.environ.clear()
    os.environ["HOME"] = "~"  # the folder of the user, whoever that is
    try:
        return {name: _read(reader) for name, reader in envs.environment_variables.items()}
    finally:
        os.environ.clear()
        os.environ.update(kept)


def _read(reader: Any) -> Any:
    try:
        return plain(reader())
    except Exception as error:
        return {"$object": repr(error)}


def dialect(parser: Any) -> dict[str, bool]:
    """Try how the command line may be written."""
    tried = {
        "underscores": ["--max_num_seqs", "3"],
        "abbreviations": ["--max-num-se", "3"],
        "equals": ["--max-num-seqs=3"],
        "dotted_json": ["--override-generation-config.temperature", "1"],
        "bool_values": ["--trust-remote-code", "true"],
    }
    return {name: _parses(parser, words) for name, words in tried.items()}


def _parses(parser: Any, words: list[str]) -> bool:
    try:
        parser.parse_args(["serve", "m", *words])
    except (Exception, SystemExit):
        return False
    return True


def parser_names() -> dict[str, list[str]]:
    """Return what `--tool-call-parser` and `--reasoning-parser` know, as vLLM registers it."""
    reasoning = importlib.import_module("vllm.reasoning").ReasoningParserManager
    try:
        tools = importlib.import_module("vllm.tool_parsers")
    except ModuleNotFoundError:
        tools = importlib.import_module("vllm.entrypoints.openai.tool_parsers")
    return {
        "tool_call_parsers": _names(tools.ToolParserManager, "tool_parsers"),
        "reasoning_parsers": _names(reasoning, "reasoning_parsers"),
    }


def _names(manager: Any, table: str) -> list[str]:
    return sorted({*getattr(manager, table), *getattr(manager, "lazy_parsers", ())})


def main() -> None:
    """Import the parser and print it; standard output carries nothing else."""
    sys.path.insert(0, str(Path(sys.argv[1]).resolve()))
    with tempfile.TemporaryDirectory() as scratch, contextlib.redirect_stdout(sys.stderr):
        isolate(scratch)
        sys.argv = ["vllm", "serve"]  # some releases look at it
        soften()
        parser, arguments = serve_parser()
        actions = [told(action) for action in arguments]
        import torch  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415

        found = {
            "torch": torch.__version__,
            "python": sys.version.partition(" ")[0],
            "short_level": short_level(parser),
            "actions": actions,
            "fields": config_fields(),
            "env": environment(),
            "facts": dialect(parser),
            **parser_names(),
        }
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
