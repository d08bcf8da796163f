"""Which addresses are this machine alone, and what the engine binds on the host."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from infra_gen.model.finding import Finding
from infra_gen.rules.contract import Rule
from infra_gen.rules.places import at_setting
from infra_gen.rules.subject import Subject


def is_loopback(address: str | None) -> bool:
    """Whether only this machine reaches the address; None is every address."""
    if address is None:
        return False
    if address == "localhost":
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def engine_bound(rule: Rule, subject: Subject) -> Iterator[Finding]:
    """A finding of `rule` where the engine binds more than loopback, with no container around it."""
    service, command = subject.service, subject.command
    if service is None or command is None:
        return
    if not service.native and service.network_mode != "host":
        return
    told = subject.listening(command)
    # In an image another default may stand; on the host the program's own does.
    known = service.native or told.address_by is not None
    if not known or not is_loopback(told.address):
        facts = subject.engine.facts
        name = facts.knobs.listen or facts.http.host_flag.value or ""
        shown = told.address if known and told.address else "every address"
        message = f"{service.name} binds {shown} of this machine"
        yield at_setting(rule, subject, name, message)
