"""Weights from a branch that moves."""

from __future__ import annotations

import re
from collections.abc import Iterator

from infra_gen.model.finding import Finding
from infra_gen.rules.command_line import is_variable
from infra_gen.rules.contract import Rule
from infra_gen.rules.places import at_flag, at_text
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="revision-not-pinned",
    severity="info",
    confidence="high",
    what="Reports weights that are downloaded from a branch and not from a commit.",
    why="The publisher can replace files on a branch: two machines, or one before and after a lost "
    "volume, then serve different models under one name.",
    bad="--revision=main",
    good="--revision=0499c3ac83fdef8810b907a23894ba91e95eddd8",
    fix="Run `infra-gen pin`, or choose a model or quantization whose preset names the commit, or "
    "accept it: the README says so.",
    sources=(
        "https://github.com/vllm-project/production-stack",
        "https://huggingface.co/docs/huggingface_hub/guides/download",
    ),
)
_SCRIPT = "bin/fetch-model"
_COMMIT = re.compile(r"[0-9a-f]{40}")
_ASSIGNED = re.compile(r"^revision=(\S+)", re.MULTILINE)


def check(subject: Subject) -> Iterator[Finding]:
    """The script that downloads, then what the engine is told to load."""
    if subject.stack.has("fetch"):
        download = subject.stack.service("fetch").download
        written = _ASSIGNED.search(subject.deployment.files.get(_SCRIPT, ""))
        if download and written and not _COMMIT.fullmatch(written[1]):
            message = f"{download.repo} is downloaded from {written[1]}, which can change"
            yield at_text(RULE, subject, _SCRIPT, written[0], message)
    command = subject.command
    revision = command.text("--revision") if command else None
    if revision and not is_variable(revision) and not _COMMIT.fullmatch(revision):
        message = f"--revision {revision} is no commit: what it names can change"
        yield at_flag(RULE, subject, "--revision", message)
