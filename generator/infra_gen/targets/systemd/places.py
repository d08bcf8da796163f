"""Where a systemd deployment keeps things on the host, and how its units and users are called.

Nothing that runs lies in the folder of the deployment: services may not look into home folders, and
what they run must belong to root. `bin/install` copies it to these places.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from infra_gen.model.stack import Secret, Service, Stack
from infra_gen.targets.names import secret_file
from infra_gen.targets.placement import LOOPBACK, Placement

ONCE = ("fetch", "warmup")
"""Roles that do something and end."""

_LONGEST_NAME = 15  # user names end at 31 characters: infra-gen-NAME-proxy


@dataclass(frozen=True, slots=True)
class Folders:
    """The folders of one deployment: programs, configuration and secrets, state, caches."""

    programs: str
    config: str
    state: str
    cache: str


def folders(stack: Stack) -> Folders:
    """The folders by kind."""
    below = f"infra-gen/{stack.name}"
    return Folders(f"/opt/{below}", f"/etc/{below}", f"/var/lib/{below}", f"/var/cache/{below}")


def unit_name(stack: Stack, role: str) -> str:
    """The unit of a service, without `.service`."""
    return f"{stack.name}-{role}"


def user_name(stack: Stack, service: Service) -> str:
    """The system user of a service. The download and the engine share one, for they share files."""
    name = stack.name
    if len(name) > _LONGEST_NAME:
        name = f"{name[:8]}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"
    return f"infra-gen-{name}" + ("-proxy" if service.role == "proxy" else "")


def volume_folder(stack: Stack, volume: str) -> str:
    """Where a volume lies: caches can be deleted, the rest cannot."""
    places = folders(stack)
    if volume == "models" and stack.storage_path:
        return stack.storage_path
    return f"{places.cache if volume == 'cache' else places.state}/{volume}"


def credential(stack: Stack, service: Service, name: str) -> str:
    """Where a service finds what systemd loads for it, in memory that no other user can read."""
    return f"/run/credentials/{unit_name(stack, service.name)}.service/{name}"


def credential_name(secret: Secret) -> str:
    """The file name of a secret, in the configuration folder and as a credential."""
    return secret_file(secret).rpartition("/")[2]


def in_file(service: Service, secret: Secret) -> bool:
    """Whether the program takes the secret as a file; otherwise it reads a variable."""
    return secret.file_flag is not None or service.gate is not None


def env_file(stack: Stack, service: Service) -> str:
    """The file with the variables of a service that must not stand in its unit."""
    return f"{folders(stack).config}/{service.name}.env"


def unit_placement(stack: Stack, service: Service) -> Placement:
    """Where the program of a service finds things."""
    return Placement(
        listen=LOOPBACK,
        peer=LOOPBACK,
        volumes={mount.volume: volume_folder(stack, mount.volume) for mount in service.mounts},
        secret_files={
            one.name: credential(stack, service, credential_name(one)) for one in service.secrets
        },
        configs={one.source: f"{folders(stack).config}/{one.source}" for one in service.configs},
    )
