"""The engine's user has no place to write caches to."""

from __future__ import annotations

from collections.abc import Iterator

from infra_gen.model.finding import Finding
from infra_gen.rules.command_line import is_variable
from infra_gen.rules.contract import Rule
from infra_gen.rules.places import at_key
from infra_gen.rules.service import Service
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="home-not-writable",
    severity="error",
    confidence="high",
    what="Reports an engine with a read-only root file system or a plain user, whose HOME or cache "
    "folders are not on a writable mount.",
    why="Libraries write below HOME without being asked. The start ends in `PermissionError: "
    "'/.cache'`, `'/.triton'` or `Read-only file system`.",
    bad="user: '2000:0'\nread_only: true",
    good="user: '2000:0'\nread_only: true\nenvironment:\n  HOME: /cache/home\nvolumes:\n  - cache:/cache",
    fix="Set HOME, and the cache variables that are in use, to a path on a writable volume or tmpfs.",
    sources=(
        "vllm-project/vllm#20127",
        "vllm-project/vllm#10185",
        "vllm-project/vllm#38552",
    ),
)
# What libraries inside an engine write to; HF_HOME is only read once the model is there.
_CACHES = (
    "HOME",
    "XDG_CACHE_HOME",
    "VLLM_CACHE_ROOT",
    "TRITON_CACHE_DIR",
    "TORCHINDUCTOR_CACHE_DIR",
    "NUMBA_CACHE_DIR",
    "VLLM_CONFIG_ROOT",
    "XDG_CONFIG_HOME",
)
_ROOT = ("root", "0")


def check(subject: Subject) -> Iterator[Finding]:
    """One finding for HOME, one for each cache variable that points nowhere writable."""
    service = subject.service
    if service is None or service.native:
        return
    dockerfile = subject.deployment.dockerfile_of(service)
    user = service.user or (dockerfile.user if dockerfile else None)
    plain = bool(user) and str(user).partition(":")[0] not in _ROOT
    if not (plain or service.read_only):
        return
    env = subject.deployment.environment(service)
    who = f"user {user}" if plain else "a read-only root"
    if "HOME" not in env and (service.read_only or not _has_home(subject, user)):
        message = f"HOME is not set for {who}: it may be / or a folder that cannot be written"
        yield at_key(RULE, subject, service, "environment", message)
    for name in _CACHES if service.read_only else ():
        path = env.get(name)
        if path and not is_variable(path) and not _writable(service, path):
            key = f"environment.{name}"
            message = f"{name} is {path}, which {who} cannot write: on no writable mount"
            yield at_key(RULE, subject, service, key, message)


def _has_home(subject: Subject, user: str | None) -> bool:
    """Whether the official image has a folder for this user."""
    container = subject.engine.facts.container
    return user == container.nonroot_user.value and container.nonroot_home.value is not None


def _writable(service: Service, path: str) -> bool:
    mount = service.mount_of(path)
    return mount is not None and not mount.read_only
