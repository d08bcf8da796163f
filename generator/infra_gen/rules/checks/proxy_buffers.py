"""Answers reach clients in lumps, or all at the end."""

from __future__ import annotations

from collections.abc import Iterator

from infra_gen.model.finding import Finding
from infra_gen.rules.contract import Rule
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="proxy-buffers",
    severity="error",
    confidence="high",
    what="Reports a `reverse_proxy` for clients without `flush_interval -1`, or behind `encode`, which"
    " collects what it compresses.",
    why="Chat clients show words as they come. A proxy that waits for a full buffer looks like a slow"
    " model, and clients with a timeout give up on it.",
    bad="reverse_proxy engine:8000",
    good="reverse_proxy engine:8000 {\n\tflush_interval -1\n}",
    fix="Set `flush_interval -1` and leave `encode` out.",
    sources=(
        "https://caddyserver.com/docs/caddyfile/directives/reverse_proxy",
        "ggml-org/llama.cpp#20872",
        "mostlygeek/llama-swap#236",
    ),
)


def check(subject: Subject) -> Iterator[Finding]:
    """One finding for each."""
    gate = subject.gateway()
    for site in subject.client_sites():
        for upstream in site.upstreams:
            if gate and upstream.option("flush_interval") != "-1":
                line = upstream.directive.line
                yield RULE.finding(gate.file, "no flush_interval -1", line=line)
        packed = next((one for one in site.directive.walk() if one.name == "encode"), None)
        if gate and packed and site.upstreams:
            message = "encode collects pieces of an answer before it sends them"
            yield RULE.finding(gate.file, message, line=packed.line)
