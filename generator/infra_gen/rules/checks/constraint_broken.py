"""Settings that the engine does not take together, or not with this model and machine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from infra_gen.model.finding import Finding
from infra_gen.model.versions import version_key, within
from infra_gen.rules.constraints import is_broken, said
from infra_gen.rules.contract import Rule
from infra_gen.rules.places import at_key, at_setting
from infra_gen.rules.settings import Settings
from infra_gen.rules.subject import Subject

if TYPE_CHECKING:
    from infra_gen.model.constraint import Constraint

RULE = Rule(
    slug="constraint-broken",
    severity="error",
    confidence="high",
    what="Judges the engine's settings together, and with the model and the machine, by the "
    "constraints of the pinned version. The message ends with the name of the constraint; some are "
    "warnings.",
    why="Each value alone is fine, so the command line is read without complaint. Then the engine "
    "stops while it loads, minutes later, or it drops a setting that somebody relies on with no more "
    "than a line in its log.",
    bad="command:\n  - --tensor-parallel-size=3   # of 64 attention heads",
    good="command:\n  - --tensor-parallel-size=4",
    fix="Change one of the settings as the message says.",
    sources=(
        "https://github.com/vllm-project/vllm/tree/main/vllm/config",
        "https://github.com/ggml-org/llama.cpp/blob/master/src/llama-context.cpp",
        "https://github.com/huggingface/text-generation-inference/blob/main/launcher/src/main.rs",
        "https://github.com/ollama/ollama/blob/main/llm/llama_server.go",
    ),
)


def check(subject: Subject) -> Iterator[Finding]:
    """One finding for each constraint that is certainly broken."""
    command, stated = subject.command, subject.constraints
    if command is None or stated is None:
        return
    settings = Settings(subject, command, stated.defaults)
    version = subject.engine.version
    newer = version_key(version) > version_key(stated.checked)
    for row in stated.rows:
        if within(version, row.since, row.until) and is_broken(row, settings):
            found = _finding(row, settings)
            if newer and found.severity == "error":  # nobody compared the row with that version
                found = replace(found, severity="warning")
            yield found


def _finding(row: Constraint, settings: Settings) -> Finding:
    """Where the first operand stands that is written down, and what is wrong with it."""
    subject = settings.subject
    message = f"{subject.title}: {said(row.message, row, settings)} ({row.id})"
    place = next((name for name in row.operands if settings.read(name).written), None)
    if place is not None:
        name = place.partition(".")[0]
        found = at_setting(RULE, subject, name, message, severity=row.severity)
    elif subject.service is not None:
        found = at_key(RULE, subject, subject.service, "command", message, severity=row.severity)
    else:
        found = RULE.finding("compose.yaml", message, severity=row.severity)
    return replace(found, fix=said(row.fix, row, settings))
