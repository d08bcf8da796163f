"""NVIDIA: nvidia-smi, also for MIG slices and for GPUs that share the machine's memory."""

from __future__ import annotations

import re
from dataclasses import replace

from infra_gen.detect.probe import Probe, Ran
from infra_gen.detect.records import Found, Host, Seen
from infra_gen.detect.values import capability, first_line, mib, version, word

FIELDS = ("name", "memory.total", "memory.reserved", "memory.free", "compute_cap",
          "driver_version", "mig.mode.current")  # fmt: skip
# Driver 470 knows neither compute_cap (huggingface/candle#733) nor memory.reserved.
OLD_FIELDS = ("name", "memory.total", "memory.free", "driver_version")
_UNKNOWN_FIELD = "is not a valid field to query"
# GPUs without memory of their own: nvidia-smi prints [N/A] for every memory figure of theirs.
_SHARES_MEMORY = re.compile(r"\b(GB10|Tegra|Orin|Xavier|Thor|nvgpu)\b", re.IGNORECASE)
_LISTED_GPU = re.compile(r"GPU \d+:")
_LISTED_SLICE = re.compile(r"MIG (\S+)\s+Device\s+\d+:")
_XML_GPU = re.compile(r"<gpu id=.*?</gpu>", re.DOTALL)
_XML_SLICE = re.compile(r"<mig_device>.*?</mig_device>", re.DOTALL)
_XML_MEMORY = re.compile(r"<fb_memory_usage>(.*?)</fb_memory_usage>", re.DOTALL)
_XML_FIGURE = re.compile(r"<(total|reserved|free)>\s*(\d+) MiB\s*</\1>")

Row = dict[str, str]


def look(probe: Probe, host: Host) -> Seen:
    """Every GPU that the NVIDIA driver shows."""
    ran = _query(probe, FIELDS)
    old = ran is not None and not ran.ok and _UNKNOWN_FIELD in ran.text
    if old:
        ran = _query(probe, OLD_FIELDS)
    if ran is None:
        return Seen()
    rows = parse_rows(ran.text, OLD_FIELDS if old else FIELDS)
    if not rows:
        why = ran.failure() if not ran.ok and not ran.text.strip() else first_line(ran.text)
        return Seen(notes=(f"nvidia-smi shows no GPU: {why}",))
    notes = [] if ran.ok else [f"nvidia-smi {ran.failure()}: GPUs may be missing here"]
    sliced = any(row.get("mig.mode.current") == "Enabled" for row in rows)
    slices = _slices(probe) if sliced else []
    devices: list[Found] = []
    for index, row in enumerate(rows):
        if row.get("mig.mode.current") != "Enabled":
            devices.append(device_of(row, host))
            continue
        own = slices[index] if index < len(slices) else []
        devices += [_slice_of(row, profile, memory) for profile, memory in own]
        said = ", ".join(profile for profile, _ in own) or "no slice that could be read"
        notes.append(f"MIG is on for GPU {index} ({word(row['name'])}): {said}")
    return Seen(tuple(devices), tuple(notes))


def _query(probe: Probe, fields: tuple[str, ...]) -> Ran | None:
    query = "--query-gpu=" + ",".join(fields)
    return probe.run("nvidia-smi", query, "--format=csv,noheader,nounits")


def parse_rows(text: str, fields: tuple[str, ...]) -> list[Row]:
    """The CSV lines that have every field and a name; anything else is left out."""
    rows = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) == len(fields) and word(cells[0]):
            rows.append(dict(zip(fields, cells, strict=True)))
    return rows


def device_of(row: Row, host: Host) -> Found:
    """One GPU. Programs get its memory less what the driver reserves."""
    name = word(row["name"]) or "NVIDIA GPU"
    total = mib(row["memory.total"])
    known = Found(
        vendor="nvidia",
        name=name,
        compute_capability=capability(row.get("compute_cap")),
        driver=version(row["driver_version"]),
    )
    if _SHARES_MEMORY.search(name):
        return replace(
            known,
            memory_kind="unified",
            visible_gib=host.memory_gib,
            total_gib=host.memory_gib,
            free_gib=host.free_gib,
        )
    return replace(
        known,
        visible_gib=_less_reserved(total, row.get("memory.reserved")),
        total_gib=total,
        free_gib=mib(row["memory.free"]),
    )


def _less_reserved(total: float | None, reserved: str | None) -> float | None:
    return None if total is None else max(0.0, total - (mib(reserved) or 0.0))


def _slices(probe: Probe) -> list[list[tuple[str, dict[str, str]]]]:
    listed, queried = probe.run("nvidia-smi", "-L"), probe.run("nvidia-smi", "-q", "-x")
    return parse_slices(listed.text if listed else "", queried.text if queried else "")


def parse_slices(listed: str, queried: str) -> list[list[tuple[str, dict[str, str]]]]:
    """Of each GPU its MIG slices: the profile (`nvidia-smi -L`) and memory figures in MiB (`-q -x`)."""
    profiles: list[list[str]] = []
    for line in listed.splitlines():
        found = _LISTED_SLICE.match(line.strip())
        if _LISTED_GPU.match(line.strip()):
            profiles.append([])
        elif found and profiles:
            profiles[-1].append(word(found[1]) or "slice")
    figures = [
        [_figures(part) for part in _XML_SLICE.findall(gpu)] for gpu in _XML_GPU.findall(queried)
    ]
    return [
        [(profile, own[i] if i < len(own) else {}) for i, profile in enumerate(names)]
        for names, own in zip(profiles, [*figures, *([[]] * len(profiles))], strict=False)
    ]


def _figures(slice_xml: str) -> dict[str, str]:
    memory = _XML_MEMORY.search(slice_xml)
    return dict(_XML_FIGURE.findall(memory[1])) if memory else {}


def _slice_of(row: Row, profile: str, memory: dict[str, str]) -> Found:
    total = mib(memory.get("total"))
    return Found(
        vendor="nvidia",
        name=f"{word(row['name'])} MIG {profile}",
        visible_gib=_less_reserved(total, memory.get("reserved")),
        total_gib=total,
        free_gib=mib(memory.get("free")),
        compute_capability=capability(row.get("compute_cap")),
        driver=version(row["driver_version"]),
    )
