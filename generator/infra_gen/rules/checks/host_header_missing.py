"""The engine refuses the name that the proxy asks it by."""

from __future__ import annotations

from collections.abc import Iterator

from infra_gen.model.finding import Finding
from infra_gen.rules.contract import Rule
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="host-header-missing",
    severity="error",
    confidence="high",
    what="Reports a proxy that does not send the Host header that the engine wants.",
    why="Ollama answers 403 to names that it does not know while it listens on loopback. Through a "
    "proxy that passes the client's Host on, every request fails, though the server works.",
    bad="reverse_proxy 127.0.0.1:11434",
    good="reverse_proxy 127.0.0.1:11434 {\n\theader_up Host localhost\n}",
    fix="Set `header_up Host` to the name that the engine knows.",
    sources=(
        "https://github.com/ollama/ollama/blob/main/docs/faq.mdx",
        "https://caddyserver.com/docs/caddyfile/directives/reverse_proxy",
    ),
)


def check(subject: Subject) -> Iterator[Finding]:
    """One finding for each way to the engine."""
    wanted, gate = subject.engine.facts.http.host_header.value, subject.gateway()
    if wanted is None or gate is None:
        return
    for site in gate.sites:
        for upstream in site.upstreams:
            headers = (one for one in upstream.directive.body if one.name == "header_up")
            sent = [
                one.words[2] for one in headers if one.words[1:2] == ("Host",) and one.words[2:]
            ]
            if sent != [wanted]:
                message = f"Host is {sent[0] if sent else 'that of the client'}, not {wanted}"
                yield RULE.finding(gate.file, message, line=upstream.directive.line)
