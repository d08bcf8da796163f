"""The proxy cuts answers that are still coming."""

from __future__ import annotations

from collections.abc import Iterator

from infra_gen.model.finding import Finding
from infra_gen.rules.contract import Rule
from infra_gen.rules.gateway import Gateway, Upstream
from infra_gen.rules.reading.values import duration_s
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="proxy-timeout-too-short",
    severity="error",
    confidence="high",
    what="Compares the proxy's `read_timeout` and `response_header_timeout` with ten minutes and with "
    "the engine's own keep-alive pings, and reports `write` and `read_body` timeouts of the "
    "server.",
    why="A long prompt is silent for minutes before its first token. The 60 seconds that many proxies"
    " allow end it with 504, after the GPU did the work.",
    bad="transport http {\n\tread_timeout 60s\n}",
    good="transport http {\n\tread_timeout 900s\n}",
    fix="Let the engine be silent for as long as the longest prompt takes: 10 minutes or more.",
    sources=(
        "ollama/ollama#465",
        "ggml-org/llama.cpp#20872",
        "https://caddyserver.com/docs/caddyfile/directives/reverse_proxy",
        "https://caddyserver.com/docs/caddyfile/options",
    ),
)
_LEAST_S = 600.0
_PING = "--sse-ping-interval"


def check(subject: Subject) -> Iterator[Finding]:
    """One finding for each limit that is too short."""
    gate = subject.gateway()
    if gate is None:
        return
    least = _least(subject)
    for site in subject.client_sites():
        for upstream in site.upstreams:
            yield from _upstream(gate, upstream, least)
    for server in gate.options.body:
        limits = server.child("timeouts") if server.name == "servers" else None
        for name in ("write", "read_body"):
            found = limits.child(name) if limits else None
            if found:
                message = f"{name} {' '.join(found.words[1:])} cuts answers that take longer"
                yield RULE.finding(gate.file, message, line=found.line)


def _upstream(gate: Gateway, upstream: Upstream, least: float) -> Iterator[Finding]:
    for name in ("read_timeout", "response_header_timeout"):
        text = upstream.option("transport", name)
        have = duration_s(text) if text else None
        if have is not None and 0 < have < least:
            message = f"{name} is {have:g} s; the engine may be silent for {least:g} s"
            yield RULE.finding(gate.file, message, line=upstream.directive.line)


def _least(subject: Subject) -> float:
    """Seconds of silence that must be allowed: ten minutes, or two pings of the engine."""
    command = subject.command
    ping = command.number(_PING) if command else None
    return max(_LEAST_S, 2 * (ping or 0.0))
