"""An engine: sourced facts from its engine.yaml, and the table of the chosen version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from infra_gen.errors import UsageError
from infra_gen.model.engine_table import Table
from infra_gen.model.plan import Machine
from infra_gen.model.sourced import Record, Sourced
from infra_gen.model.stack import Image, NativeInstall


class ImageFacts(Record):
    """One official image. `tag` holds `{version}`; lists name what it has kernels for."""

    accelerator: Literal["nvidia", "amd", "cpu"]
    arch: tuple[Literal["x86_64", "arm64"], ...]
    repository: str
    tag: str
    user: Sourced[str] = Field(description="uid:gid the program works as; null: root only")
    cuda: Sourced[str] | None = None
    min_driver: Sourced[str] | None = None
    compute_capabilities: Sourced[tuple[str, ...]] | None = None
    min_compute_capability: Sourced[float] | None = None
    source: str
    verified: str = "never"
    note: str | None = None


class NativeFacts(Record):
    """A release archive that runs without a container. `url` and `archive` hold `{version}`."""

    os: Literal["macos", "linux"]
    arch: Literal["x86_64", "arm64"]
    url: str
    archive: str
    binary: str
    source: str
    verified: str = "never"
    note: str | None = None


class EngineFacts(Record):
    """`presets/engines/<name>/engine.yaml`."""

    name: str
    default_version: Sourced[str]
    default_port: Sourced[int]
    images: tuple[ImageFacts, ...]
    native: tuple[NativeFacts, ...] = ()
    facts: dict[str, Sourced[str | int | float | bool]] = Field(
        default_factory=dict, description="further sourced facts that code and docs name"
    )


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """The engine at one version."""

    name: str
    version: str
    facts: EngineFacts
    table: Table

    @property
    def default_port(self) -> int:
        """The port the engine listens on unless told otherwise."""
        return self.facts.default_port.value or 8000

    @property
    def min_capability(self) -> Mapping[str, float]:
        """Lowest compute capability by quantization method."""
        return {k: v for k, v in self.table.quantization.items() if v is not None}

    def image_facts(self, machine: Machine) -> ImageFacts | None:
        """The official image for this machine, None when there is none."""
        wanted = machine.vendor if machine.vendor in ("nvidia", "amd") else "cpu"
        for image in self.facts.images:
            if image.accelerator == wanted and machine.arch in image.arch:
                return image
        return None

    def image(self, machine: Machine) -> Image | None:
        """That image at this version; None on machines that run without containers.

        Raises UsageError when the engine publishes none for the machine.
        """
        if machine.os == "macos":
            return None
        facts = self.image_facts(machine)
        if facts is None:
            raise UsageError(
                f"{self.name} publishes no image for {machine.vendor} on {machine.arch}",
                where="engine",
            )
        return Image(
            repository=facts.repository,
            tag=facts.tag.format(version=self.version),
            digest=None,
            verified=facts.verified,
            user=facts.user.value,
            source=facts.source,
            min_driver=facts.min_driver.value if facts.min_driver else None,
        )

    def native(self, machine: Machine) -> NativeInstall:
        """The release archive for this machine; UsageError when there is none."""
        for facts in self.facts.native:
            if (facts.os, facts.arch) == (machine.os, machine.arch):
                return NativeInstall(
                    version=f"b{self.version}" if self.name == "llama.cpp" else self.version,
                    url=facts.url.format(version=self.version),
                    archive=facts.archive.format(version=self.version),
                    binary=facts.binary.format(version=self.version),
                    sha256=None,
                    source=facts.source,
                )
        raise UsageError(
            f"{self.name} publishes no build for {machine.os} on {machine.arch}", where="engine"
        )
