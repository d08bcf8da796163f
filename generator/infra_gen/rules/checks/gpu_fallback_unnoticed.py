"""Nobody would notice that the CPU does the work."""

from __future__ import annotations

import re
from collections.abc import Iterator

from infra_gen.model.finding import Finding
from infra_gen.rules.contract import Rule
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="gpu-fallback-unnoticed",
    severity="warning",
    confidence="medium",
    what="Reports GPU deployments whose `bin/smoke-test` never looks whether the GPU is used.",
    why="An engine that finds no GPU can run on the CPU and still answer, a hundred times slower. "
    "It happens at the first start, and weeks later when a container loses its devices.",
    bad="curl http://127.0.0.1:9931/health   # answers on the CPU too",
    good="nvidia-smi --query-gpu=memory.used --format=csv,noheader",
    fix="Let bin/smoke-test compare the GPU's used memory, or the engine's log, with the model.",
    sources=(
        "ollama/ollama#8594",
        "ollama/ollama#3024",
        "NVIDIA/nvidia-container-toolkit#48",
    ),
)
_SMOKE = "bin/smoke-test"
_LOOKS = re.compile(
    r"nvidia-smi|rocm-smi|amd-smi|mem_info_vram|offloaded|layers to GPU|Metal|MTL|powermetrics"
)
_COUNTED = ("nvidia", "amd", "apple")  # their tools say what is in use


def check(subject: Subject) -> Iterator[Finding]:
    """At most one finding, on the script."""
    text = subject.deployment.files.get(_SMOKE)
    machine = subject.plan.machine
    if text is None or not machine.is_gpu:
        return
    code = (line for line in text.splitlines() if not line.lstrip().startswith("#"))
    proof = subject.stack.service("engine").gpu_proof
    if proof and proof.command and proof.pattern in text:
        return
    if proof is None and machine.vendor not in _COUNTED:
        return  # this engine does not start without the accelerator
    if not any(_LOOKS.search(line) for line in code):
        message = f"no check that {machine.name} does the work: the CPU would pass every one"
        yield RULE.finding(_SMOKE, message, line=1)
