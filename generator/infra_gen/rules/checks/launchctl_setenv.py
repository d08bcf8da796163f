"""A setting that is gone after the next restart."""

from __future__ import annotations

import re
from collections.abc import Iterator

from infra_gen.model.finding import Finding
from infra_gen.rules.contract import Rule
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="launchctl-setenv",
    severity="error",
    confidence="high",
    what="Reports scripts that set variables with `launchctl setenv`.",
    why="The variable counts for programs that start later and until the machine restarts. After an "
    "update of macOS the server comes back with other settings.",
    bad="launchctl setenv OLLAMA_HOST 0.0.0.0",
    good="<key>EnvironmentVariables</key>\n<dict>...</dict>",
    fix="Write variables into the property list's EnvironmentVariables.",
    sources=(
        "ollama/ollama#2955",
        "https://github.com/ollama/ollama/blob/main/docs/faq.mdx",
    ),
)


_CALL = re.compile(r"^[^#\n]*\blaunchctl\s+setenv\b", re.MULTILINE)


def check(subject: Subject) -> Iterator[Finding]:
    """One finding for each script."""
    for path, text in subject.deployment.files.items():
        found = _CALL.search(text) if path.startswith("bin/") and "setenv" in text else None
        if found:
            line = text.count("\n", 0, found.end()) + 1
            yield RULE.finding(path, "launchctl setenv lasts until the next restart", line=line)
