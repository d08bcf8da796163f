"""mlx-lm's server from its releases on the index: the arguments and routes of mlx_lm/server.py."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tools.tables.python.argparse_calls import TYPES, argument_of, calls, record
from tools.tables.python.modules import Module, Package, dotted
from tools.tables.python.package_sources import Project
from tools.tables.python.values import Scope, Values
from tools.tables.records import Artefact, Guard, Record, Snapshot, TableError, by_name

_PROJECT = Project("mlx-lm", "mlx_lm", "0.20")
_METHOD = "argparse calls, routes and variable reads found in the source"
_TYPES = {**TYPES, "lambda": "str", "_parse_size": "size", "parse_size": "size"}
_ENDPOINTS = {
    "health": "/health",
    "ready": "/health",
    "models": "/v1/models",
    "chat": "/v1/chat/completions",
    "completions": "/v1/completions",
}
_ROUTE = re.compile(r"/[a-z][a-z0-9/_]*")
_READS = re.compile(r"os\.(?:getenv|environ\.get)")
# Variables of mlx and of model code that the server imports; those of training tools are not read.
_READERS = ("utils", "models")

_GUARD = Guard(
    sentinels={
        "flags": (
            "--model",
            "--adapter-path",
            "--host",
            "--port",
            "--trust-remote-code",
            "--log-level",
            "--chat-template",
            "--use-default-chat-template",
        ),
        "endpoints": ("models", "chat", "completions", "metrics"),
    },
    at_least={"flags": 8},
)


def _flags(values: Values, server: Module) -> list[Record]:
    main = values.definition(server, "main").node
    found = [argument_of(call, values, Scope(server)) for call in calls(main.body)]
    return by_name(record(argument, _TYPES) for argument in found)


def _endpoints(server: Module) -> list[Record]:
    """List the routes: what the handler compares its path with, and the keys of its table."""
    texts = {
        node.value
        for node in ast.walk(values_of_handler(server))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    paths = {text for text in texts if _ROUTE.fullmatch(text)}
    if "/metrics" in paths:
        raise TableError("there are metrics now")
    rows = [{"name": name, "path": path} for name, path in _ENDPOINTS.items() if path in paths]
    return by_name([*rows, {"name": "metrics", "path": None}])


def values_of_handler(server: Module) -> ast.AST:
    """Return the class that answers requests."""
    found = server.bound.get("APIHandler", [])
    if len(found) != 1:
        raise TableError("no class APIHandler")
    return found[0]


def _environment(package: Package, values: Values) -> list[Record]:
    """List the variables that the server's own modules read when they are imported."""
    found: dict[str, Record] = {}
    for module in package.below("mlx_lm", _READS.search):
        if module.name.split(".")[1] in _READERS:
            for node in ast.walk(module.tree):
                if isinstance(node, ast.Call) and _READS.fullmatch(dotted(node.func)):
                    name, *default = (values.value(arg, Scope(module)) for arg in node.args)
                    row = {"name": name, "type": "str", "default": default[0] if default else None}
                    found[name] = row
    return by_name(found.values())


def _facts(flags: list[Record]) -> list[Record]:
    told = {
        "default_port": next(flag["default"] for flag in flags if flag["name"] == "--port"),
        "underscores": False,
        "abbreviations": True,  # argparse's own way
        "equals": True,
        "dotted_json": False,
        "bool_values": False,
        "env_unknown": "ignore",
        "env_prefixes": [],
    }
    return by_name({"name": name, "value": value} for name, value in told.items())


class _MlxLm:
    engine = "mlx-lm"
    guard = _GUARD

    def releases(self, given: Path | None) -> list[str]:
        return _PROJECT.releases(given)

    def fetch(self, version: str, given: Path | None, scratch: Path) -> Artefact:
        return _PROJECT.fetch(version, given, scratch, _METHOD)

    def read(self, artefact: Artefact) -> Snapshot:
        try:
            return _read(artefact.path)
        except TableError as error:
            raise TableError(f"mlx-lm {artefact.version}: {error}") from error


def _read(root: Path) -> Snapshot:
    package = Package(root)
    values = Values(package)
    server = package.module("mlx_lm.server")
    flags = _flags(values, server)
    return {
        "flags": flags,
        "env": _environment(package, values),
        "endpoints": _endpoints(server),
        "facts": _facts(flags),
    }


EXTRACTOR = _MlxLm()
