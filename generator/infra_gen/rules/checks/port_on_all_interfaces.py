"""A port that was meant for this machine is open to the network."""

from __future__ import annotations

from collections.abc import Iterator

from infra_gen.model.finding import Finding
from infra_gen.rules.binding import engine_bound, is_loopback
from infra_gen.rules.contract import Rule
from infra_gen.rules.places import at_key
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="port-on-all-interfaces",
    severity="error",
    confidence="high",
    what="Reports published ports without a loopback address, and servers on the host that bind "
    "more than loopback, while `serve.exposure` is `loopback`.",
    why="`8000:8000` binds every address of the machine, past most host firewalls. vLLM's key "
    "guards only some paths: `/metrics`, `/tokenize` and others answer everybody who reaches the "
    "port.",
    bad="ports:\n  - '8000:8000'",
    good="ports:\n  - '127.0.0.1:8000:8000'",
    fix="Write 127.0.0.1: before the port, or bind 127.0.0.1 on the host.",
    sources=(
        "https://docs.docker.com/engine/network/port-publishing/",
        "https://docs.vllm.ai/en/stable/usage/security/",
    ),
)


def check(subject: Subject) -> Iterator[Finding]:
    """One finding for each such port."""
    if subject.exposed():
        return  # exposed-without-proxy says what may be open then
    for service in subject.deployment.services:
        for number, port in enumerate(service.ports):
            if not is_loopback(port.address):
                message = (
                    f"{service.name} publishes {port.text} on {port.address or 'every address'}"
                )
                yield at_key(RULE, subject, service, f"ports.{number}", message)
    yield from engine_bound(RULE, subject)
    yield from _proxy(subject)


def _proxy(subject: Subject) -> Iterator[Finding]:
    """What a proxy on the host binds."""
    proxy, gate = subject.proxy(), subject.gateway()
    if proxy is None or gate is None or not proxy.native:
        return
    for site in gate.sites:
        if not site.binds or not all(is_loopback(one) for one in site.binds):
            shown = ", ".join(site.binds) or "every address"
            message = f"the proxy binds {shown} of this machine for {', '.join(site.addresses)}"
            yield RULE.finding(gate.file, message, line=site.directive.line)
