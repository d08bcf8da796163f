"""Two deployments share volumes by accident."""

from __future__ import annotations

from collections.abc import Iterator

from infra_gen.model.finding import Finding
from infra_gen.rules.contract import Rule
from infra_gen.rules.reading.compose import is_compose_file
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="compose-project-unnamed",
    severity="warning",
    confidence="high",
    what="Reports a main compose file without `name`.",
    why="Compose then takes the folder's name for the project's. Two checkouts in folders called "
    "`deploy` are one project: `up` in one replaces the containers of the other, and both use one"
    " volume.",
    bad="services: ...",
    good="name: chat\nservices: ...",
    fix="Write a name at the top.",
    sources=("https://docs.docker.com/compose/how-tos/project-name/",),
)


def check(subject: Subject) -> Iterator[Finding]:
    """One finding for each such file."""
    for path, document in subject.deployment.documents.items():
        value = document.value
        if not is_compose_file(path) or "override" in path or not isinstance(value, dict):
            continue
        if value.get("services") and not value.get("name"):
            yield RULE.finding(path, "no name: the folder's name is the project's", line=1)
