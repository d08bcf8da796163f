"""Any web page may use the server."""

from __future__ import annotations

from collections.abc import Iterator

from infra_gen.model.finding import Finding
from infra_gen.rules.contract import Rule
from infra_gen.rules.places import at_setting
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="cors-open",
    severity="warning",
    confidence="high",
    what="Reports a setting of the engine that answers pages of every origin.",
    why="A page that somebody opens can then ask the model from their browser, with what it is "
    "allowed to: on a LAN past the firewall, on loopback past the login. llama.cpp even sends "
    "credentials along.",
    bad="environment:\n  OLLAMA_ORIGINS: '*'",
    good="command: [--cors-origins, 'https://chat.example.com']",
    fix="Name the origins; the proxy takes the header away where no page needs it.",
    sources=(
        "https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md",
        "https://github.com/ollama/ollama/blob/main/docs/faq.mdx",
        "https://docs.vllm.ai/en/stable/usage/security/",
    ),
)


_SETTINGS = ("--cors-origins", "--allowed-origins", "--cors-allow-origin", "OLLAMA_ORIGINS")


def check(subject: Subject) -> Iterator[Finding]:
    """One finding for each setting that says every origin."""
    command = subject.command
    if command is None:
        return
    for name in _SETTINGS:
        value = command.setting(name)
        if value is not None and "*" in value.replace('"', "").replace("://*", "").strip("[] "):
            message = f"{name} is {value}: pages of every origin may ask"
            yield at_setting(RULE, subject, name, message)
