"""A program that launchd or systemd does not find."""

from __future__ import annotations

from collections.abc import Iterator

from infra_gen.model.finding import Finding
from infra_gen.rules.contract import Rule
from infra_gen.rules.places import at_key
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="program-not-absolute",
    severity="error",
    confidence="high",
    what="Reports agents and units whose program is a name and no absolute path.",
    why="launchd gives programs no PATH beyond the system's folders, and systemd looks in a fixed "
    "list. What works in a shell, with Homebrew or a virtual environment, then is `No such file "
    "or directory`.",
    bad="<key>ProgramArguments</key>\n<array><string>llama-server</string>",
    good="<key>ProgramArguments</key>\n<array><string>/opt/homebrew/bin/llama-server</string>",
    fix="Write the whole path.",
    sources=(
        "ollama/ollama#2955",
        "https://www.freedesktop.org/software/systemd/man/latest/systemd.service.html",
    ),
)


_PLACES = ("/", "__", "$", "%", "~")  # `__NAME__` is filled in when the agent is installed


def check(subject: Subject) -> Iterator[Finding]:
    """One finding for each."""
    for service in subject.deployment.services:
        if not service.native or not service.program or not service.program[0]:
            continue
        program = service.program[0].lstrip("-@:+!|")
        if not program.startswith(_PLACES):
            message = f"{program} is no absolute path"
            yield at_key(RULE, subject, service, "command", message)
