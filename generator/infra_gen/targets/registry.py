"""Every target by name."""

from __future__ import annotations

from typing import Protocol

from infra_gen.model.filetree import FileTree
from infra_gen.model.stack import Service, Stack
from infra_gen.model.target import TargetKind
from infra_gen.targets.compose import target as compose
from infra_gen.targets.launchd import target as launchd
from infra_gen.targets.placement import Placement
from infra_gen.targets.quadlet import target as quadlet
from infra_gen.targets.systemd import target as systemd


class Target(Protocol):
    """What a module in this package must have to be a target."""

    name: str
    kind: TargetKind

    def placement(self, stack: Stack, service: Service) -> Placement:
        """Where the program of that service finds things."""

    def emit(self, stack: Stack) -> FileTree:
        """All files of the deployment."""


TARGETS: dict[str, Target] = {
    "compose": compose,
    "quadlet": quadlet,
    "launchd": launchd,
    "systemd": systemd,
}
