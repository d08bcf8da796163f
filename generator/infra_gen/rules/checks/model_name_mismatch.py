"""The server answers to another name than clients were told."""

from __future__ import annotations

from collections.abc import Iterator

from infra_gen.model.finding import Finding
from infra_gen.rules.contract import Rule
from infra_gen.rules.places import at_flag, at_key
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="model-name-mismatch",
    severity="error",
    confidence="high",
    what="Compares `--served-model-name` (llama.cpp: `--alias`; Ollama: the model that is loaded "
    "first) with the name that the README, the smoke test and the spec use.",
    why="vLLM answers a request for another name with 404. Clients that were set up from the README "
    "stop working, and bin/smoke-test fails.",
    bad="command:\n  - --served-model-name=other",
    good="command:\n  - --served-model-name=qwen3-32b",
    fix="Set `serve.name` in infra-gen.yaml and run `infra-gen update`, so that all places agree.",
    sources=("https://docs.vllm.ai/en/v0.31.0/cli/",),
)


def check(subject: Subject) -> Iterator[Finding]:
    """The engine's own name for it, then the one that another service asks for."""
    command = subject.command
    if command is None:
        return
    flag, wanted = subject.engine.facts.knobs.served_name, subject.plan.served_name
    used = command.of(flag) if flag else None
    names = [name for value in (used.values if used else ()) for name in value.split(",")]
    if used and names and wanted not in names:
        message = f"the server calls the model {' or '.join(names)}, clients ask for {wanted}"
        yield at_flag(RULE, subject, used.spelling, message)
    yield from _asked(subject, wanted)


def _asked(subject: Subject, wanted: str) -> Iterator[Finding]:
    """The place of a command where the name stands, in services that load the model by it."""
    for service in subject.having("warmup"):
        planned = subject.planned(service)
        words = [arg.value or arg.flag for arg in planned.argv] if planned else []
        if wanted not in words or len(service.words) <= words.index(wanted):
            continue
        name = service.words[words.index(wanted)]
        if name != wanted:
            message = f"{service.name} loads {name}, clients ask for {wanted}"
            yield at_key(RULE, subject, service, "command", message)
