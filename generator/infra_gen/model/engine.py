"""An engine: sourced facts from its engine.yaml, and the table of the chosen version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from pydantic import ConfigDict, Field, model_validator

from infra_gen.errors import UsageError
from infra_gen.model.engine_table import Table
from infra_gen.model.plan import Machine
from infra_gen.model.sourced import Record
from infra_gen.model.stack import Image, NativeInstall

T = TypeVar("T")


class Fact(Record, Generic[T]):
    """One fact of an engine with its origin; null: not established, and `note` says more."""

    value: T | None
    source: str | None
    note: str | None = None

    @model_validator(mode="after")
    def _has_an_origin(self) -> Fact[T]:
        if not (self.source or self.note):
            raise ValueError("a fact needs a source or a note")
        return self


class ImageFacts(Record):
    """One official image. `tag` holds `{version}`; null: not established."""

    accelerator: Literal["cuda", "rocm", "vulkan", "cpu"]
    variant: str
    default: bool = Field(description="the one taken for its accelerator and platform")
    repository: str
    tag: str
    platforms: tuple[str, ...]
    toolkit: str | None
    min_driver: str | None
    compute_capabilities: tuple[float, ...] | None
    min_compute_capability: float | None
    verified: str
    source: str
    note: str | None = None


class NativeFacts(Record):
    """A release archive that runs without a container. Names hold `{version}`."""

    platform: str
    accelerator: str
    asset: str
    url: str
    folder: str
    binary: str
    min_os: str | None
    verified: str
    source: str
    note: str | None = None


class ContainerFacts(Record):
    """What the images are like inside. `nonroot_user` is uid:gid that the program works as."""

    user: Fact[str]
    nonroot_user: Fact[str]
    nonroot_accelerators: Fact[tuple[str, ...]]
    home: Fact[str]
    nonroot_home: Fact[str]
    entrypoint: Fact[tuple[str, ...]]
    healthcheck: Fact[tuple[str, ...]]
    shm_min_bytes_per_gpu: Fact[int]
    shm_needed: Fact[str]


class HttpFacts(Record):
    """Ports and paths."""

    port: Fact[int]
    port_flag: Fact[str]
    host_flag: Fact[str]
    health_path: Fact[str]
    ready_path: Fact[str]
    metrics_path: Fact[str]
    metrics_flag: Fact[str]
    models_path: Fact[str]


class AuthFacts(Record):
    """How a client key is given to the server, and what it guards (null: all but `public`)."""

    key_flag: Fact[str]
    key_env: Fact[str]
    key_file_flag: Fact[str]
    guarded: Fact[tuple[str, ...]]
    public: Fact[tuple[str, ...]]
    schemes: Fact[tuple[str, ...]]


class ShutdownFacts(Record):
    """What SIGTERM does."""

    behaviour: Fact[Literal["drain_with_flag", "abort"]]
    drain_flag: Fact[str]
    drain_default_seconds: Fact[int]
    drain_limit_flag: Fact[str]


class StartupFacts(Record):
    """How long the engine itself waits for its model."""

    ready_timeout_env: Fact[str]
    ready_timeout_seconds: Fact[int]
    fixed_seconds: Fact[int]


class MemoryFacts(Record):
    """The share of device memory that the engine takes."""

    fraction_flag: Fact[str]
    fraction_default: Fact[float]


class BatchDefault(Record):
    """The engine's own limits for a device of at least this size."""

    min_device_gib: float
    except_devices: tuple[str, ...]
    max_num_seqs: int
    max_num_batched_tokens: int


class BatchDefaults(Record):
    """First row that fits."""

    source: str
    rows: tuple[BatchDefault, ...]


class EngineFacts(Record):
    """`presets/engines/<name>/engine.yaml`."""

    model_config = ConfigDict(frozen=True, extra="forbid", title="engine.yaml")

    schema_: Literal[1] = Field(alias="schema")
    engine: str
    title: str
    default_version: str
    version_scheme: Literal["pep440", "build"]
    table: str
    images: tuple[ImageFacts, ...]
    native: tuple[NativeFacts, ...]
    container: ContainerFacts
    http: HttpFacts
    auth: AuthFacts
    shutdown: ShutdownFacts
    startup: StartupFacts
    memory: MemoryFacts
    batch_defaults: BatchDefaults


_ACCELERATORS = {"nvidia": "cuda", "amd": "rocm", "cpu": "cpu", "apple": "metal"}
_PLATFORMS = {"x86_64": "linux/amd64", "arm64": "linux/arm64"}


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
        wanted, platform = _ACCELERATORS.get(machine.vendor), _PLATFORMS[machine.arch]
        fitting = [
            image
            for image in self.facts.images
            if image.accelerator == wanted and platform in image.platforms
        ]
        return next((i for i in fitting if i.default), fitting[0] if fitting else None)

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
        container = self.facts.container
        nonroot = facts.accelerator in (container.nonroot_accelerators.value or ())
        return Image(
            repository=facts.repository,
            tag=facts.tag.format(version=self.version),
            digest=None,
            verified=facts.verified,
            user=container.nonroot_user.value if nonroot else None,
            source=facts.source,
            min_driver=facts.min_driver,
        )

    def native(self, machine: Machine) -> NativeInstall:
        """The release archive for this machine; UsageError when there is none."""
        platform = f"{machine.os}-{machine.arch}"
        for facts in self.facts.native:
            if facts.platform == platform:
                return NativeInstall(
                    version=f"b{self.version}" if self.name == "llama.cpp" else self.version,
                    url=facts.url.format(version=self.version),
                    archive=facts.asset.format(version=self.version),
                    binary=facts.binary.format(version=self.version),
                    sha256=None,
                    source=facts.source,
                )
        raise UsageError(f"{self.name} publishes no build for {platform}", where="engine")
