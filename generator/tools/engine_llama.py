"""The llama.cpp table: pages of a real server, compared with older builds."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from tools.engine_llama_help import LLAMA_SENTINELS, TOMBSTONE, help_entries, llama_flag
from tools.engine_records import (
    SCHEMA,
    Record,
    Table,
    TableError,
    by_name,
    check_flags,
    load,
    parser_values,
    spellings,
)

LLAMA_METRIC = re.compile(r"# TYPE (llamacpp:\w+) (counter|gauge|histogram)")
LLAMA_REMOVED: dict[str, Record] = {
    "--direct-io": {"instead": "--load-mode dio", "last_seen": "10867", "gone_by": "10878"},
    "--mlock": {"instead": "--load-mode mlock", "last_seen": "10867", "gone_by": "10878"},
    "--mmap": {"instead": "--load-mode mmap", "last_seen": "10867", "gone_by": "10878"},
    "--no-direct-io": {"instead": "--load-mode auto", "last_seen": "10867", "gone_by": "10878"},
    "--no-mmap": {"instead": "--load-mode none", "last_seen": "10867", "gone_by": "10878"},
    "--ctx-size-draft": {},
    "--hf-repo-v": {},
    "--model-vocoder": {},
    "--verbose-prompt": {},
}
LLAMA_TOMBSTONES = {
    "--draft": "--spec-draft-n-max",
    "--draft-min": "--spec-draft-n-min",
    "--spec-ngram-min-hits": "--spec-ngram-simple-min-hits (or -map-k-, -map-k4v-)",
    "--spec-ngram-size-m": "--spec-ngram-simple-size-m (or -map-k-, -map-k4v-)",
    "--spec-ngram-size-n": "--spec-ngram-simple-size-n (or -map-k-, -map-k4v-)",
}
LLAMA_REMOVED_ENV = [
    {"name": "LLAMA_ARG_DRAFT_MAX", "instead": "LLAMA_ARG_SPEC_DRAFT_N_MAX", "fatal": True},
    {"name": "LLAMA_ARG_DRAFT_MIN", "instead": "LLAMA_ARG_SPEC_DRAFT_N_MIN", "fatal": True},
    {"name": "LLAMA_ARG_MLOCK", "instead": "LLAMA_ARG_LOAD_MODE"},
    {"name": "LLAMA_ARG_MMAP", "instead": "LLAMA_ARG_LOAD_MODE"},
    {"name": "LLAMA_ARG_MODEL_DRAFT", "instead": "LLAMA_ARG_SPEC_DRAFT_MODEL"},
    {"name": "LLAMA_ARG_WEBUI", "instead": "LLAMA_ARG_UI"},
    {"name": "LLAMA_LOG_COLORS", "instead": "LLAMA_ARG_LOG_COLORS"},
    {"name": "LLAMA_LOG_FILE", "instead": "LLAMA_ARG_LOG_FILE"},
    {"name": "LLAMA_LOG_PREFIX", "instead": "LLAMA_ARG_LOG_PREFIX"},
    {"name": "LLAMA_LOG_TIMESTAMPS", "instead": "LLAMA_ARG_LOG_TIMESTAMPS"},
    {"name": "LLAMA_LOG_VERBOSITY", "instead": "LLAMA_ARG_LOG_VERBOSITY"},
]
LLAMA_REMOVED_METRICS = [
    {"name": "llamacpp:kv_cache_tokens"},
    {"name": "llamacpp:kv_cache_usage_ratio"},
]
LLAMA_ENDPOINTS = {
    "health": "/health",
    "ready": "/health",
    "metrics": "/metrics",
    "models": "/v1/models",
    "slots": "/slots",
    "props": "/props",
    "chat": "/v1/chat/completions",
    "completions": "/v1/completions",
    "embeddings": "/v1/embeddings",
    "responses": "/v1/responses",
    "messages": "/v1/messages",
    "rerank": "/v1/rerank",
}


def llama_metrics(page: str, library: bytes) -> list[Record]:
    """List the metrics of a fresh page, and those only the library's strings name."""
    shown = dict(LLAMA_METRIC.findall(page))
    inside = dict(LLAMA_METRIC.findall(library.decode("latin-1")))
    records = [{"name": name, "type": kind} for name, kind in shown.items()]
    records += [
        {"name": name, "type": kind, "conditional": True}
        for name, kind in inside.items()
        if name not in shown
    ]
    return by_name(records)


def llama_removed(tombs: Sequence[Record], old: Record, present: set[str]) -> list[Record]:
    """List the spellings that a current build refuses."""
    removed: dict[str, Record] = {}
    for flag in tombs:
        for name in spellings(flag):
            removed[name] = {"name": name, "instead": LLAMA_TOMBSTONES[flag["name"]]}
    gone = {name for flag in old["flags"] for name in _older_spellings(flag)} - present
    for name in gone | set(LLAMA_REMOVED):
        removed.setdefault(name, {"name": name, **LLAMA_REMOVED.get(name, {})})
    return by_name(removed.values())


def _older_spellings(flag: Record) -> list[str]:
    return [] if flag["preset_only"] else [flag["name"], *flag["aliases"], *flag["negative"]]


def llama_since(
    flag: Record, old: set[str], sources: Sequence[tuple[str, str]], now: str
) -> Record:
    """Note the first sampled build that knows a flag the oldest sample lacks."""
    if flag["name"] in old:
        return flag
    holds = (build for build, source in sources if f'"{flag["name"]}"' in source)
    return flag | {"since": next(holds, now)}


def llama_env(flags: Iterable[Record]) -> list[Record]:
    """List the variables that stand for flags."""
    records = {
        flag["env"]: {"name": flag["env"], "type": flag["type"], "flag": flag["name"]}
        for flag in flags
        if "env" in flag
    }
    return by_name(records.values())


def build_llama(args: argparse.Namespace) -> Table:
    """Build the llama.cpp table from the pages of a real server."""
    version_text = args.version_text.read_text(encoding="utf-8")
    build = re.search(r"build (\d+)", version_text)
    release = re.search(r"version: (\S+)", version_text)
    if not build or not release:
        raise TableError("no build number in the version text")
    entries = list(help_entries(args.help_text.read_text(encoding="utf-8")))
    alive = [llama_flag(head, body) for head, body in entries if TOMBSTONE not in body]
    tombs = [llama_flag(head, body) for head, body in entries if TOMBSTONE in body]
    old = load(args.older_table)
    old_names = {name for flag in old["flags"] for name in _older_spellings(flag)}
    sources = [(b, Path(p).read_text("utf-8")) for b, p in map(_pair, args.older_source)]
    flags = by_name(llama_since(flag, old_names, sources, build.group(1)) for flag in alive)
    check_flags(flags, LLAMA_SENTINELS)
    present = {name for flag in flags for name in spellings(flag)}
    port = next(flag for flag in flags if flag["name"] == "--port")["default"]
    return {
        "schema": SCHEMA,
        "engine": "llama.cpp",
        "versions": [build.group(1)],
        "sampled": [*(b for b, _ in sources), build.group(1)],
        "compared": [old["version"]],
        "sources": [
            {
                "version": build.group(1),
                "release": release.group(1),
                "artifact": args.artifact,
                "sha256": args.artifact_sha256,
                "method": "help, version and metrics pages of the running server",
            }
        ],
        "dialect": {
            "underscores": True,
            "abbreviations": False,
            "equals": False,
            "dotted_json": False,
            "bool_values": False,
        },
        "default_port": port,
        "default_port_changes": [
            {"port": 8080, "last_seen": sources[-1][0], "gone_by": build.group(1)}
        ],
        "endpoints": LLAMA_ENDPOINTS,
        "env_unknown": "ignore",
        "env_prefixes": ["LLAMA_ARG_"],
        "env_negation": "LLAMA_ARG_NO_",
        "flags": flags,
        "removed_flags": llama_removed(tombs, old, present),
        "env": llama_env(flags),
        "removed_env": LLAMA_REMOVED_ENV,
        "metrics": llama_metrics(
            args.metrics_page.read_text(encoding="utf-8"), args.library.read_bytes()
        ),
        "removed_metrics": LLAMA_REMOVED_METRICS,
        "quantization": [],
        "kv_cache_dtypes": sorted(parser_values(flags, "--cache-type-k")),
        "tool_call_parsers": [],
        "reasoning_parsers": sorted(parser_values(flags, "--reasoning-format")),
    }


def _pair(text: str) -> tuple[str, str]:
    build, _, path = text.partition("=")
    return build, path
