"""The unit closes the GPU to the engine."""

from __future__ import annotations

import re
from collections.abc import Iterator

from infra_gen.model.finding import Finding
from infra_gen.rules.contract import Rule
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="unit-hides-gpu",
    severity="error",
    confidence="high",
    what="Reports the engine's unit on a machine with a GPU when it has `PrivateDevices`, or a closed "
    "list of devices without those of the GPU.",
    why="The engine then finds no GPU. Some stop; llama.cpp and Ollama go on with the CPU, a hundred "
    "times slower, and nothing in the log of systemd says why.",
    bad="[Service]\nPrivateDevices=yes",
    good="[Service]\nDevicePolicy=closed\nDeviceAllow=char-nvidia* rw",
    fix="Drop PrivateDevices= and list the GPU's devices in DeviceAllow=.",
    sources=(
        "NixOS/nixpkgs#331069",
        "https://www.freedesktop.org/software/systemd/man/latest/systemd.resource-control.html",
        "https://www.freedesktop.org/software/systemd/man/latest/systemd.exec.html",
    ),
)


_SETTING = re.compile(r"^(PrivateDevices|DevicePolicy|DeviceAllow)=(\S*)", re.MULTILINE)
_YES = ("yes", "true", "on", "1")
_NODES = {
    "nvidia": ("char-nvidia", "/dev/nvidia", "/dev/dxg"),
    "amd": ("char-kfd", "/dev/kfd"),
    "intel": ("char-drm", "/dev/dri"),
}


def check(subject: Subject) -> Iterator[Finding]:
    """At most one finding."""
    service, machine = subject.service, subject.plan.machine
    wanted = _NODES.get(machine.vendor)
    if service is None or service.form != "unit" or wanted is None or not machine.is_gpu:
        return
    said = _SETTING.findall(subject.deployment.files.get(service.file, ""))
    line_of = subject.deployment.line_of
    if any(key == "PrivateDevices" and value.lower() in _YES for key, value in said):
        message = f"PrivateDevices hides {machine.name}"
        yield RULE.finding(service.file, message, line=line_of(service.file, "PrivateDevices="))
        return
    closed = [
        (key, value)
        for key, value in said
        if key == "DeviceAllow" or (key == "DevicePolicy" and value in ("closed", "strict"))
    ]
    if closed and not any(value.startswith(wanted) for key, value in said if key == "DeviceAllow"):
        message = f"DeviceAllow has none of {', '.join(wanted)}: {machine.name} stays closed"
        yield RULE.finding(service.file, message, line=line_of(service.file, f"{closed[0][0]}="))
