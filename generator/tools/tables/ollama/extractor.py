"""Ollama from its tags: variables, the words of a Modelfile, routes, and the llama.cpp inside.

`ollama serve` has no flags. What it takes comes from the environment (envconfig/config.go), and
what a model takes from its Modelfile (parser/parser.go, the option structs of api/types.go).
"""

from __future__ import annotations

import re
from pathlib import Path

from tools.tables import checkouts
from tools.tables.ollama.env import CONFIG, environment
from tools.tables.ollama.modelfile import OPTIONS, PARSER, commands, parameters
from tools.tables.records import Artefact, Guard, Record, Snapshot, TableError, by_name, named

_REPOSITORY = "ollama/ollama"
_SINCE = "0.3.2"  # envconfig reads with functions of its own from here on
_ROUTES = "server/routes.go"
_LLAMA_CPP = "LLAMA_CPP_VERSION"
_FAQ = ("docs/faq.mdx", "docs/faq.md")  # it moved
_FOLDERS = ("agent", "cmd", "discover", "envconfig", "gpu", "llm", "ml", "server", "x")
_NOT_OF_THE_SERVER = ("_test.go", "cmd/launch/", "cmd/bench/", "_windows.go")
_ALONE = (PARSER, OPTIONS, _LLAMA_CPP, *_FAQ)
_ROUTE = re.compile(r'\br\.(?:GET|POST|HEAD|DELETE|Handle)\((?:method, )?"([^"]+)"')
_CACHE_TYPE = re.compile(r"^- `([a-z]+\d\w*)` - .*precision", re.MULTILINE)
_ENDPOINTS = {
    "health": "/api/version",
    "ready": "/api/version",
    "models": "/v1/models",
    "tags": "/api/tags",
    "loaded": "/api/ps",
    "chat": "/v1/chat/completions",
    "completions": "/v1/completions",
    "embeddings": "/v1/embeddings",
    "responses": "/v1/responses",
    "messages": "/v1/messages",
}

_GUARD = Guard(
    sentinels={
        "env": (
            "OLLAMA_DEBUG",
            "OLLAMA_FLASH_ATTENTION",
            "OLLAMA_HOST",
            "OLLAMA_KEEP_ALIVE",
            "OLLAMA_LLM_LIBRARY",
            "OLLAMA_MAX_LOADED_MODELS",
            "OLLAMA_MAX_QUEUE",
            "OLLAMA_MODELS",
            "OLLAMA_NOHISTORY",
            "OLLAMA_NOPRUNE",
            "OLLAMA_NUM_PARALLEL",
            "OLLAMA_ORIGINS",
            "OLLAMA_SCHED_SPREAD",
        ),
        "modelfile_commands": ("FROM", "PARAMETER", "TEMPLATE", "SYSTEM", "ADAPTER"),
        "modelfile_parameters": ("num_ctx", "num_gpu", "num_thread", "temperature", "stop"),
        "endpoints": ("health", "models", "loaded", "chat", "embeddings", "metrics"),
        "facts": ("default_port", "env_prefixes"),
    },
    at_least={"env": 20, "modelfile_commands": 7, "modelfile_parameters": 20},
    # The six spellings of the proxies' variables came, OLLAMA_RUNNERS_DIR went.
    known_jumps={"0.3.11": ("env",)},
)


def _wanted(name: str) -> bool:
    if name in _ALONE:
        return True
    in_folder = name.endswith(".go") and name.split("/", maxsplit=1)[0] in _FOLDERS
    return in_folder and not any(mark in name for mark in _NOT_OF_THE_SERVER)


def _endpoints(routes: str) -> list[Record]:
    """List the routes that matter to a deployment. There are no metrics."""
    paths = set(_ROUTE.findall(routes))
    if "/metrics" in paths:
        raise TableError(f"{_ROUTES}: there are metrics now")
    rows = [{"name": name, "path": path} for name, path in _ENDPOINTS.items() if path in paths]
    return by_name([*rows, {"name": "metrics", "path": None}])


def _facts(root: Path, host: str) -> list[Record]:
    told = {
        "default_port": int(host.rpartition(":")[2]),
        **dict.fromkeys(
            ("underscores", "abbreviations", "equals", "dotted_json", "bool_values"), False
        ),
        "subcommands": ["serve"],
        "env_unknown": "ignore",
        "env_prefixes": ["OLLAMA_"],
    }
    # Before this file, llama.cpp was part of the sources; only its commit was told, not its build.
    if (root / _LLAMA_CPP).exists():
        build = checkouts.text(root, _LLAMA_CPP).strip()
        if not re.fullmatch(r"b\d+", build):
            raise TableError(f"{_LLAMA_CPP}: {build} is no build")
        told["llama_cpp_build"] = int(build.removeprefix("b"))
    return by_name({"name": name, "value": value} for name, value in told.items())


def _cache_types(root: Path, env: dict[str, Record]) -> list[str]:
    if "OLLAMA_KV_CACHE_TYPE" not in env:
        return []
    faq = next((root / name for name in _FAQ if (root / name).exists()), None)
    found = _CACHE_TYPE.findall(faq.read_text(encoding="utf-8")) if faq else []
    if "f16" not in found:
        raise TableError("the types of the KV cache are not told")
    return found


class _Ollama:
    engine = "ollama"
    guard = _GUARD

    def releases(self, given: Path | None) -> list[str]:
        return checkouts.releases(given, _REPOSITORY, _SINCE)

    def fetch(self, version: str, given: Path | None, scratch: Path) -> Artefact:
        return checkouts.fetch(_REPOSITORY, version, given, scratch, _wanted)

    def read(self, artefact: Artefact) -> Snapshot:
        try:
            return _read(artefact.path)
        except TableError as error:
            raise TableError(f"ollama {artefact.version}: {error}") from error


def _read(root: Path) -> Snapshot:
    sources = checkouts.texts(root, _FOLDERS, ".go")
    sources = {name: text for name, text in sources.items() if _wanted(name)}
    if CONFIG not in sources or _ROUTES not in sources:
        raise TableError(f"{CONFIG} or {_ROUTES} is not there")
    parser, options = checkouts.text(root, PARSER), checkouts.text(root, OPTIONS)
    env = environment(sources)
    known = {row["name"]: row for row in env}
    context = known.get("OLLAMA_CONTEXT_LENGTH", {}).get("default")
    return {
        "env": env,
        "kv_cache_dtypes": named(_cache_types(root, known)),
        "endpoints": _endpoints(sources[_ROUTES]),
        "facts": _facts(root, str(known["OLLAMA_HOST"]["default"])),
        "modelfile_commands": commands(parser),
        "modelfile_parameters": parameters(options, parser, context),
    }


EXTRACTOR = _Ollama()
