"""Rows from the presets, the registries and the rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from infra_gen.catalogue.loading import loading_engines
from infra_gen.catalogue.rows import (
    CheckpointRow,
    EngineRow,
    HardwareRow,
    InstanceRow,
    ModelRow,
    Row,
    RuleRow,
    Size,
    TargetRow,
    WorkloadRow,
)
from infra_gen.knowledge import store
from infra_gen.knowledge.engines import engine_info
from infra_gen.knowledge.machines import resolve_machine
from infra_gen.model.engine_facts import EngineFacts
from infra_gen.model.hardware import DevicePreset, InstancePreset
from infra_gen.model.llm import ModelPreset
from infra_gen.model.target import TargetKind
from infra_gen.plan.weights import checkpoint_bytes
from infra_gen.rules.registry import RULES
from infra_gen.targets.registry import TARGETS


def ids(kind: str) -> tuple[str, ...]:
    """Every id of that kind, sorted."""
    if kind == "targets":
        return tuple(sorted(TARGETS))
    if kind == "rules":
        return tuple(sorted(RULES))
    return tuple(sorted(store.index().get(kind, ())))


def sizes_of(preset: DevicePreset) -> tuple[Size, ...]:
    """Every memory size of the device, smallest first; one where it is sold with one."""
    sold: list[tuple[str, int | None]] = [
        (f"{preset.id}-{option.gib}gb", option.gib) for option in preset.memory_options
    ]
    found = []
    for word, nominal in sold or [(preset.id, preset.nominal_gib.value)]:
        machine = resolve_machine(word)
        found.append(
            Size(
                word=word,
                nominal_gib=nominal,
                visible_gib=machine.visible_gib,
                usable_gib=machine.usable_gib,
                bandwidth_gb_s=machine.bandwidth_gb_s or None,
            )
        )
    return tuple(sorted(found, key=lambda size: size.visible_gib))


def hardware_row(name: str) -> HardwareRow:
    """The device of that id."""
    preset = store.load("hardware", name, DevicePreset)
    seen = preset.visible_gib
    return HardwareRow(
        id=preset.id,
        name=preset.name,
        vendor=preset.vendor,
        family=preset.family,
        sizes=sizes_of(preset),
        estimated=not preset.memory_options
        and (seen is None or seen.value is None or seen.assumed),
        max_per_node=preset.max_per_node,
        aliases=preset.aliases,
    )


def instance_row(name: str) -> InstanceRow:
    """The rented machine of that id."""
    preset = store.load("instances", name, InstancePreset)
    device = store.load("hardware", preset.device, DevicePreset)
    given = preset.visible_gib.value if preset.visible_gib else None
    seen = given or resolve_machine(preset.device).visible_gib
    return InstanceRow(
        id=preset.id,
        name=preset.name,
        provider=preset.provider,
        vendor=device.vendor,
        device=preset.device,
        devices=preset.devices,
        nominal_gib=device.nominal_gib.value,
        visible_gib=seen,
        vcpus=preset.vcpus.value,
        host_memory_gib=preset.host_memory_gib.value,
        aliases=preset.aliases,
    )


def checkpoint_rows(preset: ModelPreset) -> tuple[CheckpointRow, ...]:
    """Its checkpoints, largest first."""
    found = []
    for checkpoint in preset.checkpoints:
        size, stated = checkpoint_bytes(preset, checkpoint)
        found.append(
            CheckpointRow(
                format=checkpoint.format,
                quantization=checkpoint.quantization,
                repo=checkpoint.repo,
                bytes=size,
                computed=not stated,
                engines=loading_engines(preset, checkpoint),
            )
        )
    return tuple(sorted(found, key=lambda row: (-row.bytes, row.quantization, row.repo)))


def model_row(name: str) -> ModelRow:
    """The model of that id."""
    preset = store.load("models", name, ModelPreset)
    return ModelRow(
        id=preset.id,
        name=preset.name,
        hf_id=preset.hf_id,
        task=preset.task,
        params_total=preset.params_total.value,
        params_active=preset.params_active.value,
        context=preset.architecture.max_context,
        licence=preset.license.value,
        gated=preset.gated.value,
        released=preset.released.value,
        checkpoints=checkpoint_rows(preset),
        aliases=preset.aliases,
    )


def _can_run(kind: TargetKind, facts: EngineFacts) -> bool:
    if kind.runtime == "container":
        return bool(facts.images)
    return any(native.platform.startswith(f"{kind.os}-") for native in facts.native)


def engine_row(name: str) -> EngineRow:
    """The engine of that name."""
    facts = engine_info(name).facts
    return EngineRow(
        id=name,
        name=facts.title,
        version=facts.default_version,
        formats=facts.reach.formats,
        tasks=facts.reach.tasks,
        targets=tuple(t for t in ids("targets") if _can_run(TARGETS[t].kind, facts)),
    )


def target_row(name: str) -> TargetRow:
    """The target of that name; its name is the first line of its module."""
    target = TARGETS[name]
    kind = target.kind
    return TargetRow(
        id=name,
        name=(target.__doc__ or name).splitlines()[0],
        runtime=kind.runtime,
        os=kind.os,
        engines=tuple(e for e in ids("engines") if _can_run(kind, engine_info(e).facts)),
    )


def workload_row(name: str) -> WorkloadRow:
    """The workload of that name."""
    workload = store.workload(name)
    return WorkloadRow(
        id=workload.id,
        name=workload.name,
        input_p50=workload.input_tokens.low,
        input_p95=workload.input_tokens.high,
        output_p50=workload.output_tokens.low,
        output_p95=workload.output_tokens.high,
        think_s=workload.think_s.value,
        shared_prefix=workload.shared_prefix.value,
    )


def rule_row(slug: str) -> RuleRow:
    """The rule of that slug."""
    rule = RULES[slug].RULE
    return RuleRow(id=slug, name=rule.what, severity=rule.severity, confidence=rule.confidence)


_ROW_OF: Mapping[str, Callable[[str], Row]] = {
    "hardware": hardware_row,
    "instances": instance_row,
    "models": model_row,
    "engines": engine_row,
    "targets": target_row,
    "workloads": workload_row,
    "rules": rule_row,
}


def rows(kind: str) -> tuple[Row, ...]:
    """Every row of that kind, sorted by id."""
    return tuple(_ROW_OF[kind](name) for name in ids(kind))
