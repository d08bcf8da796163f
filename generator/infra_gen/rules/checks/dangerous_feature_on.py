"""Clients may do more than ask the model."""

from __future__ import annotations

from collections.abc import Iterator

from infra_gen.model.finding import Finding
from infra_gen.rules.contract import Rule
from infra_gen.rules.places import at_setting
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="dangerous-feature-on",
    severity="error",
    confidence="high",
    what="Reports features that their makers call unfit for strangers: tools and agents on the server,"
    " MCP servers, development routes, loading of adapters by request, unsafe deserialization, "
    "tunnels to the internet, files of the host as media.",
    why="llama.cpp's `--tools` runs commands on the server for whoever asks. vLLM's development mode "
    "opens routes that reset and stop it. TGI's `--ngrok` publishes the port past every firewall.",
    bad="command: [--tools, all]",
    good="command: [--no-ui, --no-slots]",
    fix="Take it out.",
    sources=(
        "https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md",
        "https://docs.vllm.ai/en/stable/usage/security/",
        "https://github.com/huggingface/text-generation-inference",
    ),
)


_FLAGS = {
    "--tools": "runs tools on the server for clients",
    "--agent": "lets the model act on the server",
    "--ui-mcp-proxy": "lets clients reach other servers through this one",
    "--mcp-servers-config": "starts MCP servers beside the engine",
    "--mcp-servers-json": "starts MCP servers beside the engine",
    "--props": "lets clients change the server's settings",
    "--rpc": "trusts other machines without a key",
    "--allowed-local-media-path": "lets clients read files of the host",
    "--media-path": "lets clients read files of the host",
    "--ngrok": "publishes the port on the internet",
}
_VARIABLES = {
    "VLLM_SERVER_DEV_MODE": "opens routes that reset and stop the server",
    "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "lets clients load adapters from anywhere",
    "VLLM_ALLOW_INSECURE_SERIALIZATION": "runs code that comes in with data",
}
_OFF = ("", "0", "false", "no", "off", "none")


def check(subject: Subject) -> Iterator[Finding]:
    """One finding for each feature that the engine has and that is on."""
    command, table = subject.command, subject.engine.table
    if command is None:
        return
    for flag, what in _FLAGS.items():
        spec = table.flag(flag)
        if spec is None:
            continue
        value = command.text(flag) if spec.takes_value else None
        on = bool(value and value.lower() not in _OFF) if spec.takes_value else command.on(flag)
        if on:
            yield at_setting(RULE, subject, flag, f"{flag} {what}")
    for name, what in _VARIABLES.items():
        value = command.setting(name) if name in table.env else None
        if value and value.lower() not in _OFF:
            yield at_setting(RULE, subject, name, f"{name} {what}")
