"""From the words a user types (`2x4090`, `h100:8`, `apple-m3-16gb`) to a Machine."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from infra_gen.errors import UsageError, did_you_mean
from infra_gen.knowledge import store
from infra_gen.knowledge.hardware_words import spoken
from infra_gen.model.hardware import (
    USUAL_ACCELERATOR,
    DevicePreset,
    InstancePreset,
    MemoryOption,
)
from infra_gen.model.machine import Machine
from infra_gen.model.sourced import Sourced

_PREFIX = re.compile(r"^(\d+)\s*x\s*(?=[a-z])", re.IGNORECASE)
_BARE_PREFIX = re.compile(r"^(\d+)x(\d{4}.*)$", re.IGNORECASE)
_SUFFIX = re.compile(r":(\d+)$")
_MEMORY = re.compile(r"-(\d+)gb$")
_KEPT = "memory kept for the system"


@dataclass(frozen=True, slots=True)
class Asked:
    """The parts of a hardware word."""

    name: str
    count: int


def split_count(text: str) -> Asked:
    """`2x4090` and `4090:2` name two cards, `h100` one."""
    name = text.strip().lower()
    prefix = _PREFIX.match(name) or _BARE_PREFIX.match(name)
    suffix = _SUFFIX.search(name)
    if prefix and suffix:
        raise UsageError(f"hardware {text!r} gives the count twice", hint="write 2x4090 or 4090:2")
    count = 1
    if prefix:
        count = int(prefix.group(1))
        name = name[name.index("x") + 1 :].lstrip()
    if suffix:
        count = int(suffix.group(1))
        name = name[: suffix.start()]
    if not name or not 1 <= count <= 1024:
        raise UsageError(f"hardware {text!r} names {count} devices", hint="write 2x4090 or h100:8")
    return Asked(name, count)


def _value(sourced: Sourced[float] | None) -> float | None:
    return sourced.value if sourced else None


def _understood(text: str) -> tuple[Asked, DevicePreset, int | None]:
    """The count, the preset and the memory size that `text` names, in short words or in a sentence."""
    try:
        asked = split_count(text)
        return asked, *_pick_preset(asked, text)
    except UsageError:
        word = spoken(text)
        if word is None:
            raise
    asked = split_count(word)
    return asked, *_pick_preset(asked, text)


def _pick_preset(asked: Asked, text: str) -> tuple[DevicePreset, int | None]:
    """The preset and the memory size named with it, if one was."""
    if store.canonical("hardware", asked.name):
        return store.load("hardware", asked.name, DevicePreset), None
    memory = _MEMORY.search(asked.name)
    stem = asked.name[: memory.start()] if memory else None
    if memory and stem and store.canonical("hardware", stem):
        preset = store.load("hardware", stem, DevicePreset)
        if preset.memory_options:
            return preset, int(memory.group(1))
    aliases = store.index()["aliases"]
    known = [
        *store.index()["hardware"], *aliases["hardware"],
        *store.index()["instances"], *aliases["instances"],
    ]  # fmt: skip
    raise UsageError(f"unknown hardware {text!r}", hint=did_you_mean(asked.name, known))


def _pick_memory(preset: DevicePreset, named: int | None) -> MemoryOption | None:
    if not preset.memory_options:
        return None
    wanted = named or preset.default_memory_gib
    for option in preset.memory_options:
        if option.gib == wanted:
            return option
    sizes = ", ".join(f"{preset.id}-{option.gib}gb" for option in preset.memory_options)
    raise UsageError(f"{preset.name} was not sold with {wanted} GB", hint=f"known: {sizes}")


def _assumptions(preset: DevicePreset, option: MemoryOption | None, named: int | None) -> list[str]:
    said = []
    if option and named is None and preset.default_memory_note:
        said.append(preset.default_memory_note)
    for label, fact in (
        (_KEPT, preset.reserved_gib),
        ("memory bandwidth", (option and option.bandwidth_gb_s) or preset.bandwidth_gb_s),
        ("visible memory", preset.visible_gib),
        ("compute", (option and option.fp16_tflops) or preset.fp16_tflops),
    ):
        if fact and fact.assumed and fact.note:
            said.append(f"{label} is assumed ({fact.value:g}): {fact.note}")
        elif fact and fact.value is None and fact.note:
            said.append(f"{label} is unknown: {fact.note}")
    return said


def _visible_gib(preset: DevicePreset, option: MemoryOption | None) -> float:
    seen = _value(preset.visible_gib)
    if seen is not None and (option is None or option.gib == preset.nominal_gib.value):
        return seen
    if option:
        return float(option.gib)
    # Never the figure on the box: drivers show 2 to 5 % less, so take the worst seen.
    return round((preset.nominal_gib.value or 0) * 0.95, 2)


def _usable_gib(
    preset: DevicePreset, option: MemoryOption | None, visible: float, reserved: float
) -> float:
    usable = visible - reserved
    own = option.gpu_limit_fraction if option else None
    limit = _value(own) or _value(preset.gpu_limit_fraction)
    if limit is not None:
        usable = min(usable, visible * limit)
    return max(0.0, round(usable, 3))


def resolve_machine(text: str, *, measured: bool = False) -> Machine:
    """The machine that `text` names: devices of a preset, or a provider's instance.

    `measured`: somebody has counted the devices, so more of them than a preset expects are there.
    Raises UsageError with close matches when it names nothing that the presets hold.
    """
    instance = store.canonical("instances", text.strip())
    if instance:
        return _instance_machine(store.load("instances", instance, InstancePreset))
    asked, preset, named = _understood(text)
    if not measured:
        _check_count(preset, asked.count, text)
    return _machine(preset, _pick_memory(preset, named), named, asked.count)


def _check_count(preset: DevicePreset, count: int, text: str) -> None:
    if count > 1 and preset.max_per_node == 1:
        raise UsageError(f"{preset.name} is one device a machine, {text!r} asks for {count}")
    if count > preset.max_per_node:
        raise UsageError(
            f"{text!r}: at most {preset.max_per_node} {preset.name} in one machine",
            hint="several machines: hardware: {nodes: {count: 2, each: "
            f"{preset.id}:{preset.max_per_node}}}}} in infra-gen.yaml",
        )


def _instance_machine(instance: InstancePreset) -> Machine:
    preset = store.load("hardware", instance.device, DevicePreset)
    machine = _machine(preset, _pick_memory(preset, None), None, instance.devices)
    seen = instance.visible_gib.value if instance.visible_gib else None
    machine = replace(
        machine,
        id=instance.id,
        name=f"{instance.name} ({preset.name})",
        # Nobody sits in front of a rented machine.
        reserved_gib=0.0 if machine.memory_kind == "discrete" else machine.reserved_gib,
        cpu_cores=instance.vcpus.value // 2 if instance.vcpus.value else machine.cpu_cores,
        host_memory_gib=instance.host_memory_gib.value,
        assumptions=tuple(a for a in machine.assumptions if not a.startswith(_KEPT)),
    )
    return with_memory(machine, seen or machine.visible_gib)


def with_memory(machine: Machine, visible_gib: float) -> Machine:
    """The machine with the memory that its driver shows, the share that plans may fill kept."""
    limit = machine.usable_gib / (machine.visible_gib - machine.reserved_gib or 1)
    usable = max(0.0, (visible_gib - machine.reserved_gib) * min(1.0, limit))
    return replace(machine, visible_gib=visible_gib, usable_gib=round(usable, 3))


def _machine(
    preset: DevicePreset, option: MemoryOption | None, named: int | None, count: int
) -> Machine:
    """`count` devices of the preset; `named` is the memory size that the user wrote."""
    visible = _visible_gib(preset, option)
    reserved = _value(preset.reserved_gib) or 0.0
    base_id = f"{preset.id}-{option.gib}gb" if option else preset.id
    bandwidth = _value(option.bandwidth_gb_s) if option and option.bandwidth_gb_s else None
    tflops = _value(option.fp16_tflops) if option and option.fp16_tflops else None
    link = preset.interconnect
    return Machine(
        id=base_id if count == 1 else f"{base_id}:{count}",
        name=f"{preset.name} ({option.gib} GB)" if option else preset.name,
        vendor=preset.vendor,
        family=preset.family,
        os=preset.os,
        arch=preset.arch,
        devices=count,
        memory_kind=preset.memory_kind,
        visible_gib=visible,
        reserved_gib=reserved,
        usable_gib=_usable_gib(preset, option, visible, reserved),
        bandwidth_gb_s=bandwidth or _value(preset.bandwidth_gb_s) or 0.0,
        fp16_tflops=tflops or _value(preset.fp16_tflops),
        fp8_tflops=_value(preset.fp8_tflops),
        int8_tops=_value(preset.int8_tops),
        compute_capability=preset.compute_capability,
        gfx=preset.gfx,
        cpu_cores=(option and option.cpu_cores) or preset.cpu_cores,
        vector_extensions=preset.vector_extensions,
        interconnect=link.kind if link else "none",
        interconnect_gb_s=_value(link.gb_s) if link else None,
        accelerator=preset.accelerator or USUAL_ACCELERATOR[preset.vendor],
        min_driver=preset.min_driver.value if preset.min_driver else None,
        assumptions=tuple(_assumptions(preset, option, named)),
    )
