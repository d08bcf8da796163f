"""Something else than the proxy is reached from outside."""

from __future__ import annotations

from collections.abc import Iterator

from infra_gen.model.finding import Finding
from infra_gen.rules.binding import engine_bound, is_loopback
from infra_gen.rules.contract import Rule
from infra_gen.rules.places import at_key, in_spec
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="exposed-without-proxy",
    severity="error",
    confidence="high",
    what="Reports, while `serve.exposure` is `lan` or `public`, every service but the proxy that "
    "listens beyond loopback, and a deployment without a proxy.",
    why="No engine's own key guards all that it answers: vLLM checks `/v1` and a few other beginnings"
    " and leaves `/invocations`, which generates, and `/metrics` open; Ollama has no key, and "
    "anybody may pull and delete models. 175,108 open Ollama hosts were counted in January 2026.",
    bad="services:\n  engine:\n    ports: ['8000:8000']",
    good="services:\n  engine:\n    ports: ['127.0.0.1:8000:8000']\n  proxy:\n    ports: ['8443:8443']",
    fix="Publish the proxy alone; the engine needs no port, everything else belongs on 127.0.0.1.",
    sources=(
        "https://docs.vllm.ai/en/stable/usage/security/",
        "https://techinformed.com/open-source-llms-are-forming-an-exposed-internet-compute-layer-researchers-warn",
        "https://github.com/ollama/ollama/blob/main/docs/faq.mdx",
    ),
)


def check(subject: Subject) -> Iterator[Finding]:
    """One finding for each open door, or for the missing proxy."""
    if not subject.exposed():
        return
    if subject.service is not None and subject.proxy() is None:
        asked = subject.spec.serve.exposure
        yield in_spec(RULE, subject, "serve.exposure", f"exposure is {asked}, there is no proxy")
    for service in subject.deployment.services:
        if subject.role(service) == "proxy":
            continue
        for number, port in enumerate(service.ports):
            if not is_loopback(port.address):
                where = port.address or "every address"
                message = f"{service.name} publishes {port.text} on {where}, past the proxy"
                yield at_key(RULE, subject, service, f"ports.{number}", message)
    yield from engine_bound(RULE, subject)
