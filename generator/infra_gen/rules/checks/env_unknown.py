"""Engine variables that the pinned version does not read."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from infra_gen.model.engine_table import Table
from infra_gen.model.finding import Finding
from infra_gen.rules.contract import Rule
from infra_gen.rules.places import at_key, at_text
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="env-unknown",
    severity="error",
    confidence="high",
    what="Reports environment variables with the engine's own prefix (`VLLM_`, `LLAMA_ARG_`, `OLLAMA_`) "
    "that the pinned version does not read.",
    why="vLLM only warns of them, llama.cpp and Ollama say nothing, so a setting that somebody relies on "
    "is silently not there. A few that llama.cpp has retired stop it at once.",
    bad="environment:\n  VLLM_ATTENTION_BACKEND: FLASHINFER",
    good="command:\n  - --attention-backend=FLASHINFER",
    fix="Remove the variable, or write the name that this version reads.",
    sources=(
        "https://github.com/vllm-project/vllm/blob/main/vllm/envs.py",
        "https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md",
    ),
)


def check(subject: Subject) -> Iterator[Finding]:
    """One finding for each such variable of the engine's service and of its Dockerfile."""
    service, table = subject.service, subject.engine.table
    if service is None:
        return
    dockerfile = subject.deployment.dockerfile_of(service)
    for name in sorted(set(service.env) | set(dockerfile.env if dockerfile else ())):
        if _known(name, table):
            continue
        message = f"{subject.title} does not read {name}{_why(name, table)}{table.doubt}"
        severity = table.absence(name)
        if name in service.env:
            yield at_key(RULE, subject, service, f"environment.{name}", message, severity=severity)
        elif dockerfile:
            yield at_text(RULE, subject, dockerfile.file, name, message, severity=severity)


def _known(name: str, table: Table) -> bool:
    if name in table.removed_env:
        return False
    if name in table.env or not name.startswith(table.env_prefixes):
        return True
    negation = table.env_negation
    if negation is None or not name.startswith(negation):
        return False
    rest = name.removeprefix(negation)
    return any(prefix + rest in table.env for prefix in table.env_prefixes)


def _why(name: str, table: Table) -> str:
    gone = table.removed_env.get(name)
    if gone:
        return gone.said
    close = difflib.get_close_matches(name, sorted(table.env), n=2, cutoff=0.8)
    return f"; did you mean {' or '.join(close)}?" if close else ""
