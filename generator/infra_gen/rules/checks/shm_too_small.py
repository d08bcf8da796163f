"""Tensor parallelism without shared memory."""

from __future__ import annotations

from collections.abc import Iterator

from infra_gen.model.finding import Finding
from infra_gen.rules.contract import Rule
from infra_gen.rules.places import at_key, own_key
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="shm-too-small",
    severity="error",
    confidence="high",
    what="Reports an engine whose processes share memory, over several devices with less of it than "
    "1 GiB for each.",
    why="The processes of one model exchange data through /dev/shm. With the default of 64 MiB "
    "NCCL fails to start, hangs, or crashes in ncclShmOpen.",
    bad="command:\n  - --tensor-parallel-size=2\nshm_size: 64m",
    good="command:\n  - --tensor-parallel-size=2\nshm_size: 2048m",
    fix="Set `shm_size` (Quadlet: `ShmSize`) to at least 1 GiB for each device.",
    sources=(
        "https://docs.vllm.ai/en/stable/deployment/docker/",
        "https://github.com/huggingface/text-generation-inference",
    ),
)
_DEFAULT_MIB = 64.0  # of Docker and of Podman


def check(subject: Subject) -> Iterator[Finding]:
    """At most one finding."""
    service, command = subject.service, subject.command
    if service is None or command is None or service.native or service.ipc == "host":
        return
    facts = subject.engine.facts
    each_mib = (facts.container.shm_min_bytes_per_gpu.value or 0) // 2**20
    ranks = 1
    for flag in (facts.knobs.tensor_parallel, "--pipeline-parallel-size"):
        ranks *= int(command.number(flag) or 1) if flag else 1
    have = _DEFAULT_MIB if service.shm_mib is None else service.shm_mib
    need = ranks * each_mib
    if ranks > 1 and have < need:
        what = "the default" if service.shm_mib is None else own_key(service, "shm_size")
        message = f"{what} is {have:g} MiB; {ranks} devices need {need} MiB"
        yield at_key(RULE, subject, service, "shm_size", message)
