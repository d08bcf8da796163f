"""Model files lie in the container itself."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from infra_gen.model.finding import Finding
from infra_gen.rules.command_line import CommandLine, is_variable
from infra_gen.rules.contract import Rule
from infra_gen.rules.places import at_key
from infra_gen.rules.service import Service
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="cache-not-on-volume",
    severity="error",
    confidence="high",
    what="Follows the engine's model path (`--model`, the Hugging Face cache, `--download-dir`, "
    "`OLLAMA_MODELS`) and reports one that is on no volume.",
    why="Files in a container or on a tmpfs are gone when it is recreated: every update downloads "
    "tens of gigabytes again, or does not start while the model hub is away.",
    bad="environment:\n  HF_HOME: /tmp/huggingface\nvolumes:\n  - models:/models",
    good="environment:\n  HF_HOME: /models\nvolumes:\n  - models:/models",
    fix="Point the path below a mounted volume.",
    sources=(
        "https://docs.vllm.ai/en/stable/deployment/docker/",
        "https://huggingface.co/docs/huggingface_hub/package_reference/environment_variables",
        "https://github.com/ollama/ollama/blob/main/docs/faq.mdx",
    ),
)


def check(subject: Subject) -> Iterator[Finding]:
    """One finding for each path that a new container would find empty."""
    service, command = subject.service, subject.command
    if service is None or command is None or service.native:
        return
    for path, said, key in _paths(subject, service, command):
        if is_variable(path) or not path.startswith("/"):
            continue
        mount = service.mount_of(path)
        if mount is None:
            message = f"{said} is {path}, which is on no volume"
        elif mount.kind == "tmpfs":
            message = f"{said} is {path}, on a tmpfs: memory that every restart empties"
        else:
            continue
        yield at_key(RULE, subject, service, key, message)


def _paths(
    subject: Subject, service: Service, command: CommandLine
) -> Iterator[tuple[str, str, str]]:
    """(path, what it is, key) of every place that model files are read from."""
    knobs = subject.engine.facts.knobs
    env = subject.deployment.environment(service)
    model = command.text(knobs.model) if knobs.model else None
    model = model or (command.positionals[0] if command.positionals and knobs.model else None)
    if model and model.startswith("/"):
        yield model, "the model's path", "command"
        return
    if command.table.flag("--hf-repo") and not command.text("--hf-repo"):
        return  # it downloads only what this flag names
    folder = command.text("--download-dir")
    if folder:
        yield folder, "--download-dir", "command"
        return
    for name in knobs.model_folders:
        if env.get(name):
            where = "environment" if name not in service.env else f"environment.{name}"
            yield env[name], name, where
            return
    home = env.get("HOME", "/root")
    if env.get("XDG_CACHE_HOME") and knobs.model_home.startswith(".cache/"):
        path = f"{env['XDG_CACHE_HOME']}/{knobs.model_home.removeprefix('.cache/')}"
    else:
        path = posixpath.join(home, knobs.model_home)
    yield path, "the folder of models", "environment"
