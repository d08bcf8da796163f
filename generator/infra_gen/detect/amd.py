"""AMD: amd-smi, else rocm-smi, else rocminfo, else what the kernel shows in sysfs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from infra_gen.detect.pci import Slot
from infra_gen.detect.probe import Probe
from infra_gen.detect.records import Found, Host, Seen
from infra_gen.detect.values import at, fields, gfx, json_in, kib, mib, number, size, version, word

# The targets that LLVM's table calls APU (llvm/llvm-project:llvm/docs/AMDGPUUsage.rst).
APU_TARGETS = frozenset(
    {"gfx902", "gfx909", "gfx90c", "gfx1013", "gfx1033", "gfx1035", "gfx1036", "gfx1103",
     "gfx1150", "gfx1151", "gfx1152", "gfx1153"}
)  # fmt: skip
_KFD = "/sys/class/kfd/kfd/topology/nodes"
_DRM = "/sys/class/drm"
_CARD = re.compile(r"card\d{1,4}")
_AGENT = re.compile(r"^\*{3,}\s*\nAgent \d+\s*\n\*{3,}\s*$", re.MULTILINE)
_POOL = re.compile(r"Segment:\s+GLOBAL;.*\n\s+Size:\s+(\d+)\(")
# "AMD RYZEN AI MAX+ 395 w/ Radeon 8060S": the processor and its graphics.
_WITH_GRAPHICS = re.compile(r"\s+(?:w/|with)\s+")


@dataclass(frozen=True, slots=True)
class Card:
    """An AMD GPU in sysfs. Memory in GiB: its own, and what it may map of the machine's."""

    address: str | None
    device_id: str | None
    vram_gib: float | None
    used_gib: float | None
    gtt_gib: float | None
    name: str | None = None
    gfx: str | None = None


def look(probe: Probe, host: Host, slots: tuple[Slot, ...]) -> Seen:
    """Every AMD GPU, from the first source that has an answer."""
    cards = _cards(probe)
    seen = _asked(probe)
    if not seen.devices:
        seen = Seen(devices_of_kernel(cards, slots), seen.notes if cards else ())
    agents = _agents(probe) if any(one.integrated for one in seen.devices) else ()
    devices: list[Found] = []
    notes = list(seen.notes)
    for one in seen.devices:
        if not one.integrated:
            devices.append(_with_free(one, cards))
            continue
        own = next((card for card in cards if card.gfx == one.gfx), None)
        agent = next((a for a in agents if a.gfx == one.gfx), None)
        devices.append(shared(one, own, agent, host))
        notes += limit_of(one.name, own, agent)
    return Seen(tuple(devices), tuple(notes))


def _asked(probe: Probe) -> Seen:
    """From AMD's own tools."""
    notes: list[str] = []
    for argv, parse in (
        (("amd-smi", "static", "--json"), parse_amd_smi),
        (("rocm-smi", "--showproductname", "--showmeminfo", "vram", "--showdriverversion",
          "--json"), parse_rocm_smi),
    ):  # fmt: skip
        ran = probe.run(*argv)
        if ran is None:
            continue
        devices = parse(ran.text)
        if devices:
            return Seen(devices)
        notes.append(f"{argv[0]} shows no GPU")
    agents = _agents(probe)
    return Seen(agents, () if agents else tuple(notes))


def parse_amd_smi(text: str) -> tuple[Found, ...]:
    """`amd-smi static --json`: a list, or since 7.0 a mapping with `gpu_data`."""
    document = json_in(text)
    rows = at(document, "gpu_data") if isinstance(document, Mapping) else document
    if not isinstance(rows, list):
        return ()
    found = []
    for row in rows:
        asic, vram = at(row, "asic"), at(row, "vram")
        name, target = word(at(asic, "market_name")), gfx(at(asic, "target_graphics_version"))
        if name is None and target is None:
            continue
        memory = _amd_smi_size(at(vram, "size")) or mib(at(vram, "size_mb"))
        found.append(
            Found(
                vendor="amd",
                name=name or f"AMD {target}",
                visible_gib=memory,
                total_gib=memory,
                gfx=target,
                driver=version(at(row, "driver", "version")),
                integrated=target in APU_TARGETS,
            )
        )
    return tuple(found)


def _amd_smi_size(node: Any) -> float | None:
    """Given as {value, unit}; AMD's MB are MiB (196592 MB on an MI300X of 192 GiB)."""
    if isinstance(node, Mapping):
        return mib(at(node, "value")) if at(node, "unit") in ("MB", "MiB") else None
    text = node if isinstance(node, str) else ""
    return mib(text.removesuffix("MB").strip())


def parse_rocm_smi(text: str) -> tuple[Found, ...]:
    """`rocm-smi --json`: cards by name, and `system` with the driver."""
    document = json_in(text)
    if not isinstance(document, Mapping):
        return ()
    driver = version(at(document, "system", "Driver version"))
    found = []
    for key, card in sorted(document.items(), key=lambda item: (len(item[0]), item[0])):
        if not _CARD.fullmatch(key) or not isinstance(card, Mapping):
            continue
        facts = {str(name).lower(): value for name, value in card.items()}
        name = word(facts.get("card series")) or word(facts.get("device name"))
        target = gfx(facts.get("gfx version"))
        total, used = (
            size(facts.get("vram total memory (b)")),
            size(facts.get("vram total used memory (b)")),
        )
        if name or total:
            found.append(
                Found(
                    vendor="amd",
                    name=name or "AMD GPU",
                    visible_gib=total,
                    total_gib=total,
                    free_gib=None if total is None or used is None else max(0.0, total - used),
                    gfx=target,
                    driver=driver,
                    integrated=target in APU_TARGETS,
                )
            )
    return tuple(found)


def _agents(probe: Probe) -> tuple[Found, ...]:
    ran = probe.run("rocminfo")
    return parse_rocminfo(ran.text) if ran else ()


def parse_rocminfo(text: str) -> tuple[Found, ...]:
    """The GPU agents. The first global pool of one is the memory that ROCm gives to programs."""
    found = []
    for block in _AGENT.split(text)[1:]:
        facts = fields(block)
        target = gfx(facts.get("Name"))
        if facts.get("Device Type") != "GPU" or target is None:
            continue
        pool = _POOL.search(block)
        memory = kib(pool[1]) if pool else None
        found.append(
            Found(
                vendor="amd",
                name=word(facts.get("Marketing Name")) or f"AMD {target}",
                visible_gib=memory,
                total_gib=memory,
                gfx=target,
                integrated=_is_apu(target, facts.get("Memory Properties")),
            )
        )
    return tuple(found)


def _is_apu(target: str, properties: str | None) -> bool:
    """MI300A calls itself an APU too, with memory of its own and no other graphics beside it."""
    return target in APU_TARGETS or (properties == "APU" and not target.startswith("gfx94"))


def _cards(probe: Probe) -> tuple[Card, ...]:
    targets, found = _targets(probe), []
    for name in probe.children(_DRM):
        folder = f"{_DRM}/{name}/device"
        if not _CARD.fullmatch(name) or (probe.read(f"{folder}/vendor") or "").strip() != "0x1002":
            continue
        device_id = (probe.read(f"{folder}/device") or "").strip().removeprefix("0x")
        figures = {
            key: (probe.read(f"{folder}/mem_info_{key}") or "").strip()
            for key in ("vram_total", "vram_used", "gtt_total")
        }
        used = number(figures["vram_used"])
        found.append(
            Card(
                address=fields(probe.read(f"{folder}/uevent") or "", "=").get("PCI_SLOT_NAME"),
                device_id=device_id or None,
                vram_gib=size(figures["vram_total"]),
                used_gib=None if used is None else used / (1 << 30),
                gtt_gib=size(figures["gtt_total"]),
                name=word(probe.read(f"{folder}/product_name")),
                gfx=targets.get(device_id),
            )
        )
    return tuple(found)


def target_of(properties: str) -> tuple[str, str] | None:
    """A KFD node's PCI device id (hexadecimal) and target: 90402 is gfx942, 110501 gfx1151."""
    facts = fields(properties, " ")
    number, device = facts.get("gfx_target_version", ""), facts.get("device_id", "")
    if not re.fullmatch(r"[1-9]\d{4,5}", number) or not re.fullmatch(r"[1-9]\d{0,5}", device):
        return None
    major, minor, step = int(number) // 10000, int(number) // 100 % 100, int(number) % 100
    return f"{int(device):04x}", f"gfx{major}{minor:x}{step:x}"


def _targets(probe: Probe) -> dict[str, str]:
    pairs = (
        target_of(probe.read(f"{_KFD}/{node}/properties") or "") for node in probe.children(_KFD)
    )
    return dict(pair for pair in pairs if pair)


def devices_of_kernel(cards: tuple[Card, ...], slots: tuple[Slot, ...]) -> tuple[Found, ...]:
    """GPUs whose driver is loaded while ROCm's tools are missing."""
    names = {slot.address: slot.name for slot in slots}
    return tuple(
        Found(
            vendor="amd",
            name=card.name or names.get(card.address or "") or f"AMD GPU {card.device_id}",
            visible_gib=card.vram_gib,
            total_gib=card.vram_gib,
            gfx=card.gfx,
            integrated=card.gfx in APU_TARGETS,
        )
        for card in cards
        if card.vram_gib
    )


def _with_free(one: Found, cards: tuple[Card, ...]) -> Found:
    """With the free memory that the kernel shows: the least of the cards of this size."""
    if one.free_gib is not None or one.total_gib is None:
        return one
    free = [
        max(0.0, card.vram_gib - card.used_gib)
        for card in cards
        if card.vram_gib and card.used_gib is not None and abs(card.vram_gib - one.total_gib) < 0.5
    ]
    return replace(one, free_gib=min(free)) if free else one


def shared(one: Found, card: Card | None, agent: Found | None, host: Host) -> Found:
    """An APU: its memory is the machine's, with the part that the firmware set aside for it."""
    own = (card.vram_gib if card else None) or 0.0
    ram = None if host.memory_gib is None else host.memory_gib + own
    names = [agent.name] if agent and agent.name != one.name else []
    names += _WITH_GRAPHICS.split(host.cpu_name) if host.cpu_name else []
    return replace(
        one,
        memory_kind="unified",
        visible_gib=ram,
        total_gib=ram,
        free_gib=host.free_gib,
        other_names=tuple(names),
    )


def limit_of(name: str, card: Card | None, agent: Found | None) -> list[str]:
    """How much of the shared memory the GPU gets, where that is known."""
    mapped = max(card.gtt_gib or 0.0, card.vram_gib or 0.0) if card else 0.0
    limit = (agent.visible_gib if agent else None) or mapped
    if not limit:
        return []
    return [
        f"{name} may use {limit:.1f} GiB of the machine's memory "
        "(set in the firmware, or with ttm.pages_limit of the kernel)"
    ]
