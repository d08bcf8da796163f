"""The port that the engine listens on is not the one that others ask."""

from __future__ import annotations

import re
from collections.abc import Iterator

from infra_gen.model.finding import Finding
from infra_gen.rules.contract import Rule
from infra_gen.rules.monitoring import scrape_targets
from infra_gen.rules.places import at_key, at_text
from infra_gen.rules.service import Health, Service
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="health-port-mismatch",
    severity="error",
    confidence="high",
    what="Compares the port that the engine is told to listen on with its health check, the published "
    "port, the Dockerfile's HEALTHCHECK, the port that Prometheus scrapes and the one that the "
    "proxy passes requests to.",
    why="A health check on another port keeps the container unhealthy for ever; a published port "
    "that nobody listens on refuses every client; a scrape of it is an alert that never ends.",
    bad="command: [--port, '9931']\nhealthcheck:\n  test: [CMD, curl, 'http://localhost:8080/health']",
    good="command: [--port, '9931']\nhealthcheck:\n  test: [CMD, curl, 'http://127.0.0.1:9931/health']",
    fix="Write the same port in all of these places.",
    sources=("ggml-org/llama.cpp#10262", "ggml-org/llama.cpp#15943", "ggml-org/llama.cpp#26508"),
)
_PORT = re.compile(r"(?:localhost|127(?:\.\d+){3}|0\.0\.0\.0|\[::1?\]):(\d+)")


def check(subject: Subject) -> Iterator[Finding]:
    """Every place that names another port."""
    service, command = subject.service, subject.command
    if service is None or command is None:
        return
    port = subject.listening(command).port
    if not service.native:
        yield from _container(subject, service, port)
    dockerfile = subject.deployment.dockerfile_of(service)
    if dockerfile:
        for other in _ports(dockerfile.health) - {port}:
            message = f"HEALTHCHECK asks port {other}, the engine listens on {port}"
            yield at_text(RULE, subject, dockerfile.file, "HEALTHCHECK", message)
    yield from _scrapes(subject, service, port)
    yield from _proxied(subject, port)


def _container(subject: Subject, service: Service, port: int) -> Iterator[Finding]:
    for other in sorted(_ports(service.health) - {port}):
        message = f"the health check asks port {other}, the engine listens on {port}"
        yield at_key(RULE, subject, service, "healthcheck.test", message)
    inside = [one.container for one in service.ports]
    if inside and None not in inside and port not in inside:
        message = f"port {inside[0]} is published, the engine listens on {port}"
        yield at_key(RULE, subject, service, "ports", message)


def _scrapes(subject: Subject, service: Service, port: int) -> Iterator[Finding]:
    published = {one.host for one in service.ports}
    told = {one.job for one in subject.stack.scrapes if one.asked.role != "engine"}
    for target in scrape_targets(subject.deployment):
        if target.port is None or target.job in told:
            continue
        if target.host == service.name and not service.native:
            listening = {port}
        elif target.host in ("host.docker.internal", "localhost", "127.0.0.1") and target.engine:
            listening = {port} if service.native else {one for one in published if one}
        else:
            continue
        if listening and target.port not in listening:
            message = f"Prometheus asks {target.text}, the engine listens on {port}"
            yield at_text(RULE, subject, target.file, target.text, message)


def _proxied(subject: Subject, port: int) -> Iterator[Finding]:
    gate = subject.gateway()
    upstreams = (one for site in (gate.sites if gate else ()) for one in site.upstreams)
    for upstream in upstreams:
        for address in upstream.addresses:
            host, _, asked = address.rpartition("://")[2].rpartition(":")
            if gate and asked.isdigit() and (int(asked) != port or ":" in host.strip("[]")):
                said = f"the proxy passes on to {address}, the engine listens on {port}"
                line = upstream.directive.line
                yield RULE.finding(gate.file, said, line=line, key_path="reverse_proxy")


def _ports(health: Health | None) -> set[int]:
    if health is None or health.disabled:
        return set()
    return {int(number) for number in _PORT.findall(" ".join(health.test))}
