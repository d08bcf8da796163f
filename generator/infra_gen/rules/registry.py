"""Every rule by slug."""

from __future__ import annotations

from dataclasses import replace

from infra_gen.model.finding import Finding
from infra_gen.rules.contract import RuleModule
from infra_gen.rules.subject import Subject

RULES: dict[str, RuleModule] = {}


def run(subject: Subject) -> tuple[Finding, ...]:
    """Every finding of every rule, sorted; what the spec allows is marked with its reason."""
    allowed = {entry.rule: entry.reason for entry in subject.spec.allow}
    found = [
        replace(finding, allowed=allowed.get(finding.rule))
        for module in RULES.values()
        for finding in module.check(subject)
    ]
    return tuple(sorted(found, key=lambda finding: finding.sort_key))
