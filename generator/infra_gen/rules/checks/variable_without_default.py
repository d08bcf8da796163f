"""A variable that is silently empty."""

from __future__ import annotations

import re
from collections.abc import Iterator

from infra_gen.model.finding import Finding
from infra_gen.rules.contract import Rule
from infra_gen.rules.reading.compose import is_compose_file
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="variable-without-default",
    severity="warning",
    confidence="high",
    what="Reports variables in compose files that have neither a default nor an error for when they "
    "are not set.",
    why="Compose puts an empty text in their place and goes on. A key is then empty, a volume is the "
    "wrong folder, a flag takes the next one for its value.",
    bad="environment:\n  API_KEY: ${API_KEY}",
    good="environment:\n  API_KEY: ${API_KEY:?is not set, README.md says how}",
    fix="Write `${NAME:-default}` or `${NAME:?what to do}`.",
    sources=(
        "https://docs.docker.com/reference/compose-file/interpolation/",
        "noonghunna/club-3090#322",
    ),
)


_BARE = re.compile(r"(?<!\$)\$(?:\{(\w+)\}|([A-Za-z_]\w*))")


def check(subject: Subject) -> Iterator[Finding]:
    """One finding for each line."""
    for path, text in subject.deployment.files.items():
        if not is_compose_file(path) or "$" not in text:
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if "$" not in line or line.lstrip().startswith("#"):
                continue
            found = _BARE.search(line.replace("$$", ""))
            if found:
                message = f"{found[0]} has no default and no error"
                yield RULE.finding(path, message, line=number)
