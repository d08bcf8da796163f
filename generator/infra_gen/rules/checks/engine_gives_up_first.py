"""The engine stops waiting for its own model."""

from __future__ import annotations

from collections.abc import Iterator

from infra_gen.model.engine_table import parse_number
from infra_gen.model.finding import Finding
from infra_gen.rules.contract import Rule
from infra_gen.rules.places import at_key, at_setting
from infra_gen.rules.reading.values import duration_s
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="engine-gives-up-first",
    severity="error",
    confidence="high",
    what="Compares the engine's own limit for loading a model with the planned start-up time.",
    why="A start_period of half an hour is no help where vLLM itself gives up after 600 seconds, or "
    "Ollama after 300.",
    bad="environment: {}   # planned start: 900 s",
    good="environment:\n  VLLM_ENGINE_READY_TIMEOUT_S: '900'",
    fix="Set the variable to the planned start-up time or more.",
    sources=(
        "https://github.com/vllm-project/vllm/blob/main/vllm/envs.py",
        "https://github.com/ollama/ollama/blob/main/envconfig/config.go",
    ),
)


def check(subject: Subject) -> Iterator[Finding]:
    """At most one finding."""
    service, command = subject.service, subject.command
    facts, budget = subject.engine.facts.startup, subject.plan.startup.budget_s
    name, default = facts.ready_timeout_env.value, facts.ready_timeout_seconds.value
    if service is None or command is None or name is None:
        return
    text = command.setting(name)
    if text is None:
        if default is not None and default < budget:
            message = f"{name} is not set, so {default} s; the planned start takes {budget} s"
            yield at_key(RULE, subject, service, "environment", message)
        return
    have = parse_number(text) if duration_s(text) is None else duration_s(text)
    if have is not None and 0 < have < budget:
        message = f"{name} is {have:g} s; the planned start takes up to {budget} s"
        yield at_setting(RULE, subject, name, message)
