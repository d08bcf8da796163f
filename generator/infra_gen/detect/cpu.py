"""The processor and its memory: lscpu, /proc, and the limits of cgroups."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from infra_gen.detect.probe import Probe
from infra_gen.detect.values import at, fields, json_in, kib, number, size, whole, word

# The kernel's flag -> the word of the hardware presets.
EXTENSIONS = {
    "avx2": "avx2",
    "fma": "fma",
    "f16c": "f16c",
    "avx512f": "avx512",
    "avx512_vnni": "avx512-vnni",
    "avx512_bf16": "avx512-bf16",
    "avx_vnni": "avx-vnni",
    "amx_bf16": "amx-bf16",
    "amx_int8": "amx-int8",
    "asimd": "neon",
    "neon": "neon",
    "asimdhp": "fp16",
    "asimddp": "dotprod",
    "bf16": "bf16",
    "i8mm": "i8mm",
    "sve": "sve",
    "sve2": "sve2",
}
_CGROUPS = "/sys/fs/cgroup"
_DEEPEST = 32
_NO_LIMIT_GIB = float(1 << 20)  # cgroup v1 writes nearly 2**63 bytes for none


@dataclass(frozen=True, slots=True)
class Cpu:
    """`cores` are physical. `hypervisor` names the virtual machine's maker."""

    name: str | None = None
    cores: int | None = None
    numa_nodes: int | None = None
    extensions: tuple[str, ...] = ()
    hypervisor: str | None = None


def look(probe: Probe) -> Cpu:
    """From lscpu, filled up from /proc/cpuinfo and sysfs."""
    ran = probe.run("lscpu", "-J")
    found = parse_lscpu(ran.text) if ran else Cpu()
    if found.name and found.cores and found.extensions:
        return found
    other = parse_cpuinfo(probe.read("/proc/cpuinfo") or "")
    nodes = [n for n in probe.children("/sys/devices/system/node") if re.fullmatch(r"node\d+", n)]
    return Cpu(
        name=found.name or other.name,
        cores=found.cores or other.cores,
        numa_nodes=found.numa_nodes or len(nodes) or None,
        extensions=found.extensions or other.extensions,
        hypervisor=found.hypervisor or other.hypervisor,
    )


def parse_lscpu(text: str) -> Cpu:
    """`lscpu -J`; since util-linux 2.37 some fields lie inside others."""
    rows: dict[str, str] = {}
    for key, value in _rows(at(json_in(text), "lscpu"), 0):
        rows.setdefault(key.rstrip(":"), value)
    per = whole(rows.get("Core(s) per socket")) or whole(rows.get("Core(s) per cluster"))
    groups = whole(rows.get("Socket(s)")) or whole(rows.get("Cluster(s)"))
    threads, cpus = whole(rows.get("Thread(s) per core")), whole(rows.get("CPU(s)"))
    cores = per * groups if per and groups else None
    if cores is None and threads and cpus:
        cores = cpus // threads
    hypervisor = word(rows.get("Hypervisor vendor"))
    return Cpu(
        name=word(rows.get("Model name")),
        cores=cores or None,
        numa_nodes=whole(rows.get("NUMA node(s)")),
        extensions=extensions_of(rows.get("Flags", "")),
        hypervisor=hypervisor,
    )


def _rows(nodes: Any, depth: int) -> Iterator[tuple[str, str]]:
    for node in nodes if isinstance(nodes, list) and depth < _DEEPEST else ():
        key, value = at(node, "field"), at(node, "data")
        if isinstance(key, str) and isinstance(value, str):
            yield key, value
        yield from _rows(at(node, "children"), depth + 1)


def parse_cpuinfo(text: str) -> Cpu:
    """/proc/cpuinfo: `flags` on x86, `Features` on Arm."""
    facts, cores = fields(text), set()
    for block in text.split("\n\n"):
        one = fields(block)
        if "core id" in one:
            cores.add((one.get("physical id"), one["core id"]))
        elif "processor" in one:
            cores.add((None, one["processor"]))
    flags = facts.get("flags") or facts.get("Features") or ""
    hypervisor = "hypervisor" if "hypervisor" in flags.split() else None
    name = word(facts.get("model name"))
    return Cpu(name, len(cores) or None, None, extensions_of(flags), hypervisor)


def extensions_of(flags: str) -> tuple[str, ...]:
    """Our words for the vector extensions in a line of flags."""
    has = set(flags.split())
    return tuple(dict.fromkeys(name for flag, name in EXTENSIONS.items() if flag in has))


def memory_of(meminfo: str) -> tuple[float | None, float | None]:
    """Memory and what is available of it, GiB, from /proc/meminfo."""
    facts = fields(meminfo)
    total, free = (
        kib(facts.get(key, "").removesuffix("kB").strip()) for key in ("MemTotal", "MemAvailable")
    )
    return total, free


def limits(probe: Probe) -> tuple[float | None, int | None]:
    """GiB and cores that the cgroups of this process allow; None without a limit."""
    memory: list[float] = []
    quotas: list[float] = []
    for controllers, path in parse_cgroups(probe.read("/proc/self/cgroup") or ""):
        for folder in _upward(controllers, path):
            memory += _memory_limit(probe, folder)
            quotas += _cpu_limit(probe, folder)
    least = min((gib for gib in memory if gib < _NO_LIMIT_GIB), default=None)
    return least, max(1, math.floor(min(quotas))) if quotas else None


def parse_cgroups(text: str) -> tuple[tuple[str, str], ...]:
    """Controllers and path of each line; cgroup v2 has no controllers. Only ours are kept."""
    found = []
    for line in text.splitlines():
        parts = line.strip().split(":", 2)
        if len(parts) == 3 and ".." not in parts[2].split("/"):
            controllers = parts[1].split(",")
            if not parts[1] or "memory" in controllers or "cpu" in controllers:
                found.append((parts[1], parts[2]))
    return tuple(found)


def _upward(controllers: str, path: str) -> Iterator[str]:
    """The cgroup's folder and those above it; inside a container only the last one is there."""
    root = f"{_CGROUPS}/{controllers}" if controllers else _CGROUPS
    parts = [part for part in path.split("/") if part][:_DEEPEST]
    for end in range(len(parts), -1, -1):
        yield "/".join([root, *parts[:end]])


def _memory_limit(probe: Probe, folder: str) -> list[float]:
    texts = (probe.read(f"{folder}/{name}") for name in ("memory.max", "memory.limit_in_bytes"))
    return [gib for text in texts if (gib := size((text or "").strip())) is not None]


def _cpu_limit(probe: Probe, folder: str) -> list[float]:
    words = (probe.read(f"{folder}/cpu.max") or "").split()
    if not words:
        names = ("cpu.cfs_quota_us", "cpu.cfs_period_us")
        words = [(probe.read(f"{folder}/{name}") or "").strip() for name in names]
    quota, period = (number(text) for text in (words if len(words) == 2 else ("", "")))
    return [quota / period] if quota and period else []
