"""Asks every source that fits the system, in order."""

from __future__ import annotations

from infra_gen.detect import amd, apple, cpu, intel, jetson, nvidia, pci, surroundings
from infra_gen.detect.probe import Probe
from infra_gen.detect.records import Host, Seen
from infra_gen.detect.values import word
from infra_gen.errors import UsageError

_TOOLS = {"nvidia": "nvidia-smi", "amd": "amdgpu or ROCm", "intel": "xpu-smi", "habana": "hl-smi"}


def look(probe: Probe) -> tuple[Host, Seen]:
    """The host and its devices. UsageError on a system that is neither Linux nor macOS."""
    kernel, machine = probe.system()
    arch = surroundings.ARCHITECTURES.get(machine.lower(), word(machine) or "unknown")
    system = surroundings.SYSTEMS.get(kernel)
    if system == "macos":
        return _mac(probe, arch)
    if system == "linux":
        return _linux(probe, arch)
    raise UsageError(
        f"detect knows Linux and macOS, not {word(kernel) or 'this system'}",
        hint="on Windows run it inside WSL2; elsewhere name the machine: --hardware rtx-4090",
    )


def _mac(probe: Probe, arch: str) -> tuple[Host, Seen]:
    facts = apple.sysctl(probe)
    pages = probe.run("vm_stat")
    host = apple.host_of(facts, arch, pages.text if pages else "")
    return host, apple.look(probe, host, facts)


def _linux(probe: Probe, arch: str) -> tuple[Host, Seen]:
    host, notes = _linux_host(probe, arch)
    slots = pci.look(probe)
    seen = jetson.look(probe, host, nvidia.look(probe, host))
    seen = seen.plus(amd.look(probe, host, slots)).plus(intel.look(probe, slots))
    return host, Seen(seen.devices, (*notes, *seen.notes, *_unseen(slots, seen)))


def _linux_host(probe: Probe, arch: str) -> tuple[Host, list[str]]:
    found, notes = cpu.look(probe), []
    memory, free = cpu.memory_of(probe.read("/proc/meminfo") or "")
    limit, quota = cpu.limits(probe)
    if memory and limit and limit < memory:
        notes.append(f"a cgroup allows {limit:.1f} GiB of the machine's {memory:.1f} GiB of memory")
        memory, free = limit, None if free is None else min(free, limit)
    allowed = min((n for n in (quota, probe.usable_cpus()) if n), default=None)
    cores = found.cores
    if allowed and (cores is None or allowed < cores):
        if cores:
            notes.append(f"this process may use {allowed} of the machine's {cores} cores")
        cores = allowed
    wsl = surroundings.wsl_of(probe.read("/proc/version") or "")
    container = surroundings.in_container(probe)
    host = Host(
        os="linux",
        arch=arch,
        cpu_name=found.name,
        memory_gib=memory,
        free_gib=free,
        cpu_cores=cores,
        numa_nodes=found.numa_nodes,
        vector_extensions=found.extensions,
        container=container,
        wsl2=wsl == 2,
        board=surroundings.board_of(probe),
    )
    return host, [*notes, *_around(host, wsl, found.hypervisor)]


def _around(host: Host, wsl: int, hypervisor: str | None) -> list[str]:
    notes = []
    if host.container:
        notes.append("inside a container: the host may have devices that were not passed in")
    if wsl == 1:
        notes.append("WSL 1 has neither GPUs nor containers: change to WSL 2")
    if wsl == 2:
        notes.append("WSL 2: memory is what .wslconfig gives it, not all of the PC's")
    elif hypervisor:
        notes.append(f"a virtual machine ({hypervisor}): memory and cores are what it was given")
    return notes


def _unseen(slots: tuple[pci.Slot, ...], seen: Seen) -> list[str]:
    """Devices on the PCI bus that no tool shows, unless they are a processor's own graphics."""
    shown = {one.vendor for one in seen.devices}
    gaudis = any(one.name.startswith("HL-") for one in seen.devices)
    notes = []
    for slot in slots:
        known = gaudis if slot.vendor == "habana" else slot.vendor in shown
        own_graphics = slot.vendor == "intel" and slot.address == "0000:00:02.0"
        if not known and not own_graphics:
            driver = f"driver {slot.driver}" if slot.driver else "no driver"
            notes.append(
                f"{slot.vendor} device {slot.label} is on the PCI bus ({driver}), and "
                f"{_TOOLS[slot.vendor]} does not show it: left out"
            )
    return notes
