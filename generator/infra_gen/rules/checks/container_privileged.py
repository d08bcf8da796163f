"""A container that owns the machine."""

from __future__ import annotations

from collections.abc import Iterator

from infra_gen.model.finding import Finding
from infra_gen.rules.contract import Rule
from infra_gen.rules.places import at_key
from infra_gen.rules.service import Service
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="container-privileged",
    severity="error",
    confidence="high",
    what="Reports privileged containers, powerful capabilities, the host's process, network or IPC "
    "namespace, and the Docker socket as a volume.",
    why="Whoever gets into such a container has the host: its disks, its other containers, its "
    "secrets. No GPU needs that; devices are given by name.",
    bad="services:\n  engine:\n    privileged: true",
    good="services:\n  engine:\n    cap_drop: [ALL]\n    security_opt: ['no-new-privileges:true']",
    fix="Take it out. GPUs are reserved as devices, shared memory is `shm_size`.",
    sources=(
        "https://kubernetes.io/docs/concepts/security/pod-security-standards/",
        "https://docs.docker.com/engine/security/",
        "https://cheatsheetseries.owasp.org/cheatsheets/Docker_Security_Cheat_Sheet.html",
    ),
)


_SOCKETS = ("docker.sock", "podman.sock", "containerd.sock", "crio.sock")
_HARMLESS = ("NET_BIND_SERVICE",)
_FLAGS = ("--privileged", "--pid=host", "--ipc=host", "--network=host", "--net=host")


def check(subject: Subject) -> Iterator[Finding]:
    """One finding for each right."""
    for service in subject.deployment.services:
        if not service.native:
            for key, what in _rights(subject, service):
                yield at_key(RULE, subject, service, key, f"{service.name} {what}")


def _rights(subject: Subject, service: Service) -> Iterator[tuple[str, str]]:
    """(key, what it allows) of everything that reaches past the container."""
    if service.privileged:
        yield "privileged", "is privileged: it may do what root of this machine may"
    powers = [one for one in service.cap_add if one.upper().removeprefix("CAP_") not in _HARMLESS]
    if powers:
        yield "cap_add", f"is given {', '.join(powers)}"
    if service.pid == "host":
        yield "pid", "sees and may end every process of this machine"
    if service.ipc == "host":
        yield "ipc", "shares memory with every process of this machine"
    engine = subject.service
    beside_host = engine is not None and engine.native  # it measures what runs on the host
    if service.network_mode == "host" and not beside_host:
        yield "network_mode", "is in this machine's own network: every port that it opens is one"
    if any(mount.source.endswith(_SOCKETS) for mount in service.mounts):
        yield "volumes", "may start containers as root: it is given the container engine's socket"
    for word in service.extra_args:
        if word in _FLAGS and not (word == "--privileged" and service.privileged):
            yield "extra_args", f"is run with {word}"
