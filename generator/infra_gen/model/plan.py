"""Plan: what is deployed and why. Frozen values; nothing here reads files or decides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from infra_gen.model.llm import Task
from infra_gen.model.target import Runtime

GIB = 2**30


def counted(number: int, noun: str) -> str:
    """`1 user`, `5 users`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


Basis = Literal["calibrated", "roofline", "unknown"]


@dataclass(frozen=True, slots=True)
class Decision:
    """One choice: it becomes a comment, a README row and the answer of `explain`."""

    what: str
    value: str
    because: str
    source: str = "infra-gen's planner"


@dataclass(frozen=True, slots=True)
class Machine:
    """The hardware a spec resolves to: `devices` equal devices on each of `nodes` nodes.

    Memory in GiB per device: `visible_gib` as the driver shows it, `reserved_gib` kept for the
    system or display, `usable_gib` what a plan may fill; `share` is the part of each device that
    this deployment may take. `accelerator` is how programs reach the devices. `host_memory_gib` is
    the RAM of a node where it is known.
    """

    id: str
    name: str
    vendor: str
    family: str
    os: str
    arch: str
    devices: int
    memory_kind: str
    visible_gib: float
    reserved_gib: float
    usable_gib: float
    bandwidth_gb_s: float
    fp16_tflops: float | None
    fp8_tflops: float | None
    compute_capability: str | None
    gfx: str | None
    cpu_cores: int | None
    vector_extensions: tuple[str, ...]
    interconnect: str
    interconnect_gb_s: float | None
    accelerator: str = "cpu"
    nodes: int = 1
    share: float = 1.0
    host_memory_gib: float | None = None
    min_driver: str | None = None
    assumptions: tuple[str, ...] = ()

    @property
    def is_gpu(self) -> bool:
        """Whether an accelerator does the work."""
        return self.accelerator != "cpu"

    @property
    def platform(self) -> str:
        """What images for it are built for."""
        return {"x86_64": "linux/amd64"}.get(self.arch, f"linux/{self.arch}")


@dataclass(frozen=True, slots=True)
class Weights:
    """The checkpoint chosen: `bytes` on disk, stated or computed. `official`: by its makers."""

    format: Literal["safetensors", "gguf"]
    quantization: str
    bytes: int
    basis: Literal["checkpoint", "computed"]
    repo: str | None
    files: tuple[str, ...]
    revision: str | None
    sha256: str | None
    local_path: str | None = None
    official: bool = False


@dataclass(frozen=True, slots=True)
class Parallelism:
    """How one replica is spread, and how many replicas there are."""

    tensor: int = 1
    pipeline: int = 1
    data: int = 1
    expert: bool = False
    replicas: int = 1
    layer_split: int = 1

    @property
    def devices_per_replica(self) -> int:
        """Devices that one replica occupies."""
        return self.tensor * self.pipeline * self.data * self.layer_split


@dataclass(frozen=True, slots=True)
class Memory:
    """The fullest device, GiB, and the key-value cache of one replica."""

    visible_gib: float
    reserved_gib: float
    weights_gib: float
    kv_cache_gib: float
    activation_gib: float
    cuda_graph_gib: float
    runtime_gib: float
    headroom_gib: float
    host_needed_gib: float
    kv_bytes_per_token: int
    kv_cache_tokens: int
    max_concurrency_at_context: float

    @property
    def planned_gib(self) -> float:
        """What the plan fills on that device, GiB."""
        return (
            self.weights_gib
            + self.kv_cache_gib
            + self.activation_gib
            + self.cuda_graph_gib
            + self.runtime_gib
        )


@dataclass(frozen=True, slots=True)
class Point:
    """Predicted speed of one replica at one load. Milliseconds; `concurrency` requests at once.

    `prefill_ms` is all prompts sent together, one output token each; `decode_step_ms` one step of
    the whole batch.
    """

    concurrency: int
    input_tokens: int
    output_tokens: int
    ttft_ms: float | None
    tpot_ms: float | None
    prefill_ms: float | None
    decode_step_ms: float | None
    output_tokens_per_s: float | None


@dataclass(frozen=True, slots=True)
class Performance:
    """What the plan expects. `error_band` is relative: 0.5 means within half and one and a half.

    `typical_concurrency` and `peak_concurrency` are requests at once over all replicas, on average
    and at the 95th percentile; `typical` and `peak` are the points of one replica at those loads,
    `long_request` one at the peak with prompt and answer of the 95th percentile.
    """

    basis: Basis
    error_band: float
    users_supported: int | None
    typical_concurrency: int
    peak_concurrency: int
    points: tuple[Point, ...]
    typical: Point | None = None
    peak: Point | None = None
    long_request: Point | None = None
    meets_ttft: bool | None = None
    meets_tpot: bool | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """The engine's own limits; the deployed ones are these and no others."""

    context: int
    max_num_seqs: int
    max_num_batched_tokens: int
    memory_fraction: float | None
    kv_cache_dtype: str
    threads: int | None = None


@dataclass(frozen=True, slots=True)
class Alternative:
    """A runner-up and why it was not taken."""

    engine: str
    model: str
    quantization: str
    why_not: str


@dataclass(frozen=True, slots=True)
class Startup:
    """Time budgets in seconds: the first start downloads, later ones load from disk."""

    download_s: int
    load_s: int
    budget_s: int
    drain_s: int
    stop_s: int


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that targets, rules, README and `verify` need; one record for all of them.

    `model_word` is how a spec names the model: a preset, a folder or a file.
    """

    engine: str
    engine_version: str
    target: str
    runtime: Runtime
    task: Task
    model_word: str
    model_id: str
    model_name: str
    hf_id: str
    licence: str
    gated: bool
    served_name: str
    params_total: int
    params_active: int
    machine: Machine
    weights: Weights
    parallelism: Parallelism
    memory: Memory
    performance: Performance
    limits: Limits
    startup: Startup
    users: int
    workload: str
    think_s: float
    fits: bool = True
    decisions: tuple[Decision, ...] = ()
    alternatives: tuple[Alternative, ...] = ()
    nearest: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    shortfall_gib: float = 0.0
    tool_parser: str | None = None
    reasoning_parser: str | None = None
    pooling: str | None = None

    def decision(self, what: str) -> Decision | None:
        """The decision of that name, if it was one."""
        return next((d for d in self.decisions if d.what == what), None)
