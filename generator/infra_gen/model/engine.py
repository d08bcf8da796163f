"""An engine at one version: its facts and its table, asked for a given machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from infra_gen.errors import UsageError
from infra_gen.model.engine_facts import EngineFacts, ImageFacts, NativeFacts
from infra_gen.model.engine_table import Table
from infra_gen.model.hardware import Accelerator
from infra_gen.model.machine import Machine
from infra_gen.model.stack import Image, NativeInstall
from infra_gen.model.target import Runtime

_PLATFORMS = {"x86_64": "linux/amd64", "arm64": "linux/arm64"}
# A program for the second reaches a device of the first too, with less speed.
_SECOND_CHOICE: dict[str, Accelerator] = {"cuda": "vulkan", "rocm": "vulkan", "xpu": "vulkan"}


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """The engine at one version."""

    name: str
    version: str
    facts: EngineFacts
    table: Table

    @property
    def default_port(self) -> int:
        """The port this version listens on unless told otherwise."""
        port = self.facts.http.port.value
        if port is None:
            raise ValueError(f"{self.name}: no port in engine.yaml")
        return port

    @property
    def client_port(self) -> int:
        """The port of the host that clients use unless told otherwise."""
        return self.facts.http.client_port.value or self.default_port

    @property
    def min_capability(self) -> Mapping[str, float]:
        """Lowest compute capability by quantization method."""
        return {k: v for k, v in self.table.quantization.items() if v is not None}

    def batched_tokens(self, machine: Machine) -> int | None:
        """The engine's default of batched tokens on this machine, None where it has none."""
        for row in self.facts.batch_defaults.rows:
            excepted = any(machine.id.startswith(device) for device in row.except_devices)
            if machine.visible_gib >= row.min_device_gib and not excepted:
                return row.max_num_batched_tokens
        return None

    def image_facts(self, machine: Machine) -> ImageFacts | None:
        """The official image for this machine, None when there is none."""
        fitting = [image for image in self.facts.images if _fits(image, machine)]

        def preference(image: ImageFacts) -> tuple[bool, bool, bool]:
            return (
                image.accelerator != machine.accelerator,
                image.families is None,
                not image.default,
            )

        return min(fitting, key=preference, default=None)

    def native_facts(self, machine: Machine) -> NativeFacts | None:
        """The build for this machine without a container, None when there is none."""
        platform = f"{machine.os}-{machine.arch}"
        wanted = (machine.accelerator, _SECOND_CHOICE.get(machine.accelerator))
        fitting = [
            build
            for build in self.facts.native
            if build.platform == platform and build.accelerator in wanted
        ]
        return min(fitting, key=lambda build: wanted.index(build.accelerator), default=None)

    def unavailable(self, machine: Machine, runtime: Runtime) -> str | None:
        """Why the engine cannot be had for this machine in that way, or None."""
        what = f"{machine.accelerator} on {machine.os} {machine.arch}"
        if runtime == "native":
            found: object = self.native_facts(machine)
            return None if found else f"{self.name} publishes no build for {what}"
        return None if self.image_facts(machine) else f"{self.name} publishes no image for {what}"

    def image(self, machine: Machine) -> Image | None:
        """That image at this version; None on machines that run without containers.

        Raises UsageError when the engine publishes none for the machine.
        """
        if machine.os == "macos":
            return None
        facts = self.image_facts(machine)
        if facts is None:
            raise UsageError(str(self.unavailable(machine, "container")), where="engine")
        container = self.facts.container
        nonroot = facts.accelerator in (container.nonroot_accelerators.value or ())
        return Image(
            repository=facts.repository,
            tag=facts.tag.format(version=self.version),
            digest=None,
            verified=facts.verified,
            user=container.nonroot_user.value if nonroot else None,
            source=facts.source,
            min_driver=_newer(facts.min_driver, machine.min_driver),
            accelerator=facts.accelerator,
            runtime=facts.runtime,
        )

    def native(self, machine: Machine) -> NativeInstall:
        """The build for this machine; UsageError when there is none."""
        facts = self.native_facts(machine)
        if facts is None:
            raise UsageError(str(self.unavailable(machine, "native")), where="engine")
        named = {"version": self.version}
        return NativeInstall(
            method=facts.method,
            version=self.facts.version_tag.format(**named),
            url=facts.url.format(**named),
            archive=facts.asset.format(**named),
            binary=facts.binary.format(**named),
            sha256=facts.sha256,
            source=facts.source,
            accelerator=facts.accelerator,
            service_unit=facts.service_unit,
            folder=facts.folder.format(**named),
        )


def _fits(image: ImageFacts, machine: Machine) -> bool:
    """Whether the image has code for the machine's processor and devices."""
    if _PLATFORMS[machine.arch] not in image.platforms:
        return False
    if image.accelerator not in (machine.accelerator, _SECOND_CHOICE.get(machine.accelerator)):
        return False
    if image.families is not None and machine.family not in image.families:
        return False
    if image.gfx is not None and machine.gfx is not None and machine.gfx not in image.gfx:
        return False
    if image.accelerator == "cuda" and machine.compute_capability:
        # An image whose code nobody has looked into is none that a plan may count on.
        built = image.compute_capabilities
        return built is not None and _runs(float(machine.compute_capability), built)
    return True


def _runs(capability: float, built: tuple[float, ...]) -> bool:
    """Machine code runs on the same major capability from its minor one up."""
    return any(int(code) == int(capability) and code <= capability for code in built)


def _newer(one: str | None, other: str | None) -> str | None:
    """The newer of two driver versions, dotted numbers."""
    known = [version for version in (one, other) if version]
    return max(known, key=lambda version: [int(n) for n in version.split(".")], default=None)
