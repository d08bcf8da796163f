"""The engine reports to its makers."""

from __future__ import annotations

from collections.abc import Iterator

from infra_gen.model.finding import Finding
from infra_gen.rules.contract import Rule
from infra_gen.rules.places import at_key
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="telemetry-on",
    severity="warning",
    confidence="high",
    what="Reports an engine without the variables that switch usage reports and look-ups at its "
    "makers' servers off.",
    why="It then talks to the internet from time to time: which model, which machine. On a closed "
    "network it waits for an answer that never comes.",
    bad="environment: {}",
    good="environment:\n  VLLM_NO_USAGE_STATS: '1'",
    fix="Set the variables, or allow this rule where reporting is wanted.",
    sources=(
        "https://docs.vllm.ai/en/stable/usage/usage_stats/",
        "https://huggingface.co/docs/text-generation-inference/usage_statistics",
        "https://github.com/ollama/ollama/blob/main/docs/faq.mdx",
    ),
)


def check(subject: Subject) -> Iterator[Finding]:
    """One finding with all that is missing."""
    service = subject.service
    if service is None or service.env_files:
        return
    env = subject.deployment.environment(service)
    facts = subject.engine.facts.environment.private
    missing = [f"{fact.name}={fact.value}" for fact in facts if env.get(fact.name) != fact.value]
    if missing:
        message = f"it reports to its makers without {', '.join(missing)}"
        yield at_key(RULE, subject, service, "environment", message)
