"""The engine wants another number of devices than it is given."""

from __future__ import annotations

from collections.abc import Iterator

from infra_gen.model.finding import Finding
from infra_gen.rules.contract import Rule
from infra_gen.rules.places import at_flag, at_key
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="parallelism-not-devices",
    severity="error",
    confidence="high",
    what="Compares the devices that the engine splits the model over (tensor x pipeline x data "
    "parallel size, or the planned layer split) with the devices that the container is given and "
    "those that the machine has.",
    why="With too few, vLLM stops with `Tensor parallel size (2) exceeds available GPUs (1)`; with "
    "too many, paid-for GPUs idle and the planned memory is not there.",
    bad="command:\n  - --tensor-parallel-size=4\ndeploy: ... count: 2",
    good="command:\n  - --tensor-parallel-size=2\ndeploy: ... count: 2",
    fix="Make the product of the parallel sizes equal to the reserved devices, or plan anew with "
    "another `hardware`.",
    sources=("vllm-project/vllm#20593", "vllm-project/vllm#791", "NVIDIA/dgx-spark-playbooks#63"),
)
_MORE_SIZES = (  # where the engine has them
    "--pipeline-parallel-size",
    "--data-parallel-size",
    "--prefill-context-parallel-size",
)


def check(subject: Subject) -> Iterator[Finding]:
    """Wanted against given, then given against the machine."""
    service, machine = subject.service, subject.plan.machine
    if service is None or service.native or machine.vendor not in ("nvidia", "amd"):
        return
    granted = service.gpus
    if granted == -1 or (granted is None and service.devices):
        granted = machine.devices
    if granted is None:
        return  # gpu-reservation-incomplete speaks of that
    key = "deploy.resources.reservations.devices" if service.reservations else "devices"
    if granted > machine.devices:
        message = (
            f"{granted} devices are reserved; {machine.name} was planned with {machine.devices}"
        )
        yield at_key(RULE, subject, service, key, message)
    wanted, split = _wanted(subject), subject.engine.facts.knobs.tensor_parallel
    if split:
        # AMD devices are given all together: using some of them is no mistake.
        fits = wanted <= granted if machine.vendor == "amd" else wanted == granted
        if not fits:
            message = f"the parallel sizes need {wanted} devices, the container gets {granted}"
            yield at_flag(RULE, subject, split, message)
    elif granted < wanted:
        message = f"the plan splits the model over {wanted} devices, the container gets {granted}"
        yield at_key(RULE, subject, service, key, message)


def _wanted(subject: Subject) -> int:
    command, split = subject.command, subject.engine.facts.knobs.tensor_parallel
    if command is None or split is None:
        return subject.plan.parallelism.devices_per_replica
    product = 1
    for flag in (split, *_MORE_SIZES):
        product *= int(command.number(flag) or 1)
    return product
