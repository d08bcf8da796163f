"""The container is killed while the model loads."""

from __future__ import annotations

from collections.abc import Iterator

from infra_gen.model.finding import Finding
from infra_gen.rules.contract import Rule
from infra_gen.rules.places import at_key
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="host-memory-too-small",
    severity="error",
    confidence="high",
    what="Compares a memory limit of the engine with the memory of the host that the plan needs for "
    "loading and running.",
    why="The kernel ends the process without a word of it in its log: exit status 137, a restart, and"
    " the same again. Files that are read count towards the limit too.",
    bad="services:\n  engine:\n    mem_limit: 2g",
    good="services:\n  engine:\n    mem_limit: 24g",
    fix="Raise the limit, or leave it out on a machine of its own.",
    sources=(
        "vllm-project/vllm#28923",
        "run-ai/runai-model-streamer#76",
    ),
)


def check(subject: Subject) -> Iterator[Finding]:
    """At most one finding."""
    service, need = subject.service, subject.plan.memory.host_needed_gib
    if service is None or service.memory_mib is None:
        return
    planned = subject.stack.service("engine").resources.memory_mib
    have = service.memory_mib / 1024
    if planned is not None:
        need = min(need, planned / 1024)  # the plan itself gives no more
    if have < need - 0.01:
        message = f"the limit is {have:.1f} GiB; the plan needs {need:.1f} GiB of host memory"
        yield at_key(RULE, subject, service, "mem_limit", message)
