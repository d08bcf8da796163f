"""Findings with the place they speak of: a flag, a key of a service, a line of a file."""

from __future__ import annotations

import re

from infra_gen.model.finding import Finding, Severity
from infra_gen.rules.contract import Rule
from infra_gen.rules.service import Service
from infra_gen.rules.subject import Subject

# Where other files say what a compose file says under another name.
_PLIST_KEYS = {
    "command": "ProgramArguments",
    "environment": "EnvironmentVariables",
    "restart": "KeepAlive",
    "at_boot": "RunAtLoad",
    "stop_grace_period": "ExitTimeOut",
    "logging": "StandardOutPath",
}
_UNIT_KEYS = {
    "command": "ExecStart",
    "environment": "Environment",
    "restart": "Restart",
    "at_boot": "WantedBy",
    "stop_grace_period": "TimeoutStopSec",
    "start_timeout": "TimeoutStartSec",
    "supervisor_stop": "TimeoutStopSec",
    "healthcheck": "ExecStartPost",
    "mem_limit": "MemoryMax",
    "depends_on": "After",
    "devices": "DeviceAllow",
    "deploy": "DeviceAllow",
    "user": "User",
    "security_opt": "NoNewPrivileges",
    "cap_drop": "CapabilityBoundingSet",
}
_QUADLET_KEYS = {
    **_UNIT_KEYS,
    "command": "Exec",
    "image": "Image",
    "ports": "PublishPort",
    "volumes": "Volume",
    "shm_size": "ShmSize",
    "healthcheck": "HealthCmd",
    "stop_grace_period": "StopTimeout",
    "devices": "AddDevice",
    "deploy": "AddDevice",
    "cap_add": "AddCapability",
    "cap_drop": "DropCapability",
    "logging": "LogDriver",
    "network_mode": "Network",
    "extra_args": "PodmanArgs",
}
_KEYS = {"plist": _PLIST_KEYS, "unit": _UNIT_KEYS, "quadlet": _QUADLET_KEYS}
_MORE = {
    "unit": {"start_period": "TimeoutStartSec"},
    "quadlet": {"start_period": "HealthStartPeriod"},
}
SPEC_FILE = "infra-gen.yaml"


def at_flag(
    rule: Rule, subject: Subject, spelling: str, message: str, *, severity: Severity | None = None
) -> Finding:
    """A finding on a flag of the engine's command."""
    service = subject.service
    if service is None:
        return rule.finding("compose.yaml", message, severity=severity)
    if service.form in ("unit", "quadlet"):
        line = _line_of_word(subject, service, spelling)
    else:
        line = subject.deployment.line_of_word(service, spelling)
    if line is None:
        return at_key(rule, subject, service, "command", message, severity=severity)
    path = _path(service, "command")
    return rule.finding(service.file, message, line=line, key_path=path, severity=severity)


def at_setting(
    rule: Rule, subject: Subject, name: str, message: str, *, severity: Severity | None = None
) -> Finding:
    """A finding on a flag of the engine, or on a variable where `name` is one."""
    service = subject.service
    if service is None or name.startswith("-"):
        return at_flag(rule, subject, name, message, severity=severity)
    return at_key(rule, subject, service, f"environment.{name}", message, severity=severity)


def at_key(
    rule: Rule,
    subject: Subject,
    service: Service,
    key: str,
    message: str,
    *,
    severity: Severity | None = None,
) -> Finding:
    """A finding on a key of a service, named as in a compose file."""
    deployment, path = subject.deployment, _path(service, key)
    if service.form == "compose":
        line = deployment.line_at(service.file, path)
    elif service.form == "plist":
        line = deployment.line_of(service.file, f"<key>{path}</key>")
    else:
        head = path.partition("=")
        line = deployment.line_of(service.file, path if head[1] else f"{path}=")
    return rule.finding(service.file, message, line=line, key_path=path, severity=severity)


def at_text(
    rule: Rule,
    subject: Subject,
    file: str,
    needle: str,
    message: str,
    *,
    severity: Severity | None = None,
) -> Finding:
    """A finding on the line of a file that holds `needle`."""
    line = subject.deployment.line_of(file, needle)
    return rule.finding(file, message, line=line, severity=severity)


def in_spec(rule: Rule, subject: Subject, key: str, message: str) -> Finding:
    """A finding on what the user asked for."""
    last = key.rsplit(".", 1)[-1]
    line = subject.deployment.line_of(SPEC_FILE, f"{last}:")
    return rule.finding(SPEC_FILE, message, line=line, key_path=key)


def own_key(service: Service, key: str) -> str:
    """How the service's own file calls what a compose file calls `key`."""
    return key if service.form == "compose" else _path(service, key)


def _path(service: Service, key: str) -> str:
    if service.form == "compose":
        return f"{service.key_path}.{key}" if service.key_path else key
    head, _, rest = key.partition(".")
    if service.form == "plist":
        return rest or _PLIST_KEYS.get(head, head)
    if head == "environment" and rest:
        return f"Environment={rest}"
    return _MORE[service.form].get(rest, _KEYS[service.form].get(head, head))


def _line_of_word(subject: Subject, service: Service, word: str) -> int | None:
    """The line of a unit that has `word` on its own, comments left out."""
    pattern = re.compile(rf"(?<![\w-]){re.escape(word)}(?![\w-])")
    lines = subject.deployment.files.get(service.file, "").splitlines()
    for number, line in enumerate(lines, 1):
        if not line.lstrip().startswith(("#", ";")) and pattern.search(line):
            return number
    return None
