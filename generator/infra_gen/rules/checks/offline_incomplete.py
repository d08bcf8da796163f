"""A machine without a network is told to use one."""

from __future__ import annotations

import re
from collections.abc import Iterator

from infra_gen.model.finding import Finding
from infra_gen.model.spec import Offline
from infra_gen.rules.command_line import is_variable
from infra_gen.rules.contract import Rule
from infra_gen.rules.places import at_key, at_text
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="offline-incomplete",
    severity="error",
    confidence="high",
    what="Reports, while `offline` is set, an engine without the variables that forbid look-ups, a "
    "model that is no path, images that are not from the mirror, and a script that downloads the "
    "model.",
    why="Libraries ask the hub for a newer version even of a model on disk, and wait for a timeout "
    "each time. Compose passes only the variables that it lists, so one that is set on the host "
    "does not count.",
    bad="environment:\n  HF_HUB_OFFLINE: '1'   # and no TRANSFORMERS_OFFLINE",
    good="environment:\n  HF_HUB_OFFLINE: '1'\n  TRANSFORMERS_OFFLINE: '1'",
    fix="Write what is missing; `infra-gen update` renders all of it.",
    sources=(
        "vllm-project/vllm#1910",
        "vllm-project/vllm#23684",
        "vllm-project/vllm#39039",
        "noonghunna/club-3090#322",
    ),
)

_SCRIPT = "bin/fetch-model"
_DOWNLOADS = re.compile(r"^[^#\n]*(https://|\bhf download\b|\" pull )", re.MULTILINE)


def check(subject: Subject) -> Iterator[Finding]:
    """Variables, model, images, then the script."""
    offline = subject.spec.offline
    if offline is None:
        return
    yield from _engine(subject)
    yield from _images(subject, offline)
    found = _DOWNLOADS.search(subject.deployment.files.get(_SCRIPT, ""))
    if found:
        message = "the model is downloaded, though offline.model_path names it"
        yield at_text(RULE, subject, _SCRIPT, found[1], message)


def _engine(subject: Subject) -> Iterator[Finding]:
    service, command = subject.service, subject.command
    if service is None or command is None:
        return
    env = subject.deployment.environment(service)
    for fact in subject.engine.facts.environment.offline:
        if env.get(fact.name) != fact.value and not service.env_files:
            message = f"{fact.name} is not {fact.value}: {_first(fact.because)}"
            yield at_key(RULE, subject, service, "environment", message)
    flag = subject.engine.facts.knobs.model
    if flag is None:
        return
    model = command.text(flag) or next(iter(command.positionals), None)
    if model and not model.startswith(("/", "__")) and not is_variable(model):
        message = f"the model is {model}, a name to look up and no path"
        yield at_key(RULE, subject, service, "command", message)


def _first(text: str) -> str:
    return text.split(". ", maxsplit=1)[0].rstrip(".")


def _images(subject: Subject, offline: Offline) -> Iterator[Finding]:
    if offline.mirror is None:
        return
    deployment, mirror = subject.deployment, f"{offline.mirror}/"
    for service in deployment.services:
        image = service.image
        if not image or deployment.is_built_here(service) or is_variable(image):
            continue
        if not image.startswith(mirror) and not image.endswith((".build", ".image")):
            yield at_key(RULE, subject, service, "image", f"{image} is not from {offline.mirror}")
    for dockerfile in deployment.dockerfiles.values():
        for reference, line in dockerfile.bases:
            if not reference.startswith(mirror):
                message = f"FROM {reference} is not from {offline.mirror}"
                yield RULE.finding(dockerfile.file, message, line=line)
