"""The table of Ollama: its variables and the words of a Modelfile, from a checkout.

`ollama serve` has no flags. What it takes comes from the environment (envconfig/config.go), and
what a model takes from its Modelfile (parser/parser.go, the option structs of api/types.go).
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tools.engine_records import SCHEMA, Record, Table, TableError, by_name, compact

ENVCONFIG = "envconfig/config.go"
PARSER = "parser/parser.go"
OPTIONS = "api/types.go"
FAQ = "docs/faq.mdx"
SERVER_FOLDERS = ("cmd", "discover", "envconfig", "llm", "ml", "server", "x")
NOT_OF_THE_SERVER = ("_test.go", "cmd/launch/", "cmd/bench/", "_windows.go")
OLLAMA_MIN_ENV, OLLAMA_MIN_PARAMETERS, OLLAMA_MIN_COMMANDS = 40, 20, 10
OLLAMA_SENTINELS = (
    "OLLAMA_HOST",
    "OLLAMA_MODELS",
    "OLLAMA_KEEP_ALIVE",
    "OLLAMA_NUM_PARALLEL",
    "OLLAMA_CONTEXT_LENGTH",
    "OLLAMA_MAX_QUEUE",
    "OLLAMA_MAX_LOADED_MODELS",
    "OLLAMA_FLASH_ATTENTION",
    "OLLAMA_KV_CACHE_TYPE",
    "OLLAMA_NO_CLOUD",
    "OLLAMA_AUTH",
    "num_ctx",
    "num_gpu",
    "num_thread",
    "FROM",
    "PARAMETER",
)
# What envconfig does by hand rather than with one of its readers.
OLLAMA_BY_HAND: dict[str, Record] = {
    "OLLAMA_DEBUG": {"type": "str", "default": "0", "on_bad_value": "default"},
    "OLLAMA_HOST": {"type": "str", "default": "127.0.0.1:11434", "on_bad_value": "default port"},
    "OLLAMA_IGPU_ENABLE": {"type": "bool", "default": None, "on_bad_value": "true"},
    "OLLAMA_KEEP_ALIVE": {"type": "duration", "default": "5m", "on_bad_value": "default"},
    "OLLAMA_LOAD_TIMEOUT": {"type": "duration", "default": "5m", "on_bad_value": "default"},
    "OLLAMA_MODELS": {"type": "path", "default": "$HOME/.ollama/models"},
    "OLLAMA_ORIGINS": {"type": "list", "default": None},
    "OLLAMA_REMOTES": {"type": "list", "default": "ollama.com"},
}
# Unset is neither on nor off: the devices decide.
OLLAMA_UNSET = {"OLLAMA_FLASH_ATTENTION"}
OLLAMA_REMOVED_ENV = [
    {"name": "OLLAMA_INTEL_GPU", "last_seen": "0.12.10", "gone_by": "0.12.11"},
    {"name": "OLLAMA_MAX_VRAM", "last_seen": "0.6.8", "gone_by": "0.7.0"},
    {"name": "OLLAMA_MULTIUSER_CACHE", "last_seen": "0.24.0", "gone_by": "0.30.0"},
    {"name": "OLLAMA_NEW_ENGINE", "last_seen": "0.24.0", "gone_by": "0.30.0"},
    {"name": "OLLAMA_NEW_ESTIMATES", "last_seen": "0.11.10", "gone_by": "0.11.11"},
    {"name": "OLLAMA_RUNNERS_DIR", "last_seen": "0.3.10", "gone_by": "0.3.11"},
    {"name": "OLLAMA_TMPDIR", "last_seen": "0.5.1", "gone_by": "0.5.2"},
]
OLLAMA_REMOVED_PARAMETERS = [
    {"name": "embedding_only", "last_seen": "0.1.27", "gone_by": "0.1.28"},
    {"name": "num_gqa", "last_seen": "0.1.34", "gone_by": "0.1.35"},
    {"name": "numa", "last_seen": "0.3.3", "gone_by": "0.3.4"},
    {"name": "rope_frequency_base", "last_seen": "0.1.34", "gone_by": "0.1.35"},
    {"name": "rope_frequency_scale", "last_seen": "0.1.34", "gone_by": "0.1.35"},
    {"name": "tfs_z", "last_seen": "0.5.1", "gone_by": "0.5.2"},
]
OLLAMA_ENDPOINTS = {
    "health": "/api/version",
    "ready": "/api/version",
    "metrics": None,
    "models": "/v1/models",
    "tags": "/api/tags",
    "loaded": "/api/ps",
    "chat": "/v1/chat/completions",
    "completions": "/v1/completions",
    "embeddings": "/v1/embeddings",
    "responses": "/v1/responses",
    "messages": "/v1/messages",
}

READER = re.compile(
    r'(?P<var>\w+)\s+=\s+(?P<reader>BoolWithDefault|Bool|Uint64|Uint|String)\("(?P<name>\w+)"'
    r"(?:,\s*(?P<default>\d+))?\)"
)
LISTED = re.compile(r'"(?P<name>\w+)"\]?\s*(?::|= EnvVar)\s*\{"\w+", (?P<read>[^\n]*?), "')
READ = re.compile(r'(?:os\.(?:Getenv|LookupEnv)|Var|Environ)\("([A-Z][A-Z0-9_]+)"\)')
OWN_NAME = re.compile(r'(?m)^(?!.*slog\.).*"(OLLAMA_[A-Z0-9_]+)"')  # not those that are only logged
COMMANDS = re.compile(r"func isValidCommand\(.*?case ([^\n]+):", re.DOTALL)
FIELD = re.compile(r'^\s+(\w+)\s+(\S+)\s+`json:"(\w+)', re.MULTILINE)
DEFAULT = re.compile(r"^\s+(\w+):\s+(-?[\d.]+),", re.MULTILINE)
DEPRECATED = re.compile(r"deprecatedParameters = \[\]string\{(.*?)\}", re.DOTALL)
CACHE_TYPE = re.compile(r"^- `([a-z]+\d\w*)` - .*precision", re.MULTILINE)
GO_TYPES = {"int": "int", "*int": "int", "float32": "float", "*bool": "bool", "[]string": "list"}


def _readers(source: str) -> dict[str, Record]:
    """Return what is read by envconfig's own readers, and what a bad value does there."""
    found: dict[str, Record] = {}
    for match in READER.finditer(source):
        reader, name = match["reader"], match["name"]
        call = re.search(rf"\b{match['var']}\((true|false)\), \"", source)
        row: Record = {"type": "str", "default": None}
        if reader.startswith("Bool"):
            default = bool(call and call[1] == "true")
            row = {"type": "bool", "default": default, "on_bad_value": "true"}
        elif reader.startswith("Uint"):
            row = {"type": "int", "default": int(match["default"]), "on_bad_value": "default"}
        if name in OLLAMA_UNSET:
            row["default"] = None
        found[name] = row | {"source": _place(ENVCONFIG, source, match.start())}
    return found


def _place(path: str, text: str, start: int) -> str:
    return f"{path}:{text.count(chr(10), 0, start) + 1}"


def ollama_env(sources: Iterable[tuple[str, str]]) -> list[Record]:
    """List the variables that the server or its command line reads."""
    files = dict(sources)
    config = files[ENVCONFIG]
    found = _readers(config)
    for match in LISTED.finditer(config):
        place = {"source": _place(ENVCONFIG, config, match.start())}
        row = OLLAMA_BY_HAND.get(match["name"])
        if row is None and match["name"] not in found and "String(" not in match["read"]:
            raise TableError(f"{match['name']}: nobody says how {match['read']} is read")
        found[match["name"]] = {**found.get(match["name"], {"type": "str"}), **(row or {}), **place}
    for path, text in files.items():
        for pattern in (READ, OWN_NAME):
            for match in pattern.finditer(text):
                place = {"source": _place(path, text, match.start())}
                row = {"type": "str", "default_known": False}
                found.setdefault(match.group(1), row | place)
    return by_name(
        {"name": name, **(row if "default_known" in row else {"default": None, **row})}
        for name, row in found.items()
    )


def modelfile_commands(source: str) -> list[Record]:
    """List the commands of a Modelfile. Only FROM must be there."""
    match = COMMANDS.search(source)
    if match is None:
        raise TableError(f"{PARSER}: no commands")
    names = [name.upper() for name in re.findall(r'"(\w+)"', match[1])]
    rows = [{"name": name, "type": "str", "required": name == "FROM"} for name in names]
    return by_name(compact(row) for row in rows)


def _struct(source: str, name: str) -> str:
    match = re.search(rf"\ntype {name} struct \{{\n(.*?)\n\}}", source, re.DOTALL)
    if match is None:
        raise TableError(f"{OPTIONS}: no struct {name}")
    return match[1]


def _go_default(go_type: str, given: float | None) -> Any:
    """Return the default of an option; a number that nobody sets is 0 in Go, the rest is unset."""
    if go_type == "int":
        return int(given or 0)
    return float(given or 0) if go_type == "float32" else None


def modelfile_parameters(options: str, parser: str) -> list[Record]:
    """List the PARAMETERs; those that are read and dropped are marked deprecated."""
    body = re.search(r"func DefaultOptions\(\) Options \{(.*?)\n\}", options, re.DOTALL)
    gone = DEPRECATED.search(parser)
    if body is None or gone is None:
        raise TableError("no defaults of the options, or no deprecated parameters")
    given = {name: float(text) for name, text in DEFAULT.findall(body[1])}
    rows: list[Record] = []
    for struct in ("Options", "Runner"):
        for field, go_type, name in FIELD.findall(_struct(options, struct)):
            kind, default = GO_TYPES[go_type], _go_default(go_type, given.get(field))
            when = "load" if struct == "Runner" else "request"
            rows.append({"name": name, "type": kind, "default": default, "applies": when})
    dropped = re.findall(r'"(\w+)"', gone[1])
    rows += [{"name": name, "deprecated": True} for name in dropped]
    # The context is not 0 when nobody sets it: the server takes it from the devices' memory.
    return by_name({**row, "default": None} if row["name"] == "num_ctx" else row for row in rows)


def _go_files(root: Path) -> Iterator[tuple[str, str]]:
    for folder in SERVER_FOLDERS:
        for path in sorted((root / folder).rglob("*.go")):
            name = path.relative_to(root).as_posix()
            if not any(mark in name for mark in NOT_OF_THE_SERVER):
                yield name, path.read_text(encoding="utf-8")


def _check(env: list[Record], commands: list[Record], parameters: list[Record]) -> None:
    """Refuse a table that is too small or has lost what everybody uses."""
    names = [row["name"] for row in (*env, *commands, *parameters)]
    lost = sorted(set(OLLAMA_SENTINELS) - set(names))
    sizes = (len(env), len(commands), len(parameters))
    least = (OLLAMA_MIN_ENV, OLLAMA_MIN_COMMANDS, OLLAMA_MIN_PARAMETERS)
    small = any(size < bound for size, bound in zip(sizes, least, strict=True))
    twice = sorted({name for name in names if names.count(name) > 1})
    if small or lost or twice:
        raise TableError(f"env, commands, parameters: {sizes}, lost: {lost}, twice: {twice}")


def build_ollama(args: argparse.Namespace) -> Table:
    """Build the table from a checkout of the release's tag."""
    root: Path = args.checkout
    parser = (root / PARSER).read_text(encoding="utf-8")
    env = ollama_env(_go_files(root))
    commands = modelfile_commands(parser)
    options = (root / OPTIONS).read_text(encoding="utf-8")
    parameters = modelfile_parameters(options, parser)
    _check(env, commands, parameters)
    host = next(row["default"] for row in env if row["name"] == "OLLAMA_HOST")
    build = (root / "LLAMA_CPP_VERSION").read_text(encoding="utf-8").strip()
    source = {
        "version": args.version,
        "artifact": f"ollama/ollama@{args.commit}",
        "method": "variable readers, Modelfile commands and option structs found in the source",
    }
    return {
        "schema": SCHEMA,
        "engine": "ollama",
        "versions": [args.version],
        "sampled": [args.version],
        "sources": [source],
        "llama_cpp_build": int(build.removeprefix("b")),
        "dialect": {
            **dict.fromkeys(
                ("underscores", "abbreviations", "equals", "dotted_json", "bool_values"), False
            ),
            "subcommands": ["serve"],
        },
        "default_port": int(str(host).rpartition(":")[2]),
        "endpoints": OLLAMA_ENDPOINTS,
        "env_unknown": "ignore",
        "env_prefixes": ["OLLAMA_"],
        "flags": [],
        "removed_flags": [],
        "env": env,
        "removed_env": OLLAMA_REMOVED_ENV,
        "modelfile_commands": commands,
        "modelfile_parameters": parameters,
        "removed_modelfile_parameters": OLLAMA_REMOVED_PARAMETERS,
        "metrics": [],
        "removed_metrics": [],
        "quantization": [],
        "kv_cache_dtypes": sorted(CACHE_TYPE.findall((root / FAQ).read_text(encoding="utf-8"))),
        "tool_call_parsers": [],
        "reasoning_parsers": [],
    }
