"""What a program is given: arguments and variables, whose values may be for a target to resolve."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class VolumePath:
    """A path below a volume; a target knows where that volume is."""

    volume: str
    path: str = ""


@dataclass(frozen=True, slots=True)
class SecretFile:
    """The file that holds a secret, where the target can provide one."""

    secret: str


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """The address to bind: every interface inside a container, loopback on a bare host."""


@dataclass(frozen=True, slots=True)
class ListenOn:
    """The address to bind with a port, as `address:port`."""

    port: int


@dataclass(frozen=True, slots=True)
class PeerAddress:
    """Where another service of the deployment is found, as `address:port`."""

    service: str
    port: int


@dataclass(frozen=True, slots=True)
class ConfigPath:
    """A file of the deployment by its path there; a target knows where the program finds it."""

    source: str


Value = str | VolumePath | SecretFile | ListenAddress | ListenOn | PeerAddress | ConfigPath


@dataclass(frozen=True, slots=True)
class Arg:
    """One flag with its value (None: a switch; an empty flag: positional) and the reason for it.

    `mine` marks what the user wrote in `engine_args`.
    """

    flag: str
    value: Value | None
    because: str
    mine: bool = False


@dataclass(frozen=True, slots=True)
class EnvVar:
    """An environment variable with its reason."""

    name: str
    value: Value
    because: str
