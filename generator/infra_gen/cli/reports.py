"""What `check` found, for people, scripts, GitHub and code scanning."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra_gen import __version__
from infra_gen.lifecycle.drift import EXPLANATIONS

if TYPE_CHECKING:
    from infra_gen.api import Checked

_SARIF_LEVEL = {"error": "error", "warning": "warning", "info": "note"}
_GITHUB_LEVEL = {"error": "error", "warning": "warning", "info": "notice"}
_SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing to say of one place. `file` is relative to where the command runs."""

    deployment: str
    file: str
    line: int | None
    severity: str
    code: str
    message: str
    fix: str | None

    @property
    def fingerprint(self) -> str:
        """The same for the same trouble, wherever in its file it moves to."""
        said = "\n".join((self.code, self.file, self.message))
        return hashlib.sha256(said.encode()).hexdigest()


def shown(path: Path) -> str:
    """The path as seen from here, with forward slashes."""
    return Path(os.path.relpath(path)).as_posix()


def entries(checked: Checked, *, strict: bool) -> Iterator[Entry]:
    """Drift, findings and errors of one folder."""
    root, place = checked.root, shown(checked.root)
    mend = f"infra-gen update {place}"
    if checked.error:
        error = checked.error
        where, _, line = (error.where or "").partition(":")
        file = shown(Path(where)) if where and Path(where).exists() else place
        number = int(line.split(":")[0]) if line.split(":")[0].isdigit() else None
        code = error.exit_code.name.lower().replace("_", "-")
        yield Entry(place, file, number, "error", code, error.message, error.hint)
    for one in checked.drift:
        severity = "warning" if one.kind == "stale" and not strict else "error"
        message = EXPLANATIONS[one.kind]
        yield Entry(
            place, shown(root / one.path), one.line, severity, f"drift-{one.kind}", message, mend
        )
    for found in checked.findings:
        if not found.allowed:
            yield Entry(
                place,
                shown(root / found.file),
                found.line,
                found.severity,
                found.rule,
                found.message,
                found.fix,
            )


def _escaped(text: str, *, value: bool = False) -> str:
    """A workflow command's text; in a property, its separators too."""
    text = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return text.replace(":", "%3A").replace(",", "%2C") if value else text


def github(found: Sequence[Entry]) -> list[str]:
    """Workflow commands that annotate a pull request."""
    lines = []
    for one in found:
        places = [("file", one.file), ("line", str(one.line or 1)), ("title", one.code)]
        said = ",".join(f"{key}={_escaped(value, value=True)}" for key, value in places)
        fix = f"\nfix: {one.fix}" if one.fix else ""
        lines.append(f"::{_GITHUB_LEVEL[one.severity]} {said}::{_escaped(one.message + fix)}")
    return lines


def _sarif_result(one: Entry) -> dict[str, Any]:
    location: dict[str, Any] = {
        "artifactLocation": {"uri": one.file, "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": one.line or 1},
    }
    return {
        "ruleId": one.code,
        "level": _SARIF_LEVEL[one.severity],
        "message": {"text": f"{one.message}. {one.fix}" if one.fix else one.message},
        "locations": [{"physicalLocation": location}],
        "partialFingerprints": {"infraGen/v1": one.fingerprint},
    }


def sarif(found: Sequence[Entry]) -> str:
    """A SARIF 2.1.0 log."""
    rules = [{"id": code} for code in sorted({one.code for one in found})]
    driver = {"name": "infra-gen", "version": __version__, "rules": rules}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_sarif_result(one) for one in found],
    }
    return json.dumps({"$schema": _SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)


def as_json(all_checked: Sequence[Checked], code: int, *, strict: bool) -> str:
    """Everything, one record a deployment."""
    document = {
        "schema": 1,
        "exit_code": code,
        "deployments": [
            {
                "path": shown(checked.root),
                "exit_code": int(checked.exit_code(strict=strict)),
                "rendered": checked.rendered,
                "problems": [
                    {
                        "file": one.file,
                        "line": one.line,
                        "severity": one.severity,
                        "code": one.code,
                        "message": one.message,
                        "fix": one.fix,
                        "fingerprint": one.fingerprint,
                    }
                    for one in entries(checked, strict=strict)
                ],
                "edited": list(checked.edited),
                "ejected": list(checked.ejected),
            }
            for checked in all_checked
        ],
    }
    return json.dumps(document, indent=2)
