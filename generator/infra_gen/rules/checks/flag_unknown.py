"""Flags that the pinned engine version does not have."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from infra_gen.model.engine_table import Table
from infra_gen.model.finding import Finding
from infra_gen.rules.command_line import CommandLine, Used
from infra_gen.rules.contract import Rule
from infra_gen.rules.places import at_flag
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="flag-unknown",
    severity="error",
    confidence="high",
    what="Reports flags on the engine's command line that the pinned version does not have: "
    "removed ones, misspelt ones, abbreviations, and words where none may stand. For a version newer "
    "than infra-gen's table an unknown flag is a warning, a removed one stays an error.",
    why="The engine exits at once with a usage error, and the container restarts for ever. An "
    "abbreviation is worse: vLLM's parser takes it for any flag that begins so, which may be "
    "another one in the next version.",
    bad="command:\n  - --swap-space=4\n  - --max-model-l=8192",
    good="command:\n  - --max-model-len=8192",
    fix="Write what the message names instead, in full, drop the flag, or pin a version that has it.",
    sources=(
        "https://docs.vllm.ai/en/v0.31.0/cli/",
        "kserve/kserve#4883",
        "runpod-workers/worker-vllm#332",
        "ggml-org/llama.cpp#28334",
    ),
)


def check(subject: Subject) -> Iterator[Finding]:
    """One finding for each such flag."""
    command = subject.command
    if command is None:
        return
    table = command.table
    for used in command.used:
        if used.spec is None:
            message = f"{subject.title} has no flag {used.spelling}{_why(used, table)}{table.doubt}"
            severity = table.absence(used.spelling_known)
            yield at_flag(RULE, subject, used.spelling, message, severity=severity)
    for word, said in _alone(subject, command):
        yield at_flag(RULE, subject, word, f"{subject.title} {said}, got {word!r}")


def _alone(subject: Subject, command: CommandLine) -> Iterator[tuple[str, str]]:
    """(word, what is wrong) of words without a flag that the engine does not take."""
    table, words = command.table, command.positionals
    planned = subject.stack.service("engine").argv
    most = max(table.positionals, sum(not arg.flag for arg in planned))
    if table.subcommands and words and words[0] not in table.subcommands:
        yield words[0], f"wants {' or '.join(table.subcommands)} first"
    for word in words[most:]:
        yield word, "takes nothing without a flag" if not most else f"takes {most} without a flag"


def _why(used: Used, table: Table) -> str:
    name = used.spelling_known
    gone = table.removed_flags.get(name)
    if gone:
        return gone.said
    longer = sorted(flag for flag in table.flags if len(name) > 3 and flag.startswith(name))
    if longer and name.startswith("--"):
        said = "in full" if table.abbreviations else "did you mean"
        return f"; {said}: {' or '.join(longer[:3])}"
    close = difflib.get_close_matches(name, sorted(table.flags), n=3, cutoff=0.75)
    return f"; did you mean {' or '.join(close)}?" if close else ""
