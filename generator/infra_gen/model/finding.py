"""Finding: one record for whatever a rule, a schema or a comparison has to say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "info"]
Confidence = Literal["high", "medium", "low"]

_ORDER: dict[str, int] = {"error": 0, "warning": 1, "info": 2}


@dataclass(frozen=True, slots=True)
class Finding:
    """`key_path` is dotted inside the file; `fix` is one sentence that says what to write."""

    rule: str
    severity: Severity
    confidence: Confidence
    file: str
    message: str
    fix: str
    line: int | None = None
    key_path: str | None = None
    allowed: str | None = None

    @property
    def sort_key(self) -> tuple[int, str, int, str, str]:
        """Errors first, then by place: output does not depend on the order of rules."""
        return (_ORDER[self.severity], self.file, self.line or 0, self.rule, self.message)

    @property
    def counts(self) -> bool:
        """Whether this finding makes a command fail."""
        return self.severity == "error" and self.allowed is None
