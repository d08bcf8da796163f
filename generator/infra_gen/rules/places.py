"""Findings with the place they speak of: a flag, a key of a service, a line of a file."""

from __future__ import annotations

from infra_gen.model.finding import Finding
from infra_gen.rules.contract import Rule
from infra_gen.rules.service import Service
from infra_gen.rules.subject import Subject

# Where a property list says what a compose file says under another name.
_PLIST_KEYS = {
    "command": "ProgramArguments",
    "environment": "EnvironmentVariables",
    "restart": "KeepAlive",
    "stop_grace_period": "ExitTimeOut",
}
SPEC_FILE = "infra-gen.yaml"


def at_flag(rule: Rule, subject: Subject, spelling: str, message: str) -> Finding:
    """A finding on a flag of the engine's command."""
    service = subject.service
    if service is None:
        return rule.finding("compose.yaml", message)
    line = subject.deployment.line_of_word(service, spelling)
    if line is None:
        return at_key(rule, subject, service, "command", message)
    return rule.finding(service.file, message, line=line, key_path=_path(service, "command"))


def at_key(rule: Rule, subject: Subject, service: Service, key: str, message: str) -> Finding:
    """A finding on a key of a service, named as in a compose file."""
    deployment, path = subject.deployment, _path(service, key)
    if service.native:
        line = deployment.line_of(service.file, f"<key>{path}</key>")
    else:
        line = deployment.line_at(service.file, path)
    return rule.finding(service.file, message, line=line, key_path=path)


def at_text(rule: Rule, subject: Subject, file: str, needle: str, message: str) -> Finding:
    """A finding on the line of a file that holds `needle`."""
    return rule.finding(file, message, line=subject.deployment.line_of(file, needle))


def in_spec(rule: Rule, subject: Subject, key: str, message: str) -> Finding:
    """A finding on what the user asked for."""
    last = key.rsplit(".", 1)[-1]
    line = subject.deployment.line_of(SPEC_FILE, f"{last}:")
    return rule.finding(SPEC_FILE, message, line=line, key_path=key)


def _path(service: Service, key: str) -> str:
    if service.native:
        head, _, rest = key.partition(".")
        return rest or _PLIST_KEYS.get(head, head)
    return f"{service.key_path}.{key}"
