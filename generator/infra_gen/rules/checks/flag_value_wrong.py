"""Values that the engine does not take for a flag."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from infra_gen.model.engine_table import Table
from infra_gen.model.finding import Finding, Severity
from infra_gen.rules import json_fields
from infra_gen.rules.command_line import CommandLine, Used, is_variable
from infra_gen.rules.contract import Rule
from infra_gen.rules.places import at_flag
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="flag-value-wrong",
    severity="error",
    confidence="high",
    what="Reports values that the pinned version does not take: outside the bounds or choices of "
    "the flag, missing, or given to a switch; in JSON values, keys that the configuration lacks.",
    why="Some stop the engine at once. Others pass the parser and fail minutes later, when the "
    "model is loaded: vLLM parses `--gpu-memory-utilization 1.5` and `--quantization nonsense`.",
    bad="command:\n  - --enable-prefix-caching=true\n  - --gpu-memory-utilization=1.5",
    good="command:\n  - --enable-prefix-caching\n  - --gpu-memory-utilization=0.92",
    fix="Write a value that this version takes: `infra-gen schema show ENGINE --flag NAME` names them.",
    sources=(
        "https://docs.vllm.ai/en/v0.31.0/cli/",
        "https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md",
    ),
)


def check(subject: Subject) -> Iterator[Finding]:
    """One finding for each flag with a wrong value."""
    command = subject.command
    if command is None:
        return
    for used in command.used:
        problem = value_problem(used, command.table) or _parser_problem(used, command)
        for said in (*((problem,) if problem else ()), *json_fields.problems(used, command.table)):
            table = command.table
            message = f"{subject.title}: {said}{table.doubt}"
            severity: Severity = "error" if table.standing == "exact" else "warning"
            yield at_flag(RULE, subject, used.spelling, message, severity=severity)


def value_problem(used: Used, table: Table) -> str | None:
    """What is wrong with the value of one flag by itself, or None."""
    spec = used.spec
    if spec is None or used.part:
        return None
    if used.joined and not table.equals:
        return f"{used.spelling}={used.value} is not read; the value stands after a space"
    if used.spelling == "-O" and used.value in ("0", "1", "2", "3"):
        return None  # vLLM rewrites -O3 to --optimization-level 3
    if not used.values:
        return spec.problem_with(None, used.spelling)
    for value in used.values:
        if is_variable(value):
            continue
        problem = spec.problem_with(value, used.spelling)
        if problem:
            return problem
    return None


def _parser_problem(used: Used, command: CommandLine) -> str | None:
    """Parsers are names that only the running engine looks up; a plugin may bring more."""
    table = command.table
    known = {
        "--tool-call-parser": table.tool_call_parsers,
        "--reasoning-parser": table.reasoning_parsers,
    }.get(used.spec.name if used.spec else "", ())
    plugged = command.of("--tool-parser-plugin") or command.of("--reasoning-parser-plugin")
    name = used.value
    if not known or plugged or name is None or is_variable(name) or name in known:
        return None
    close = difflib.get_close_matches(name, known, n=2, cutoff=0.6)
    said = f"; did you mean {' or '.join(close)}?" if close else ""
    return f"{used.spelling}: there is no parser {name!r}{said}"
