"""NVIDIA Jetson: the board's name and the L4T release; nvidia-smi knows little there."""

from __future__ import annotations

import re
from dataclasses import replace

from infra_gen.detect.probe import Probe
from infra_gen.detect.records import Found, Host, Seen
from infra_gen.detect.values import word

_RELEASE = re.compile(r"# R(\d{1,3}) \(release\), REVISION: (\d{1,3}(?:\.\d{1,3})?)")
_BOARD = re.compile(r"\b(jetson|orin|xavier)\b", re.IGNORECASE)
_KIT = re.compile(r"\b(Engineering Reference|Developer Kit|Development Kit)\b", re.IGNORECASE)


def release_of(text: str) -> str | None:
    """The L4T release in /etc/nv_tegra_release, such as 36.4.3."""
    found = _RELEASE.search(text)
    return f"{found[1]}.{found[2]}" if found else None


def names_of(board: str) -> tuple[str, ...]:
    """The board's name as it is, and as a product: without the kit, with `Jetson`."""
    plain = " ".join(_KIT.sub(" ", board).split())
    if "jetson" not in plain.lower():
        plain = plain.replace("NVIDIA ", "NVIDIA Jetson ", 1)
    return tuple(dict.fromkeys((plain, board)))


def look(probe: Probe, host: Host, gpus: Seen) -> Seen:
    """`gpus` as nvidia-smi has them; on a Jetson one device with the board's name."""
    release = release_of(probe.read("/etc/nv_tegra_release") or "")
    board = word(host.board)
    if release is None and not (board and _BOARD.search(board)):
        return gpus
    names = names_of(board) if board else ("NVIDIA Jetson",)
    device = next((one for one in gpus.devices if one.memory_kind == "unified"), None)
    known = (device.name,) if device else ()
    device = device or Found(
        "nvidia", names[0], "unified", host.memory_gib, host.memory_gib, host.free_gib
    )
    notes = [f"Jetson Linux (L4T) {release}"] if release else []
    notes.append(
        "a Jetson: the GPU shares the machine's memory, and the power mode (nvpmodel) changes its speed"
    )
    named = replace(device, name=names[0], other_names=(*names[1:], *known))
    return Seen((named,), (*(gpus.notes if gpus.devices else ()), *notes))
