"""How vLLM's server is reached and how it reads its command line and environment."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator

from tools.tables.records import Record, TableError
from tools.tables.vllm.sources import Sources

_PATHS = {
    "chat": "/v1/chat/completions",
    "classify": "/classify",
    "completions": "/v1/completions",
    "detokenize": "/detokenize",
    "embeddings": "/v1/embeddings",
    "health": "/health",
    "load": "/load",
    "messages": "/v1/messages",
    "metrics": "/metrics",
    "models": "/v1/models",
    "ping": "/ping",
    "pooling": "/pooling",
    "ready": "/health",  # it answers when the engine is up, and fails when the engine is dead
    "rerank": "/v1/rerank",
    "responses": "/v1/responses",
    "score": "/v1/score",
    "tokenize": "/tokenize",
    "transcriptions": "/v1/audio/transcriptions",
    "translations": "/v1/audio/translations",
    "version": "/version",
}
_ROUTE = re.compile(
    rb"""@(?:router|app)\.(?:get|post|api_route|websocket)\(\s*["'](/[^"']*)["']"""
    rb"""|\bMount\(\s*["'](/[^"']*)["']"""
)
_ENTRYPOINTS = "vllm/entrypoints"
# A server of its own, for demonstration; `vllm serve` is another one.
_DEMO = "vllm/entrypoints/api_server.py"
_PARSERS = ("vllm.utils.argparse_utils", "vllm.utils")
_UNKNOWN = "Unknown vLLM environment variable"


def endpoints(sources: Sources) -> list[Record]:
    """Return the paths that the server of this release answers."""
    served = {path for where, path in _routes(sources) if where != _DEMO}
    return [{"name": name, "path": path} for name, path in _PATHS.items() if path in served]


def _routes(sources: Sources) -> Iterator[tuple[str, str]]:
    for file in sorted((sources.root / _ENTRYPOINTS).rglob("*.py")):
        for found in _ROUTE.finditer(file.read_bytes()):
            path = found.group(1) or found.group(2)
            yield file.relative_to(sources.root).as_posix(), path.decode("utf-8")


def facts(sources: Sources, flags: Iterable[Record]) -> list[Record]:
    """Return how this release reads what it is given."""
    parser = _parser_class(sources)
    text = ast.unparse(parser)
    values = {
        "abbreviations": "allow_abbrev" not in text,
        "bool_values": False,  # a pair of flags each: --x and --no-x take no value
        "default_port": next(flag["default"] for flag in flags if flag["name"] == "--port"),
        "dotted_json": "create_nested_dict" in text,
        "env_prefixes": ["VLLM_"],
        "env_unknown": "warn" if _warns(sources) else "ignore",
        "equals": True,
        "underscores": "replace('_', '-')" in text,
    }
    return [{"name": name, "value": value} for name, value in values.items()]


def _parser_class(sources: Sources) -> ast.ClassDef:
    for name in _PARSERS:
        module = sources.module(name)
        found = module.bindings.get("FlexibleArgumentParser") if module else None
        if isinstance(found, ast.ClassDef):
            return found
    raise TableError("there is no FlexibleArgumentParser")


def _warns(sources: Sources) -> bool:
    """Whether vLLM says something about variables of its prefix that it does not know."""
    for name in ("vllm.envs", "vllm.platforms.interface"):
        module = sources.module(name)
        path = sources.root.joinpath(*name.split(".")).with_suffix(".py")
        if module is not None and _UNKNOWN in path.read_text(encoding="utf-8"):
            return True
    return False
