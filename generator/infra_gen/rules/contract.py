"""The contract of a rule: one module with RULE (its page in the docs) and check (a pure function)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from infra_gen.model.finding import Confidence, Finding, Severity
from infra_gen.rules.subject import Subject


@dataclass(frozen=True, slots=True)
class Rule:
    """`slug` names the bad pattern; `fix` ends with a period; `sources` are public addresses."""

    slug: str
    severity: Severity
    confidence: Confidence
    what: str
    why: str
    bad: str
    good: str
    fix: str
    sources: tuple[str, ...]

    def finding(
        self,
        file: str,
        message: str,
        *,
        line: int | None = None,
        key_path: str | None = None,
        severity: Severity | None = None,
    ) -> Finding:
        """A finding of this rule, less or more severe than usual where `severity` says so."""
        return Finding(
            rule=self.slug,
            severity=severity or self.severity,
            confidence=self.confidence,
            file=file,
            line=line,
            key_path=key_path,
            message=message,
            fix=self.fix,
        )


class RuleModule(Protocol):
    """What a module in `rules/` must define."""

    RULE: Rule

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Every place where the subject shows the bad pattern."""
        ...
