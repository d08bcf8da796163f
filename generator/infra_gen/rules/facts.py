"""The facts that a constraint may name (`infra_gen.model.operand.FACTS`), as found in a deployment."""

from __future__ import annotations

from collections.abc import Callable

from infra_gen.model.llm import Architecture
from infra_gen.rules.subject import Subject

Value = str | float | bool | None
_STATE_KINDS = ("linear", "mamba")


def fact(subject: Subject, name: str) -> Value:
    """The fact of that name, None where it is not known."""
    head, _, field = name.partition(".")
    if head == "model":
        return _model(subject, field)
    return _OTHERS[name](subject)


def _model(subject: Subject, field: str) -> Value:
    if field == "task":
        return subject.plan.task
    arch = subject.model.architecture if subject.model else None
    return _ARCHITECTURE[field](arch) if arch else None


def _has(arch: Architecture, kinds: tuple[str, ...]) -> bool:
    return any(group.kind in kinds for group in arch.layer_groups)


_ARCHITECTURE: dict[str, Callable[[Architecture], Value]] = {
    "class": lambda arch: arch.class_name,
    "context": lambda arch: arch.max_context,
    "group": lambda arch: arch.heads // arch.kv_heads,
    "head_dim": lambda arch: arch.head_dim,
    "heads": lambda arch: arch.heads,
    "kv_heads": lambda arch: arch.kv_heads,
    "mla": lambda arch: arch.mla is not None,
    "moe": lambda arch: arch.moe is not None,
    "states": lambda arch: _has(arch, _STATE_KINDS),
    "window": lambda arch: _has(arch, ("sliding", "chunked")),
}


def _default_seqs(subject: Subject) -> Value:
    machine = subject.plan.machine
    for row in subject.engine.facts.batch_defaults.rows:
        excepted = any(machine.id.startswith(device) for device in row.except_devices)
        if machine.visible_gib >= row.min_device_gib and not excepted:
            return row.max_num_seqs
    return None


def _capability(subject: Subject) -> Value:
    stated = subject.plan.machine.compute_capability
    return float(stated) if stated else None


def _started(subject: Subject) -> tuple[str, ...]:
    """The program with what an image starts, without a shell's path."""
    service = subject.service
    if service is None:
        return ()
    dockerfile = subject.deployment.dockerfile_of(service)
    return service.program or (dockerfile.entrypoint if dockerfile else ())


def _serve(subject: Subject) -> Value:
    command = subject.command
    started = _started(subject)
    if command is None or not started:
        return None
    return "serve" in (*started[1:], *command.positionals[:1])


def _names_model(subject: Subject) -> Value:
    command = subject.command
    if command is None:
        return None
    return any(word != "serve" for word in command.positionals)


def _model_flag(subject: Subject) -> Value:
    return subject.service is not None and "--model" in subject.service.words


_OTHERS: dict[str, Callable[[Subject], Value]] = {
    "engine.max_num_seqs": _default_seqs,
    "launch.model": _names_model,
    "launch.model_flag": _model_flag,
    "launch.serve": _serve,
    "machine.accelerator": lambda subject: subject.plan.machine.accelerator,
    "machine.capability": _capability,
    "machine.devices": lambda subject: subject.plan.machine.devices,
    "plan.context": lambda subject: subject.plan.limits.context,
    "plan.state_blocks": lambda subject: subject.plan.memory.state_blocks,
    "weights.quantization": lambda subject: subject.plan.weights.quantization,
}
