"""What people write goes into the log."""

from __future__ import annotations

from collections.abc import Iterator

from infra_gen.model.finding import Finding
from infra_gen.rules.contract import Rule
from infra_gen.rules.places import at_setting
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="prompts-in-log",
    severity="warning",
    confidence="high",
    what="Reports settings that write requests or answers into logs or show them on a route: "
    "`--enable-log-requests`, `--log-prompts-dir`, llama.cpp without `--no-slots`, "
    "`OLLAMA_DEBUG_LOG_REQUESTS` and the like.",
    why="Prompts hold names, contracts and passwords. Logs go to more people than the chat does, are "
    "kept longer, and nobody agreed to it.",
    bad="command: [--enable-log-requests]",
    good="command: [--no-slots]",
    fix="Switch it off; for one hour of searching, in a file of your own that nobody commits.",
    sources=(
        "vllm-project/vllm#28923",
        "https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md",
    ),
)


_SWITCHES = ("--enable-log-requests", "--enable-log-outputs", "--slots")
_FLAGS = ("--log-prompts-dir",)
_VARIABLES = ("OLLAMA_DEBUG_LOG_REQUESTS", "VLLM_DEBUG_LOG_API_SERVER_RESPONSE")
_OFF = ("0", "false", "no", "off")


def check(subject: Subject) -> Iterator[Finding]:
    """One finding for each setting that the engine has and that is on."""
    command, table = subject.command, subject.engine.table
    if command is None:
        return
    for flag in _SWITCHES:
        spec = table.flag(flag)
        on = command.on(flag)
        if spec and (on or (on is None and spec.default is True)):
            how = "is on" if on else "is on unless it is switched off"
            yield at_setting(RULE, subject, flag, f"{flag} {how}: it shows what people write")
    for flag in _FLAGS:
        if command.text(flag):
            yield at_setting(RULE, subject, flag, f"{flag} keeps what people write")
    for name in _VARIABLES:
        value = command.setting(name) if name in table.env else None
        if value and value.lower() not in _OFF:
            yield at_setting(RULE, subject, name, f"{name} writes requests into the log")
