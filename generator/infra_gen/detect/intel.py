"""Intel: xpu-smi for Arc and Data Center GPUs, hl-smi for Gaudi, the PCI bus for their names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from infra_gen.detect.pci import Slot
from infra_gen.detect.probe import Probe
from infra_gen.detect.records import Found, Seen
from infra_gen.detect.values import at, first_line, json_in, mib, size, version, whole, word

GAUDI_FIELDS = ("name", "memory.total", "memory.free", "driver_version")
_MOST_DEVICES = 16
# Graphics inside a processor have names too ("Intel Arc Graphics"); cards have a model number.
_CARD = re.compile(r"\b(Arc (?:Pro )?[AB]\d{2,3}|Data Center GPU)\b", re.IGNORECASE)


def look(probe: Probe, slots: tuple[Slot, ...]) -> Seen:
    """Every Intel accelerator."""
    seen = _gpus(probe)
    if not seen.devices:
        seen = seen.plus(on_the_bus(slots))
    return seen.plus(_gaudis(probe))


def _gpus(probe: Probe) -> Seen:
    ran = probe.run("xpu-smi", "discovery", "-j")
    if ran is None:
        return Seen()
    rows = parse_list(ran.text)
    if not rows:
        return Seen(notes=(f"xpu-smi shows no GPU: {first_line(ran.text)}",))
    # The list has names only, the page of one device its memory as well.
    whole_rows = [row if "memory_physical_size_byte" in row else _page(probe, row) for row in rows]
    return Seen(tuple(device for row in whole_rows if (device := device_of(row))))


def _page(probe: Probe, row: Mapping[str, Any]) -> Mapping[str, Any]:
    number = whole(row.get("device_id"))
    ran = None if number is None else probe.run("xpu-smi", "discovery", "-d", str(number), "-j")
    page = json_in(ran.text) if ran else None
    listed = parse_list(ran.text) if ran else ()
    page = listed[0] if listed else page
    return {**row, **page} if isinstance(page, Mapping) else row


def parse_list(text: str) -> tuple[Mapping[str, Any], ...]:
    """The devices in `xpu-smi discovery -j`."""
    rows = at(json_in(text), "device_list")
    if not isinstance(rows, list):
        return ()
    return tuple(row for row in rows[:_MOST_DEVICES] if isinstance(row, Mapping))


def device_of(row: Mapping[str, Any]) -> Found | None:
    """One GPU from its page."""
    name = word(row.get("device_name"))
    if name is None or at(row, "device_function_type") == "virtual":
        return None
    memory = size(row.get("memory_physical_size_byte"))
    return Found(
        vendor="intel",
        name=name,
        visible_gib=memory,
        total_gib=memory,
        free_gib=size(row.get("memory_free_size_byte")),
        driver=version(row.get("driver_version")),
    )


def on_the_bus(slots: tuple[Slot, ...]) -> Seen:
    """Cards whose driver is loaded, without xpu-smi: a name and no memory."""
    cards = [
        s for s in slots if s.vendor == "intel" and s.driver and s.name and _CARD.search(s.name)
    ]
    note = "xpu-smi is missing: the memory of the Intel GPU is not measured"
    devices = tuple(Found("intel", card.name or card.ids) for card in cards)
    return Seen(devices, (note,) if devices else ())


def _gaudis(probe: Probe) -> Seen:
    query = ",".join(GAUDI_FIELDS)
    ran = probe.run("hl-smi", "-Q", query, "-f", "csv,noheader,nounits")
    if ran is None:
        return Seen()
    devices = parse_gaudi(ran.text)
    return Seen(devices, () if devices else (f"hl-smi shows no device: {first_line(ran.text)}",))


def parse_gaudi(text: str) -> tuple[Found, ...]:
    """`hl-smi -Q ... -f csv`: some versions print a header and units whatever they are asked."""
    found = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) != len(GAUDI_FIELDS) or not re.fullmatch(r"HL-[\w-]+", cells[0]):
            continue
        total, free = (mib(cell.removesuffix("MiB").strip()) for cell in cells[1:3])
        driver = version(cells[3].removeprefix("hl-"))
        found.append(Found("intel", cells[0], "discrete", total, total, free, driver=driver))
    return tuple(found)
