"""A variable with a value that the engine does not take."""

from __future__ import annotations

import re
from collections.abc import Iterator

from infra_gen.model.engine_table import FlagSpec, Table
from infra_gen.model.finding import Finding
from infra_gen.rules.command_line import is_variable
from infra_gen.rules.contract import Rule
from infra_gen.rules.places import at_key
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="env-value-wrong",
    severity="error",
    confidence="high",
    what="Reports values of the engine's variables that are none of their kind: those that stand for a"
    " flag and break its bounds or choices, and Ollama's numbers, times and switches.",
    why="Ollama takes a bad number for its default with a line in the log, and any other word for a "
    "switch as true. llama.cpp and TGI stop at once.",
    bad="environment:\n  OLLAMA_NUM_PARALLEL: four",
    good="environment:\n  OLLAMA_NUM_PARALLEL: '4'",
    fix="Write a value of the right kind.",
    sources=(
        "https://github.com/ollama/ollama/blob/main/envconfig/config.go",
        "https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md",
        "https://github.com/huggingface/text-generation-inference",
    ),
)


_KINDS = {
    "int": re.compile(r"-?\d+$"),
    "bool": re.compile(r"(?:1|t|T|TRUE|true|True|0|f|F|FALSE|false|False)$"),
    "duration": re.compile(r"-?(?:\d+|(?:[\d.]+(?:ns|us|ms|s|m|h))+)$"),
}


def check(subject: Subject) -> Iterator[Finding]:
    """One finding for each value."""
    service, table = subject.service, subject.engine.table
    if service is None:
        return
    twins = {spec.env: spec for spec in table.flags.values() if spec.env and spec.takes_value}
    for name, value in service.env.items():
        if not value or is_variable(value):
            continue
        problem = _problem(name, value, table, twins.get(name))
        if problem:
            message = f"{subject.title}: {problem}"
            yield at_key(RULE, subject, service, f"environment.{name}", message)


def _problem(name: str, value: str, table: Table, twin: FlagSpec | None) -> str | None:
    if twin is not None:
        return twin.problem_with(value, name)
    kind, made = table.env.get(name, ""), table.env_on_bad_value.get(name)
    if made is None or kind not in _KINDS or _KINDS[kind].match(value.strip("'\" ")):
        return None
    return f"{name}: {value!r} is no {kind}; it is taken for {_MADE.get(made, made)}"


_MADE = {"default": "the default"}
