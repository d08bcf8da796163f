"""Clients are expected from outside and cannot get in."""

from __future__ import annotations

from collections.abc import Iterator

from infra_gen.model.finding import Finding
from infra_gen.rules.binding import is_loopback
from infra_gen.rules.contract import Rule
from infra_gen.rules.places import at_key
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="exposure-unreachable",
    severity="warning",
    confidence="high",
    what="Reports, while `serve.exposure` is `lan` or `public`, a proxy that listens on loopback "
    "alone, or whose clients come to a port that is not published.",
    why="The README tells users an address that refuses them, and all that was done for the exposure "
    "(certificate, allow-list) guards a door nobody can reach.",
    bad="serve: {exposure: lan, host: box.lan}\n---\nproxy:\n  ports: ['127.0.0.1:8443:8443']",
    good="proxy:\n  ports: ['8443:8443']",
    fix="Publish the proxy on every address, or set `serve.exposure: loopback`.",
    sources=(
        "https://docs.docker.com/engine/network/port-publishing/",
        "https://caddyserver.com/docs/caddyfile/directives/bind",
    ),
)


def check(subject: Subject) -> Iterator[Finding]:
    """At most one finding."""
    proxy = subject.proxy()
    if not subject.exposed() or proxy is None:
        return
    if not proxy.native:
        if proxy.network_mode != "host" and all(is_loopback(port.address) for port in proxy.ports):
            message = f"{proxy.name} publishes nothing beyond loopback"
            yield at_key(RULE, subject, proxy, "ports", message)
        return
    gate, sites = subject.gateway(), subject.client_sites()
    if gate and sites and all(s.binds and all(map(is_loopback, s.binds)) for s in sites):
        line = sites[0].directive.line
        yield RULE.finding(gate.file, "clients are let in on loopback alone", line=line)
