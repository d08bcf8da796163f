"""The server answers to another name than clients were told."""

from __future__ import annotations

from collections.abc import Iterator

from infra_gen.model.finding import Finding
from infra_gen.rules.contract import Rule
from infra_gen.rules.places import at_flag
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="model-name-mismatch",
    severity="error",
    confidence="high",
    what="Compares `--served-model-name` (llama.cpp: `--alias`) with the name that the README, the "
    "smoke test and the spec use.",
    why="vLLM answers a request for another name with 404. Clients that were set up from the README "
    "stop working, and bin/smoke-test fails.",
    bad="command:\n  - --served-model-name=other",
    good="command:\n  - --served-model-name=qwen3-32b",
    fix="Set `serve.name` in infra-gen.yaml and run `infra-gen update`, so that all places agree.",
    sources=("https://docs.vllm.ai/en/v0.31.0/cli/",),
)


def check(subject: Subject) -> Iterator[Finding]:
    """At most one finding."""
    command = subject.command
    if command is None:
        return
    flag = "--served-model-name" if subject.engine.name == "vllm" else "--alias"
    used = command.of(flag)
    names = [name for value in (used.values if used else ()) for name in value.split(",")]
    if used and names and subject.plan.served_name not in names:
        wanted = subject.plan.served_name
        message = f"the server calls the model {' or '.join(names)}, clients ask for {wanted}"
        yield at_flag(RULE, subject, used.spelling, message)
