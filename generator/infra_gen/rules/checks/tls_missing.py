"""Keys and prompts cross a network in plain text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from infra_gen.model.finding import Finding
from infra_gen.rules.contract import Rule
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="tls-missing",
    severity="error",
    confidence="high",
    what="Reports a proxy that serves clients over plain HTTP while `serve.exposure` is `public` (an "
    "error) or `lan` (a warning).",
    why="The key stands in every request. On an open network whoever carries the traffic reads it, "
    "and every prompt and answer with it.",
    bad="http://:8080 {",
    good="https://ai.example.com {",
    fix="Leave `serve.tls` out (a certificate of the proxy for a LAN, of a public authority in "
    "public); if something in front of it does TLS, say so in `allow`.",
    sources=(
        "https://caddyserver.com/docs/automatic-https",
        "https://docs.vllm.ai/en/stable/usage/security/",
    ),
)


def check(subject: Subject) -> Iterator[Finding]:
    """One finding for each such site."""
    gate = subject.gateway()
    if gate is None or not subject.exposed():
        return
    public = subject.spec.serve.exposure == "public"
    for site in subject.client_sites():
        if site.upstreams and not site.encrypted:
            message = f"{', '.join(site.addresses)} is open to the network without TLS"
            found = RULE.finding(gate.file, message, line=site.directive.line)
            yield found if public else replace(found, severity="warning")
