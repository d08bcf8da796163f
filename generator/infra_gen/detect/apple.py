"""Apple silicon: sysctl, system_profiler and vm_stat."""

from __future__ import annotations

import re

from infra_gen.detect.probe import Probe
from infra_gen.detect.records import Found, Host, Seen
from infra_gen.detect.values import at, fields, json_in, size, whole, word

KEYS = ("hw.memsize", "hw.physicalcpu", "hw.optional.arm64", "machdep.cpu.brand_string",
        "hw.perflevel0.physicalcpu", "hw.perflevel1.physicalcpu", "iogpu.wired_limit_mb",
        "hw.optional.arm.FEAT_FP16", "hw.optional.arm.FEAT_DotProd", "hw.optional.arm.FEAT_BF16",
        "hw.optional.arm.FEAT_I8MM", "hw.optional.arm.FEAT_SME", "hw.optional.avx2_0",
        "hw.optional.avx512f")  # fmt: skip
_EXTENSIONS = {
    "hw.optional.arm.FEAT_FP16": "fp16",
    "hw.optional.arm.FEAT_DotProd": "dotprod",
    "hw.optional.arm.FEAT_BF16": "bf16",
    "hw.optional.arm.FEAT_I8MM": "i8mm",
    "hw.optional.arm.FEAT_SME": "sme",
    "hw.optional.avx2_0": "avx2",
    "hw.optional.avx512f": "avx512",
}
_CHIP = re.compile(r"Apple M\d{1,2}\b.*")
_PAGE_SIZE = re.compile(r"page size of (\d{1,6}) bytes")
_FREE_PAGES = ("Pages free", "Pages inactive", "Pages speculative")


def sysctl(probe: Probe) -> dict[str, str]:
    """The keys that this macOS knows; `-i` leaves the others out."""
    ran = probe.run("sysctl", "-i", *KEYS)
    return fields(ran.text) if ran else {}


def host_of(facts: dict[str, str], arch: str, vm_stat: str = "") -> Host:
    """The machine. A Python for Intel on Apple silicon says x86_64, the hardware knows better."""
    own = facts.get("hw.optional.arm64") == "1"
    extensions = [name for key, name in _EXTENSIONS.items() if facts.get(key) == "1"]
    return Host(
        os="macos",
        arch="arm64" if own else arch,
        cpu_name=word(facts.get("machdep.cpu.brand_string")),
        memory_gib=size(facts.get("hw.memsize")),
        free_gib=free_of(vm_stat),
        cpu_cores=_cores(facts),
        numa_nodes=1,
        vector_extensions=(*(("neon",) if own or arch == "arm64" else ()), *extensions),
    )


def _cores(facts: dict[str, str]) -> int | None:
    whole_machine = whole(facts.get("hw.physicalcpu"))
    levels = [whole(facts.get(f"hw.perflevel{level}.physicalcpu")) or 0 for level in (0, 1)]
    return whole_machine or sum(levels) or None


def free_of(vm_stat: str) -> float | None:
    """GiB that programs could have: free pages and those that macOS takes back at once."""
    page, pages = _PAGE_SIZE.search(vm_stat), fields(vm_stat)
    counts = [whole(pages.get(key, "").removesuffix(".")) for key in _FREE_PAGES]
    known = [count for count in counts if count is not None]
    return sum(known) * int(page[1]) / (1 << 30) if page and len(known) == len(counts) else None


def look(probe: Probe, host: Host, facts: dict[str, str]) -> Seen:
    """The chip, which is CPU and GPU in one."""
    if not host.cpu_name or not _CHIP.fullmatch(host.cpu_name):
        return Seen()
    ran = probe.run("system_profiler", "SPDisplaysDataType", "-json")
    cores = gpu_cores_of(ran.text, host.cpu_name) if ran else None
    notes = ["macOS: engines run natively, containers there have no GPU"]
    limit = whole(facts.get("iogpu.wired_limit_mb"))
    if limit:
        notes.append(f"iogpu.wired_limit_mb is {limit}: the GPU may use {limit / 1024:.1f} GiB")
    device = Found(
        vendor="apple",
        name=host.cpu_name,
        memory_kind="unified",
        visible_gib=host.memory_gib,
        total_gib=host.memory_gib,
        free_gib=host.free_gib,
        gpu_cores=cores,
    )
    return Seen((device,), tuple(notes))


def gpu_cores_of(text: str, chip: str) -> int | None:
    """`sppci_cores` of the built-in GPU in `system_profiler SPDisplaysDataType -json`."""
    rows = at(json_in(text), "SPDisplaysDataType")
    for row in rows if isinstance(rows, list) else ():
        if word(at(row, "sppci_model")) == chip:
            return whole(at(row, "sppci_cores"))
    return None
