"""The profile of a machine: what `--hardware FILE` reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from infra_gen.detect.match import Match, Presets, match, match_host
from infra_gen.detect.records import Found, Host, Seen
from infra_gen.detect.values import rounded_down

SCHEMA = 1
_UNKNOWN = "bandwidth and compute of the device are unknown: plans from this profile have no speeds"


@dataclass(frozen=True, slots=True)
class Profile:
    """`hardware` is a preset's word with its count, or None; then `device` has what was measured."""

    hardware: str | None
    device: Found | None
    devices: int
    visible_gib: float | None
    free_gib: float | None
    driver: str | None
    host: Host
    notes: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """The profile as plain values. Memory in GiB, rounded down."""
        host = self.host
        return {
            "schema": SCHEMA,
            "hardware": self.hardware,
            "device": self._inline(),
            "devices": self.devices,
            "visible_gib": rounded_down(self.visible_gib),
            "free_gib": rounded_down(self.free_gib),
            "driver": self.driver,
            "host": {
                "os": host.os,
                "arch": host.arch,
                "memory_gib": rounded_down(host.memory_gib),
                "cpu_cores": host.cpu_cores,
                "numa_nodes": host.numa_nodes,
                "vector_extensions": list(host.vector_extensions),
                "container": host.container,
                "wsl2": host.wsl2,
            },
            "notes": list(self.notes),
        }

    def _inline(self) -> dict[str, Any] | None:
        if self.device is None:
            return None
        one, host = self.device, self.host
        return {
            "name": one.name,
            "vendor": one.vendor,
            "arch": host.arch,
            "os": host.os,
            "memory_kind": one.memory_kind,
            "visible_gib": rounded_down(self.visible_gib),
            "compute_capability": one.compute_capability,
            "gfx": one.gfx,
            "driver": one.driver,
            "vector_extensions": list(host.vector_extensions),
            "cpu_cores": host.cpu_cores,
        }


def profile(host: Host, seen: Seen, presets: Presets) -> Profile:
    """The largest group of equal devices, or the processor."""
    notes = list(seen.notes)
    usable: list[Found] = []
    for one in seen.devices:
        if one.integrated and not match(one, presets).word:
            notes.append(f"{one.name} is graphics inside the processor and no preset: left out")
        else:
            usable.append(one)
    groups = _groups(usable)
    if not groups:
        return _of_processor(host, presets, notes)
    group = groups[0]
    notes += [f"different devices: {len(one)} x {one[0].name} left out" for one in groups[1:]]
    return _of_devices(host, group, presets, notes)


def _kind(one: Found) -> tuple[str, str, str, str, int]:
    target = one.compute_capability or one.gfx or ""
    return one.vendor, one.name, one.memory_kind, target, round(one.total_gib or 0.0)


def _groups(devices: Sequence[Found]) -> list[list[Found]]:
    """Equal devices together, the group with the most memory first."""
    groups = [list(group) for _, group in groupby(sorted(devices, key=_kind), _kind)]
    return sorted(
        groups, key=lambda g: (-sum(one.total_gib or 0.0 for one in g), -len(g), _kind(g[0]))
    )


def _least(values: Sequence[float | None]) -> float | None:
    return min((value for value in values if value is not None), default=None)


def _of_devices(host: Host, group: list[Found], presets: Presets, notes: list[str]) -> Profile:
    first, count = group[0], len(group)
    matched = match(first, presets)
    notes += _doubts(matched, first, count, presets)
    word = matched.word
    drivers = {one.driver for one in group}
    return Profile(
        hardware=f"{word}:{count}" if word and count > 1 else word,
        device=None if word else first,
        devices=count,
        visible_gib=_least([one.visible_gib for one in group]),
        free_gib=_least([one.free_gib for one in group]),
        driver=drivers.pop() if len(drivers) == 1 else None,
        host=host,
        notes=tuple(dict.fromkeys(notes)),
    )


def _doubts(matched: Match, found: Found, count: int, presets: Presets) -> list[str]:
    notes = [matched.note] if matched.note else []
    if matched.preset is None:
        return [*notes, _UNKNOWN]
    preset = presets[matched.preset]
    most = preset.get("max_per_node")
    if isinstance(most, int) and count > most:
        notes.append(f"{count} of them, while the preset {matched.preset} expects {most} at most")
    cores = _gpu_cores(preset, matched.word or "")
    if found.gpu_cores and cores and found.gpu_cores != cores:
        notes.append(
            f"{found.gpu_cores} GPU cores, while {matched.word} is taken to have {cores}: "
            "its speed differs accordingly"
        )
    if found.visible_gib is None:
        notes.append("memory was not measured: the preset's figure counts")
    return notes


def _gpu_cores(preset: Any, word: str) -> int | None:
    """The cores that the preset takes for this memory size."""
    for option in preset.get("memory_options") or ():
        if word.endswith(f"-{option.get('gib')}gb") and option.get("gpu_cores"):
            return int(option["gpu_cores"])
    cores = preset.get("gpu_cores")
    return cores if isinstance(cores, int) else None


def _of_processor(host: Host, presets: Presets, notes: list[str]) -> Profile:
    matched = match_host(host, presets)
    notes.append("no accelerator was found: this is a profile of the processor")
    if matched.note:
        notes.append(matched.note)
    device = None
    if not matched.word:
        device = Found("cpu", host.cpu_name or host.board or "CPU", "host", host.memory_gib)
        notes.append(_UNKNOWN)
    return Profile(
        hardware=matched.word,
        device=device,
        devices=1,
        visible_gib=host.memory_gib,
        free_gib=host.free_gib,
        driver=None,
        host=host,
        notes=tuple(dict.fromkeys(notes)),
    )
