"""What infra-gen knows of an engine beside its flags: `presets/engines/<name>/engine.yaml`."""

from __future__ import annotations

from typing import Generic, Literal, TypeVar

from pydantic import ConfigDict, Field, model_validator

from infra_gen.model.hardware import Accelerator
from infra_gen.model.llm import Task
from infra_gen.model.sourced import Record

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

    accelerator: Accelerator
    variant: str
    default: bool = Field(description="the one taken for its accelerator and platform")
    families: tuple[str, ...] | None = Field(
        default=None, description="only for these device families; null: for all"
    )
    gfx: tuple[str, ...] | None = Field(default=None, description="AMD targets it has code for")
    runtime: str | None = Field(default=None, description="container runtime to ask for by name")
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
    """A build that runs without a container. Names hold `{version}`.

    `archive`: the release archive at `url`; `python`: the package `asset` from a package index,
    installed into a virtual environment; there `url` is the index.
    """

    method: Literal["archive", "python"] = "archive"
    platform: str
    accelerator: Accelerator
    asset: str
    url: str
    folder: str
    binary: str
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    min_os: str | None
    service_unit: str | None = Field(
        default=None, description="the systemd unit that its own installer makes"
    )
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


class RouteFact(Record):
    """A route that clients need, for the allow-list of a proxy. A path ending with * is a prefix."""

    path: str
    methods: tuple[Literal["GET", "POST"], ...]
    streams: bool
    tasks: tuple[Task, ...] = ("generate", "embed", "rerank")
    source: str


class EnvFact(Record):
    """A variable to set in a given situation."""

    name: str
    value: str
    because: str
    source: str


class EnvironmentFacts(Record):
    """Variables that keep the engine from talking to others.

    `private`: no usage reports, always set; `offline`: no look-ups at all, for machines without a
    network.
    """

    private: tuple[EnvFact, ...]
    offline: tuple[EnvFact, ...]


class ReachFacts(Record):
    """Which models the engine loads.

    `formats` of weights; `architectures`: class names of config.json (null: as its own code says,
    not listed); `llama_cpp_build`: the llama.cpp inside, for GGUF; `tasks` that it serves;
    `sharded_gguf`: whether a model in several GGUF files can be loaded.
    """

    formats: tuple[Literal["safetensors", "gguf"], ...]
    tasks: tuple[Task, ...]
    architectures: Fact[tuple[str, ...]]
    llama_cpp_build: Fact[int]
    sharded_gguf: Fact[bool]


class Knobs(Record):
    """The flag, or the variable (in capitals), that carries each planned number; null: there is none.

    `explicit` are the fields that must be written down because the engine's own default depends on
    the machine or the version; `automatic` are the values, by field, that mean the same as leaving
    it out. `context_shared`: the context is divided among all requests that run at once.
    `model` is the flag that names the model, `model_folders` the variables that say where models
    lie, strongest first, and `model_home` the folder without any of them, below HOME unless
    absolute. `listen` is the variable that holds address and port in one.
    """

    served_name: str | None
    context: str | None
    concurrency: str | None
    batched_tokens: str | None
    memory_fraction: str | None
    tensor_parallel: str | None
    gpu_layers: str | None
    explicit: tuple[str, ...]
    automatic: dict[str, tuple[str, ...]]
    context_shared: bool
    model: str | None
    model_folders: tuple[str, ...]
    model_home: str
    listen: str | None

    @property
    def planned(self) -> tuple[str, ...]:
        """Every flag or variable that carries a planned number."""
        named = (
            self.context, self.concurrency, self.batched_tokens, self.memory_fraction,
            self.tensor_parallel, self.gpu_layers,
        )  # fmt: skip
        return tuple(name for name in named if name)


class Equivalent(Record):
    """A setting of this engine, and the one of the engine that its makers point to."""

    setting: str
    instead: str | None
    note: str | None = None
    source: str


class Migration(Record):
    """Where its makers send users, setting by setting."""

    to: str
    settings: tuple[Equivalent, ...]


class HttpFacts(Record):
    """Ports and paths. `routes` are what clients may use."""

    routes: tuple[RouteFact, ...]
    port: Fact[int]
    client_port: Fact[int] = Field(
        description="where its own documentation publishes it; null: the same"
    )
    port_flag: Fact[str]
    host_flag: Fact[str]
    health_path: Fact[str]
    ready_path: Fact[str]
    metrics_path: Fact[str]
    metrics_flag: Fact[str]
    models_path: Fact[str]
    host_header: Fact[str] = Field(description="Host that a proxy must send; null: any")
    first_byte_is_token: Fact[bool] = Field(
        description="whether a stream sends nothing, not even a status, before the first token"
    )
    loads_with_503: Fact[bool] = Field(
        description="whether it answers clients with status 503 while it loads its model"
    )


class AuthFacts(Record):
    """How a client key is given to the server, and what it guards (null: all but `public`)."""

    key_flag: Fact[str]
    key_env: Fact[str]
    key_file_flag: Fact[str]
    guarded: Fact[tuple[str, ...]]
    public: Fact[tuple[str, ...]]
    schemes: Fact[tuple[str, ...]]


class ShutdownFacts(Record):
    """What SIGTERM does. `phases`: how often the drain time may pass, one part after another."""

    phases: Fact[int]
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
    version_tag: str = Field(description="the version as its release is called, with {version}")
    version_scheme: Literal["pep440", "build"]
    table: str
    maintenance: Fact[str] = Field(description="what its makers say of its future; null: nothing")
    migration: Migration | None = None
    knobs: Knobs
    reach: ReachFacts
    environment: EnvironmentFacts
    images: tuple[ImageFacts, ...]
    native: tuple[NativeFacts, ...]
    container: ContainerFacts
    http: HttpFacts
    auth: AuthFacts
    shutdown: ShutdownFacts
    startup: StartupFacts
    memory: MemoryFacts
    batch_defaults: BatchDefaults
