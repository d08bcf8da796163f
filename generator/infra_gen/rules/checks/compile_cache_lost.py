"""What took minutes to compile is thrown away."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from infra_gen.model.finding import Finding
from infra_gen.rules.command_line import is_variable
from infra_gen.rules.contract import Rule
from infra_gen.rules.places import at_key
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="compile-cache-lost",
    severity="warning",
    confidence="high",
    what="Reports an engine that compiles for this machine and keeps the result in the container "
    "itself or in memory.",
    why="vLLM then compiles the model again at every start. With its cache on a volume one measured "
    "start took 48 seconds and not 79; for large models it is minutes.",
    bad="environment: {}   # ~/.cache/vllm in the container",
    good="environment:\n  VLLM_CACHE_ROOT: /cache/vllm\nvolumes:\n  - cache:/cache",
    fix="Point VLLM_CACHE_ROOT below a writable volume.",
    sources=(
        "vllm-project/vllm#49782",
        "https://docs.vllm.ai/en/stable/design/torch_compile.html",
    ),
)


_VARIABLE = "VLLM_CACHE_ROOT"


def check(subject: Subject) -> Iterator[Finding]:
    """At most one finding, where the engine has such a cache."""
    service = subject.service
    if service is None or service.native or _VARIABLE not in subject.engine.table.env:
        return
    env = subject.deployment.environment(service)
    base = env.get("XDG_CACHE_HOME") or posixpath.join(env.get("HOME", "/root"), ".cache")
    path = env.get(_VARIABLE) or posixpath.join(base, "vllm")
    mount = service.mount_of(path)
    if is_variable(path) or (mount and mount.kind != "tmpfs" and not mount.read_only):
        return
    key = f"environment.{_VARIABLE}" if _VARIABLE in service.env else "environment"
    message = f"compiled code goes to {path}, which no restart survives"
    yield at_key(RULE, subject, service, key, message)
