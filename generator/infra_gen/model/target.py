"""What planning must know of a target: where it runs, and how programs run on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Runtime = Literal["container", "native"]


@dataclass(frozen=True, slots=True)
class TargetKind:
    """A target by name.

    `elsewhere` says what to do on a machine that it does not run on; `steps` are the commands from
    the written folder to a checked server.
    """

    name: str
    runtime: Runtime
    os: str
    elsewhere: str
    steps: tuple[str, ...]

    def problem(self, os: str) -> str | None:
        """Why the target cannot run on that operating system, or None."""
        return None if os == self.os else self.elsewhere
