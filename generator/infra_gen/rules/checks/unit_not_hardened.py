"""A unit that may do what any program of its user may."""

from __future__ import annotations

import re
from collections.abc import Iterator

from infra_gen.model.finding import Finding
from infra_gen.rules.contract import Rule
from infra_gen.rules.service import Service
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="unit-not-hardened",
    severity="warning",
    confidence="high",
    what="Reports systemd units of the deployment that run as root, may gain rights, or may write to "
    "the system and to homes.",
    why="A server that is open to requests reads files, models and templates from strangers. systemd "
    "takes the rights away that it does not need, at no cost; `systemd-analyze security` shows "
    "the difference.",
    bad="[Service]\nExecStart=/opt/infra-gen/chat/engine/llama-server",
    good="[Service]\nUser=infra-gen-chat\nNoNewPrivileges=yes\nProtectSystem=strict\nProtectHome=yes\nPrivateTmp=yes",
    fix="Set what is missing; folders that it writes to go into StateDirectory= or ReadWritePaths=.",
    sources=(
        "https://www.freedesktop.org/software/systemd/man/latest/systemd.exec.html",
        "https://www.freedesktop.org/software/systemd/man/latest/systemd-analyze.html",
    ),
)


_SETTING = re.compile(r"^(\w+)=(.*)$", re.MULTILINE)
_YES = ("yes", "true", "on", "1")
_WANTED = {
    "NoNewPrivileges": _YES,
    "ProtectSystem": ("strict", "full"),
    "ProtectHome": (*_YES, "tmpfs", "read-only"),
    "PrivateTmp": (*_YES, "disconnected"),
}


def check(subject: Subject) -> Iterator[Finding]:
    """One finding for each unit, with what is missing."""
    for service in subject.deployment.services:
        if service.form != "unit" or subject.planned(service) is None:
            continue
        missing = ", ".join(_missing(subject, service))
        if missing:
            line = subject.deployment.line_of(service.file, "[Service]")
            yield RULE.finding(service.file, f"{service.name} has no {missing}", line=line)


def _missing(subject: Subject, service: Service) -> Iterator[str]:
    said = dict(_SETTING.findall(subject.deployment.files.get(service.file, "")))
    if said.get("DynamicUser", "").lower() not in _YES and said.get("User", "") in (
        "",
        "root",
        "0",
    ):
        yield "User"
    yield from (key for key, good in _WANTED.items() if said.get(key, "").lower() not in good)
