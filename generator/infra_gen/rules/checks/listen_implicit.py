"""Address or port are left to somebody else."""

from __future__ import annotations

from collections.abc import Iterator

from infra_gen.model.finding import Finding
from infra_gen.rules.contract import Rule
from infra_gen.rules.places import at_key
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="listen-implicit",
    severity="error",
    confidence="high",
    what="Reports an engine whose address or port is not written down.",
    why="llama.cpp moved its default port from 8080 to 9931, while the check inside its image still "
    "asks 8080. TGI's image says port 80 and its program 3000, and its address comes from "
    "HOSTNAME, which every container runtime sets to the container's name. Health checks, scrapes"
    " and the proxy then ask where nobody listens.",
    bad="command: [--model-id, Qwen/Qwen3-8B]",
    good="command: [--model-id=Qwen/Qwen3-8B, --hostname=0.0.0.0, --port=3000]",
    fix="Write the engine's address and port, by its flags or its own variable.",
    sources=(
        "ggml-org/llama.cpp#26508",
        "ggml-org/llama.cpp#10262",
        "https://github.com/huggingface/text-generation-inference",
        "https://github.com/ollama/ollama/blob/main/docs/faq.mdx",
    ),
)


def check(subject: Subject) -> Iterator[Finding]:
    """At most one finding, with what is missing."""
    service, command = subject.service, subject.command
    if service is None or command is None:
        return
    if command.of("--config"):
        return  # a file of its own may say it
    told, facts = subject.listening(command), subject.engine.facts
    listen = facts.knobs.listen
    address = listen or facts.http.host_flag.value
    port = listen or facts.http.port_flag.value
    spec = command.table.flag(address or "")
    # A variable such as HOSTNAME, which container runtimes set, says nothing.
    by_runtime = bool(spec and spec.env == "HOSTNAME" and command.of(spec.name) is None)
    needed = [
        (address, told.address_by is not None and not by_runtime),
        (port, told.port_by is not None),
    ]
    missing = dict.fromkeys(name for name, said in needed if name and not said)
    if missing:
        key = "environment" if listen else "command"
        message = f"left to defaults and to what others set: {', '.join(missing)}"
        yield at_key(RULE, subject, service, key, message)
