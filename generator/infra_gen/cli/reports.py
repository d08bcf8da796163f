"""What `check` found as one list of entries, and as JSON for scripts."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from infra_gen.lifecycle.discovery import repository_top
from infra_gen.lifecycle.drift import EXPLANATIONS
from infra_gen.model.names import SPEC_FILE
from infra_gen.model.plan import counted

if TYPE_CHECKING:
    from infra_gen.api import Checked

_HUNK = re.compile(r"^@@ -(\d+)")


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing to say of one place.

    `deployment` and `file` are relative to the folder that the report is for, with forward slashes.
    `identity` is the file from the repository's top, whatever folder that is; `nth` counts entries
    that are alike in it. `more` is how many further deployments have the very same trouble.
    """

    deployment: str
    file: str
    identity: str
    line: int | None
    severity: str
    code: str
    message: str
    fix: str | None
    nth: int = 1
    more: int = 0

    @property
    def said(self) -> str:
        """The message, and how many deployments more it is about."""
        return (
            f"{self.message} (and {counted(self.more, 'deployment')} more)"
            if self.more
            else self.message
        )

    @property
    def fingerprint(self) -> str:
        """The same for the same trouble, wherever in its file it moves to."""
        said = "\n".join((self.code, self.identity, self.message, str(self.nth)))
        return hashlib.sha256(said.encode()).hexdigest()


def shown(path: Path, base: Path | None = None) -> str:
    """The path as seen from `base` (default: from here), with forward slashes."""
    return Path(os.path.relpath(path, base)).as_posix()


def entries(checked: Checked, *, strict: bool, base: Path | None = None) -> list[Entry]:
    """Drift, findings and errors of one folder, with paths as seen from `base`."""
    top = repository_top(Path())
    numbered: Counter[tuple[str, str, str]] = Counter()
    found = []
    for place, line, severity, code, message, fix in _troubles(checked, strict=strict):
        file, identity = shown(place, base), shown(place, top)
        numbered[file, code, message] += 1
        one = Entry(shown(checked.root, base), file, identity, line, severity, code, message, fix)
        found.append(replace(one, nth=numbered[file, code, message]))
    return found


def once(found: Sequence[Entry]) -> list[Entry]:
    """What is wrong in a file that several deployments share, a base of their specs, only once."""
    alike: dict[tuple[str, int | None, str, str, int], list[Entry]] = {}
    for one in found:
        alike.setdefault((one.file, one.line, one.code, one.message, one.nth), []).append(one)
    return [replace(same[0], more=len(same) - 1) for same in alike.values()]


def _troubles(
    checked: Checked, *, strict: bool
) -> Iterator[tuple[Path, int | None, str, str, str, str | None]]:
    """Place, line, severity, code, message and fix of each."""
    root = checked.root
    if checked.error:
        error = checked.error
        code = error.exit_code.name.lower().replace("_", "-")
        yield *_error_place(root, error.where), "error", code, error.message, error.hint
    for one in checked.drift:
        severity = "warning" if one.warns and not strict else "error"
        line = one.line or _first_changed(one.diff)
        mend, said = one.mend(str(shown(root))), EXPLANATIONS[one.kind]
        yield root / one.path, line, severity, f"drift-{one.kind}", said, mend
    for found in checked.findings:
        if not found.allowed:
            place = root / found.file
            yield place, found.line, found.severity, found.rule, found.message, found.fix


def _error_place(root: Path, where: str | None) -> tuple[Path, int | None]:
    """File and line of an error; the spec where it names none, for folders cannot be annotated."""
    file, _, rest = (where or "").partition(":")
    if file and Path(file).is_file():
        number = rest.split(":")[0]
        return Path(file), int(number) if number.isdigit() else None
    spec = root / SPEC_FILE
    return (spec if spec.is_file() else root), None


def _first_changed(diff: str) -> int | None:
    """The first line on disk that a unified diff changes; an insertion is before the line."""
    lines = diff.splitlines()
    for at, line in enumerate(lines):
        hunk = _HUNK.match(line)
        if hunk:
            same = next(n for n, one in enumerate(lines[at + 1 :]) if one[:1] in "+-")
            return max(1, int(hunk.group(1)) + same)
    return None


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
