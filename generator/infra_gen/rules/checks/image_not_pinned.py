"""An image whose content is another one tomorrow."""

from __future__ import annotations

from collections.abc import Iterator

from infra_gen.model.finding import Finding
from infra_gen.rules.command_line import is_variable
from infra_gen.rules.contract import Rule
from infra_gen.rules.places import at_key
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="image-not-pinned",
    severity="error",
    confidence="high",
    what="Reports images without a tag, with `latest`, or with another tag that names no version, "
    "in compose files and Dockerfiles.",
    why="The next pull brings another engine version: other flags, other metric names, another "
    "memory need. Everything that was checked here was checked for the pinned version.",
    bad="image: vllm/vllm-openai:latest",
    good="image: vllm/vllm-openai:v0.33.0",
    fix="Write the version's own tag, best with its digest (`infra-gen pin`).",
    sources=(
        "https://github.com/stackrox/kube-linter/blob/main/docs/generated/checks.md",
        "https://github.com/vllm-project/production-stack",
    ),
)
_FLOATING = ("latest", "nightly", "main", "master", "edge", "dev", "stable", "rolling")


def check(subject: Subject) -> Iterator[Finding]:
    """One finding for each reference."""
    deployment = subject.deployment
    for service in deployment.services:
        if service.image and not deployment.is_built_here(service):
            problem = _problem(service.image)
            if problem:
                yield at_key(RULE, subject, service, "image", f"{service.image} {problem}")
    for dockerfile in deployment.dockerfiles.values():
        for reference, line in dockerfile.bases:
            problem = _problem(reference)
            if problem:
                yield RULE.finding(dockerfile.file, f"FROM {reference} {problem}", line=line)


def _problem(reference: str) -> str | None:
    if "@sha256:" in reference or is_variable(reference):
        return None
    _, colon, tag = reference.rpartition("/")[2].partition(":")
    if not colon or not tag:
        return "has no tag, which means latest"
    if tag.startswith(_FLOATING) or not any(character.isdigit() for character in tag):
        return f"has the tag {tag}, which moves"
    return None
