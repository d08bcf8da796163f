"""The model is thrown out of memory when nobody asks."""

from __future__ import annotations

from collections.abc import Iterator

from infra_gen.model.finding import Finding
from infra_gen.rules.contract import Rule
from infra_gen.rules.places import at_key, at_setting
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="keep-alive-unloads",
    severity="warning",
    confidence="high",
    what="Reports an engine that unloads an idle model: Ollama without a negative `OLLAMA_KEEP_ALIVE`,"
    " llama.cpp with `--sleep-idle-seconds`.",
    why="Ollama drops a model after five idle minutes. The next person waits for gigabytes from disk,"
    " each morning and after each meeting, and takes the server for broken.",
    bad="environment:\n  OLLAMA_KEEP_ALIVE: 5m",
    good="environment:\n  OLLAMA_KEEP_ALIVE: '-1'",
    fix="Set OLLAMA_KEEP_ALIVE to -1; leave out --sleep-idle-seconds.",
    sources=(
        "https://github.com/ollama/ollama/blob/main/docs/faq.mdx",
        "https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md",
    ),
)
_VARIABLE = "OLLAMA_KEEP_ALIVE"
_FLAG = "--sleep-idle-seconds"


def check(subject: Subject) -> Iterator[Finding]:
    """At most one finding, where the engine has such a setting."""
    service, command = subject.service, subject.command
    if service is None or command is None:
        return
    if _VARIABLE in subject.engine.table.env:
        value = command.setting(_VARIABLE)
        if value is None:
            message = f"{_VARIABLE} is not set: the model is unloaded after 5 minutes"
            yield at_key(RULE, subject, service, "environment", message)
        elif not value.startswith("-"):
            message = f"{_VARIABLE} is {value}: the model is unloaded when it was idle for so long"
            yield at_setting(RULE, subject, _VARIABLE, message)
    idle = command.number(_FLAG)
    if idle is not None and idle > 0:
        message = f"{_FLAG} {idle:g}: the model is unloaded when it was idle for so long"
        yield at_setting(RULE, subject, _FLAG, message)
