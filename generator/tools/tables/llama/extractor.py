"""llama.cpp's server from its sources, one snapshot a build."""

from __future__ import annotations

from pathlib import Path

from tools.tables.llama import pages as llama_pages
from tools.tables.llama.flags import environment, options_of
from tools.tables.llama.names import Files
from tools.tables.llama.server import endpoints, facts, metrics, negation_of
from tools.tables.llama.sources import fetch, releases
from tools.tables.records import Artefact, Guard, Snapshot, TableError, named

_GUARD = Guard(
    sentinels={
        "flags": (
            "--alias",
            "--api-key",
            "--api-key-file",
            "--batch-size",
            "--cache-type-k",
            "--cache-type-v",
            "--chat-template",
            "--cont-batching",
            "--ctx-size",
            "--flash-attn",
            "--hf-repo",
            "--host",
            "--metrics",
            "--model",
            "--n-gpu-layers",
            "--no-slots",
            "--parallel",
            "--port",
            "--split-mode",
            "--timeout",
            "--ubatch-size",
        ),
        "env": (
            "HF_TOKEN",
            "LLAMA_API_KEY",
            "LLAMA_ARG_CTX_SIZE",
            "LLAMA_ARG_HOST",
            "LLAMA_ARG_MODEL",
            "LLAMA_ARG_N_GPU_LAYERS",
            "LLAMA_ARG_N_PARALLEL",
            "LLAMA_ARG_PORT",
        ),
        "metrics": (
            "llamacpp:predicted_tokens_seconds",
            "llamacpp:prompt_tokens_total",
            "llamacpp:requests_deferred",
            "llamacpp:requests_processing",
        ),
        "kv_cache_dtypes": ("f16", "q8_0", "q4_0"),
        "endpoints": (
            "chat",
            "completions",
            "embeddings",
            "health",
            "metrics",
            "models",
            "props",
            "rerank",
            "slots",
        ),
        "facts": ("default_port", "underscores", "env_prefixes"),
    },
    at_least={
        "flags": 115,
        "env": 55,
        "metrics": 10,
        "kv_cache_dtypes": 8,
        "endpoints": 10,
        "facts": 8,
    },
    # Between 7347 and 7698 switches and their opposites became pairs, which share one variable.
    known_jumps={"7698": ("env",)},
)


class _Llama:
    engine = "llama.cpp"
    guard = _GUARD

    def releases(self, given: Path | None) -> list[str]:
        if given is not None and llama_pages.are_pages(given):
            return [llama_pages.build_of(given)]
        return releases(given)

    def fetch(self, version: str, given: Path | None, scratch: Path) -> Artefact:
        if given is not None and llama_pages.are_pages(given):
            return llama_pages.found(given)
        return fetch(version, given, scratch)

    def read(self, artefact: Artefact) -> Snapshot:
        try:
            pages = llama_pages.are_pages(artefact.path)
            return llama_pages.read(artefact) if pages else _read(artefact.path)
        except TableError as error:
            raise TableError(f"llama.cpp {artefact.version}: {error}") from error


def _read(root: Path) -> Snapshot:
    files = Files(root)
    arguments = files.text("common/arg.cpp")
    options = options_of(files)
    flags = options.flags()
    server = files.server()
    port = next((flag.get("default") for flag in flags if flag["name"] == "--port"), None)
    formats = next((flag for flag in flags if flag["name"] == "--reasoning-format"), {})
    return {
        "flags": flags,
        "env": environment(flags, negation_of(arguments)),
        "metrics": metrics(server),
        "kv_cache_dtypes": named(options.names.cache_types),
        "reasoning_parsers": named(formats.get("choices") or formats.get("known_values") or ()),
        "endpoints": endpoints(server),
        "facts": facts(arguments, port),
    }


def tombstones(root: Path) -> dict[str, str]:
    """Spelling -> what to use instead, of the flags that a source tree names only to refuse them."""
    return options_of(Files(root)).removed()


EXTRACTOR = _Llama()
