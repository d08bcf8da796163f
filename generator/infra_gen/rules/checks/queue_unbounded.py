"""Requests pile up without a limit."""

from __future__ import annotations

from collections.abc import Iterator

from infra_gen.model.finding import Finding
from infra_gen.rules.contract import Rule
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="queue-unbounded",
    severity="warning",
    confidence="high",
    what="Reports a proxy without `unhealthy_request_count`, its limit of requests at once.",
    why="Engines queue whatever comes. With ten times the planned load everybody waits ten times as "
    "long, and clients that gave up and asked again make it worse. A 503 at once tells them to "
    "come back.",
    bad="reverse_proxy engine:8000",
    good="reverse_proxy engine:8000 {\n\tunhealthy_request_count 40\n}",
    fix="Set `unhealthy_request_count` to the planned number; `infra-gen update` writes it.",
    sources=(
        "https://caddyserver.com/docs/caddyfile/directives/reverse_proxy",
        "vllm-project/vllm#2308",
    ),
)


def check(subject: Subject) -> Iterator[Finding]:
    """One finding for each way to the engine."""
    gate = subject.gateway()
    for site in subject.client_sites():
        for upstream in site.upstreams:
            if gate and not upstream.option("unhealthy_request_count"):
                message = "no unhealthy_request_count: every request is let in to wait"
                yield RULE.finding(gate.file, message, line=upstream.directive.line)
