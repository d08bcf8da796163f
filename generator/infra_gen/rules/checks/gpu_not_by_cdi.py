"""Podman is asked for the GPU in Docker's words."""

from __future__ import annotations

from collections.abc import Iterator

from infra_gen.model.finding import Finding
from infra_gen.rules.contract import Rule
from infra_gen.rules.places import at_key
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="gpu-not-by-cdi",
    severity="error",
    confidence="high",
    what="Reports a Quadlet that asks for GPUs with `--gpus` or with the runtime `nvidia`.",
    why="Podman gives devices by CDI names. In a Quadlet `--gpus` is ignored or refused, and the "
    "container starts without a GPU.",
    bad="[Container]\nPodmanArgs=--gpus=all",
    good="[Container]\nAddDevice=nvidia.com/gpu=all",
    fix="Write AddDevice=nvidia.com/gpu=..., and make the CDI specification with `nvidia-ctk cdi "
    "generate`.",
    sources=(
        "ollama/ollama#2716",
        "https://docs.nvidia.com/datacenter/cloud-native/container-toolkit/latest/cdi-support.html",
        "https://docs.podman.io/en/latest/markdown/podman-systemd.unit.5.html",
    ),
)


def check(subject: Subject) -> Iterator[Finding]:
    """One finding for each argument."""
    for service in subject.deployment.services:
        if service.form != "quadlet":
            continue
        for word in service.extra_args:
            if word.partition("=")[0] == "--gpus" or word == "--runtime=nvidia":
                message = f"{word} is Docker's word; Podman takes AddDevice"
                yield at_key(RULE, subject, service, "extra_args", message)
