"""Whoever reaches the port may use the model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from infra_gen.model.finding import Finding
from infra_gen.rules.contract import Rule
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="key-missing-when-exposed",
    severity="error",
    confidence="high",
    what="Reports, while `serve.exposure` is `lan` or `public`, a proxy that passes requests on "
    "without looking at a key; a warning where `serve.api_key: none` asks for that on a LAN.",
    why="The hardware then works for everybody who finds the address, and the logs name nobody.",
    bad="reverse_proxy engine:8000",
    good='@wrong_key not vars {header.Authorization} "Bearer {env.API_KEY}"\n'
    "error @wrong_key 401\nreverse_proxy engine:8000",
    fix="Set `serve.api_key: env` and run `infra-gen update`.",
    sources=(
        "https://docs.vllm.ai/en/stable/usage/security/",
        "https://techinformed.com/open-source-llms-are-forming-an-exposed-internet-compute-layer-researchers-warn",
    ),
)


def check(subject: Subject) -> Iterator[Finding]:
    """One finding for each such site."""
    gate = subject.gateway()
    if gate is None or not subject.exposed():
        return
    asked = subject.spec.serve.api_key == "none" and subject.spec.serve.exposure == "lan"
    for site in subject.client_sites():
        if site.asks_for_key:
            continue
        message = f"{', '.join(site.addresses)} asks for no key"
        found = RULE.finding(gate.file, message, line=site.directive.line)
        yield replace(found, severity="warning") if asked else found
