"""A port that was meant for this machine is open to the network."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from infra_gen.model.finding import Finding
from infra_gen.rules.contract import Rule
from infra_gen.rules.places import at_flag, at_key
from infra_gen.rules.service import Service
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
    if subject.spec.serve.exposure != "loopback":
        return
    for service in subject.deployment.services:
        for number, port in enumerate(service.ports):
            if not _is_loopback(port.address):
                message = (
                    f"{service.name} publishes {port.text} on {port.address or 'every address'}"
                )
                yield at_key(RULE, subject, service, f"ports.{number}", message)
    yield from _bound(subject, subject.service)


def _bound(subject: Subject, service: Service | None) -> Iterator[Finding]:
    """What the engine itself binds, where no container stands around it."""
    command = subject.command
    if service is None or command is None:
        return
    if not service.native and service.network_mode != "host":
        return
    host = command.text("--host")
    if host is None and subject.engine.name == "llama.cpp" and service.native:
        return  # its default is loopback; the images set another
    if not _is_loopback(host):
        message = f"{service.name} binds {host or 'every address'} of this machine"
        yield at_flag(RULE, subject, "--host", message)


def _is_loopback(address: str | None) -> bool:
    if address is None:
        return False
    if address == "localhost":
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
