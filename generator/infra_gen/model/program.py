"""Where a program or a model comes from: an image, a native build, a download."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Tool = Literal["hf", "curl", "ollama"]
"""What downloads a model."""


@dataclass(frozen=True, slots=True)
class Image:
    """The official image, pinned, and what infra-gen knows of it.

    `user` is the uid:gid that the program works as (None: only as the image's own user, root).
    `min_driver` is the oldest NVIDIA driver that the image's CUDA runs on.
    `accelerator` is what its programs compute with (None: the program needs none). `open_folders`
    are those that any user may write to, in a new volume too. `capabilities` are those without
    which its program does not start. `runtime` is the container runtime that must be asked for by
    name (None: the usual one). `upstream` is the repository that this one mirrors (None: it is no
    mirror). `pinned_on` is the day on which a registry named `digest` (None: nobody asked one).
    """

    repository: str
    tag: str
    digest: str | None
    verified: str
    user: str | None
    source: str
    min_driver: str | None = None
    accelerator: str | None = None
    open_folders: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
    runtime: str | None = None
    upstream: str | None = None
    pinned_on: str | None = None

    @property
    def name(self) -> str:
        """`repository:tag`."""
        return f"{self.repository}:{self.tag}"

    @property
    def reference(self) -> str:
        """`repository:tag`, with the digest where it is known."""
        return f"{self.name}@{self.digest}" if self.digest else self.name


@dataclass(frozen=True, slots=True)
class NativeInstall:
    """The program for targets that run it without a container.

    `archive`: the release archive at `url`, `binary` is the program in it, below `folder`, all of
    which it needs. `python`: the package requirement `archive` from the index `url`, `binary` is
    the program in the virtual environment.
    `service_unit` is the systemd unit that the program's own packages install, None if none does.
    """

    method: Literal["archive", "python"]
    version: str
    url: str
    archive: str
    binary: str
    sha256: str | None
    source: str
    accelerator: str | None = None
    service_unit: str | None = None
    folder: str = "."


@dataclass(frozen=True, slots=True)
class Download:
    """What the fetch service brings: files of a repository at a revision.

    `pull` and `create` are for tools that keep models by name: where the model comes from and the
    name it gets.
    """

    repo: str
    revision: str
    files: tuple[str, ...]
    bytes: int
    sha256: str | None
    tool: Tool
    pull: str | None = None
    create: str | None = None
