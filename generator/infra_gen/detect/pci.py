"""What is on the PCI bus, for devices whose driver or tool is missing."""

from __future__ import annotations

import re
from dataclasses import dataclass

from infra_gen.detect.probe import Probe
from infra_gen.detect.values import word

# PCI_VENDOR_ID_HABANALABS is 1da3 in drivers/accel/habanalabs of Linux.
VENDORS = {"10de": "nvidia", "1002": "amd", "8086": "intel", "1da3": "habana"}
# VGA, 3D and other display controllers, processing accelerators.
_CLASSES = ("0300", "0302", "0380", "1200")
_LINE = re.compile(
    r"([0-9a-f:.]{7,16}) [^\[\]]*\[(\w{4})\]: (.*) \[([0-9a-f]{4}):([0-9a-f]{4})\](?: \(.*\))?\s*"
)
_PRODUCT = re.compile(r"\[([^\[\]]+)\]\s*$")


@dataclass(frozen=True, slots=True)
class Slot:
    """A display controller or accelerator; `name` is the product when lspci knows one."""

    address: str
    vendor: str
    ids: str
    name: str | None = None
    driver: str | None = None

    @property
    def label(self) -> str:
        """For a note."""
        return f"{self.name} ({self.ids})" if self.name else self.ids


def parse_lspci(text: str) -> dict[str, tuple[str, str | None]]:
    """`lspci -Dnn`: address -> (vendor:device, the product in the last brackets of its name)."""
    found: dict[str, tuple[str, str | None]] = {}
    for line in text.splitlines():
        parts = _LINE.fullmatch(line.strip())
        if parts and parts[2] in _CLASSES:
            product = _PRODUCT.search(parts[3])
            found[parts[1]] = (f"{parts[4]}:{parts[5]}", word(product[1]) if product else None)
    return found


def look(probe: Probe) -> tuple[Slot, ...]:
    """Devices of the vendors that serve models, by sysfs; names from lspci where it is installed."""
    slots = []
    for address in probe.children("/sys/bus/pci/devices"):
        folder = f"/sys/bus/pci/devices/{address}"
        kind = _hex(probe, f"{folder}/class")[:4]
        vendor, device = _hex(probe, f"{folder}/vendor"), _hex(probe, f"{folder}/device")
        if kind in _CLASSES and vendor in VENDORS:
            slots.append((address, VENDORS[vendor], f"{vendor}:{device}", folder))
    ran = probe.run("lspci", "-Dnn") if slots else None
    names = parse_lspci(ran.text) if ran and ran.ok else {}
    return tuple(
        Slot(address, vendor, ids, names.get(address, (ids, None))[1], probe.driver_of(folder))
        for address, vendor, ids, folder in slots
    )


def _hex(probe: Probe, path: str) -> str:
    return (probe.read(path) or "").strip().lower().removeprefix("0x")
