"""How the rest of this package sees a machine: a few questions, so that tests can be the machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Ran:
    """What a program printed; `code` is None when it did not end in time."""

    text: str
    code: int | None

    @property
    def ok(self) -> bool:
        """It ended well."""
        return self.code == 0

    def failure(self) -> str:
        """How it ended, for a note."""
        return "did not answer in time" if self.code is None else f"ended with code {self.code}"


class Probe(Protocol):
    """A machine that answers. Nothing here raises: what cannot be had is None or empty."""

    def run(self, *argv: str) -> Ran | None:
        """What the program prints; None when there is no such program or no time left."""

    def read(self, path: str) -> str | None:
        """The text of a file, without NUL bytes; None when it cannot be read."""

    def children(self, folder: str) -> tuple[str, ...]:
        """Sorted names in a folder."""

    def driver_of(self, device: str) -> str | None:
        """The name of the kernel driver bound to a sysfs device folder."""

    def system(self) -> tuple[str, str]:
        """The kernel's name and architecture as uname gives them: ("Linux", "x86_64")."""

    def usable_cpus(self) -> int | None:
        """How many logical CPUs this process may run on."""
