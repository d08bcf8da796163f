"""What the machine runs in: a container, WSL, a virtual machine; and which operating system."""

from __future__ import annotations

import re

from infra_gen.detect.probe import Probe
from infra_gen.detect.values import word

ARCHITECTURES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}
SYSTEMS = {"Linux": "linux", "Darwin": "macos"}
_MARKS = ("/.dockerenv", "/run/.containerenv")
_CONTAINER = re.compile(
    r"[/-](docker|kubepods|containerd|libpod|podman|lxc|nerdctl)\b", re.IGNORECASE
)


def in_container(probe: Probe) -> bool:
    """By the marks of Docker and Podman, or by the first process's cgroup."""
    if any(probe.read(mark) is not None for mark in _MARKS):
        return True
    return bool(_CONTAINER.search(probe.read("/proc/1/cgroup") or ""))


def wsl_of(version: str) -> int:
    """0, 1 or 2 by /proc/version: both say Microsoft, only WSL 1 has a kernel that is none."""
    if "microsoft" not in version.lower():
        return 0
    return 2 if "wsl2" in version.lower() or "microsoft-standard" in version else 1


def board_of(probe: Probe) -> str | None:
    """The name of a single-board computer, from the device tree."""
    return word(probe.read("/proc/device-tree/model"))
