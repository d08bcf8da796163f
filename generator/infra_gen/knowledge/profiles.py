"""Hardware of a spec: words, several nodes, or a profile in a file or in the spec itself."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from pydantic import ValidationError

from infra_gen.errors import UsageError
from infra_gen.knowledge import store
from infra_gen.knowledge.machines import resolve_machine, with_memory
from infra_gen.model.hardware import USUAL_ACCELERATOR
from infra_gen.model.machine import Machine
from infra_gen.model.profile import InlineDevice, Profile
from infra_gen.model.spec import HardwareNodes, Spec, is_file_word

_MAX_BYTES = 100_000
# What a desktop keeps on a card that nothing is known of.
_RESERVED_GIB = 1.0
_UNIFIED_KEPT = 0.25  # of memory that the system uses too


def machine_of(spec: Spec, base: Path, pinned: str | None = None) -> Machine:
    """The machine that the spec asks for, with its nodes and its share of each device.

    `pinned` is the hardware that a lock resolved the words to. Relative files are taken from
    `base`. Raises UsageError for words that name nothing and for profiles that cannot be read.
    """
    asked = spec.hardware
    nodes = asked.nodes.count if isinstance(asked, HardwareNodes) else 1
    if isinstance(asked, Profile):
        machine = from_profile(asked, "this machine")
    else:
        word = asked.nodes.each if isinstance(asked, HardwareNodes) else asked
        machine = _as_locked(from_word(word, base), pinned, base)
    return replace(shared(machine, spec.gpu_fraction), nodes=nodes)


def shared(machine: Machine, fraction: float | None) -> Machine:
    """The machine of which a deployment may take that share of each device; null: all of it."""
    share = fraction or 1.0
    usable = min(machine.usable_gib, machine.visible_gib * share)
    return replace(machine, share=share, usable_gib=usable)


def _as_locked(asked: Machine, pinned: str | None, base: Path) -> Machine:
    """The locked machine; the same one as asked for keeps what was assumed when it was named."""
    return asked if pinned in (None, asked.id) else from_word(str(pinned), base)


def from_word(word: str, base: Path) -> Machine:
    """A preset, an instance, or the profile in a file."""
    if not is_file_word(word):
        return resolve_machine(word)
    path = Path(os.path.normpath(base / os.path.expanduser(word)))  # noqa: PTH111 - unknown users stay as they are
    return replace(from_profile(_read(path), str(path)), id=word)


def _read(path: Path) -> Profile:
    if not path.is_file():
        raise UsageError(
            "no such hardware profile", where=str(path), hint="infra-gen detect --write writes one"
        )
    if path.stat().st_size > _MAX_BYTES:
        raise UsageError("far larger than any hardware profile", where=str(path))
    try:
        return Profile.model_validate(store.read_yaml(path))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"{key or 'profile'}: {first['msg']}", where=str(path)) from error
    except Exception as error:
        if type(error).__module__.startswith("ruamel"):
            raise UsageError("not valid YAML", where=str(path)) from error
        raise


def from_profile(profile: Profile, where: str) -> Machine:
    """The machine of a profile: a preset corrected by what was measured, or measurements alone."""
    named = profile.hardware
    machine = resolve_machine(named, measured=True) if named else _inline(profile, where)
    host = profile.host
    if profile.visible_gib:
        machine = with_memory(machine, profile.visible_gib)
    if host is None:
        return machine
    return replace(
        machine,
        host_memory_gib=host.memory_gib or machine.host_memory_gib,
        cpu_cores=host.cpu_cores or machine.cpu_cores,
        numa_nodes=host.numa_nodes,
        vector_extensions=host.vector_extensions or machine.vector_extensions,
    )


def _inline(profile: Profile, where: str) -> Machine:
    device = profile.device
    if device is None:
        raise UsageError("neither hardware nor device", where=where)
    visible = profile.visible_gib or device.visible_gib or 0.0
    reserved = _RESERVED_GIB if device.memory_kind == "discrete" else visible * _UNIFIED_KEPT
    return Machine(
        id=device.name.lower().replace(" ", "-"),
        name=device.name,
        vendor=device.vendor,
        family="unknown",
        os=device.os,
        arch=device.arch,
        devices=profile.devices,
        memory_kind=device.memory_kind,
        visible_gib=visible,
        reserved_gib=reserved,
        usable_gib=max(0.0, visible - reserved),
        bandwidth_gb_s=device.bandwidth_gb_s or 0.0,
        fp16_tflops=device.fp16_tflops,
        fp8_tflops=None,
        compute_capability=device.compute_capability,
        gfx=device.gfx,
        cpu_cores=device.cpu_cores,
        vector_extensions=device.vector_extensions,
        interconnect="none",
        interconnect_gb_s=None,
        accelerator=device.accelerator or USUAL_ACCELERATOR[device.vendor],
        assumptions=tuple(_unknowns(device, reserved)),
    )


def _unknowns(device: InlineDevice, reserved: float) -> list[str]:
    said = [f"{reserved:g} GiB are kept for the system: nothing is known of this device"]
    if device.bandwidth_gb_s is None:
        said.append("memory bandwidth is unknown: no speed is predicted")
    return said
