"""Tensor parallelism without shared memory."""

from __future__ import annotations

from collections.abc import Iterator

from infra_gen.model.finding import Finding
from infra_gen.rules.contract import Rule
from infra_gen.rules.places import at_key
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="shm-too-small",
    severity="error",
    confidence="high",
    what="Reports vLLM over several devices with less than 1 GiB of shared memory for each.",
    why="The processes of one model exchange data through /dev/shm. With Docker's default of 64 MiB "
    "NCCL fails to start, hangs, or crashes in ncclShmOpen.",
    bad="command:\n  - --tensor-parallel-size=2\nshm_size: 64m",
    good="command:\n  - --tensor-parallel-size=2\nshm_size: 2048m",
    fix="Set `shm_size` to at least 1 GiB for each device, or `ipc: host`.",
    sources=(
        "https://docs.vllm.ai/en/stable/deployment/docker/",
        "https://github.com/huggingface/text-generation-inference",
    ),
)
_MIB_PER_DEVICE = 1024
_DOCKER_DEFAULT_MIB = 64.0


def check(subject: Subject) -> Iterator[Finding]:
    """At most one finding."""
    service, command = subject.service, subject.command
    if service is None or command is None or service.native or service.ipc == "host":
        return
    if subject.engine.name != "vllm":
        return
    sizes = ("--tensor-parallel-size", "--pipeline-parallel-size")
    ranks = 1
    for flag in sizes:
        ranks *= int(command.number(flag) or 1)
    have = _DOCKER_DEFAULT_MIB if service.shm_mib is None else service.shm_mib
    need = ranks * _MIB_PER_DEVICE
    if ranks > 1 and have < need:
        what = "Docker's default" if service.shm_mib is None else "shm_size"
        message = f"{what} is {have:g} MiB; {ranks} devices need {need} MiB"
        yield at_key(RULE, subject, service, "shm_size", message)
