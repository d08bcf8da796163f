"""Every target by name."""

from __future__ import annotations

from typing import Protocol

from infra_gen.model.filetree import FileTree
from infra_gen.model.plan import Plan
from infra_gen.model.stack import Stack
from infra_gen.targets import compose, launchd


class Target(Protocol):
    """What a module in this package must have to be a target."""

    name: str

    def legal(self, plan: Plan) -> str | None:
        """Why the target cannot run this plan, or None when it can."""

    def emit(self, stack: Stack) -> FileTree:
        """All files of the deployment."""


TARGETS: dict[str, Target] = {
    "compose": compose,
    "launchd": launchd,
}
