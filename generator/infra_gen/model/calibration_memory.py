"""Constants of vLLM's device memory beside weights and cache, by version of the engine."""

from __future__ import annotations

from typing import Literal, Protocol, TypeVar

from infra_gen.model.sourced import Record, Sourced
from infra_gen.model.versions import version_key

Budgeted = Literal["none", "first", "both"]
Served = Literal["none", "listed", "dense", "all"]


class Number(Record):
    """A number that holds from `since` on."""

    since: str
    value: float
    source: str


class GraphBudget(Record):
    """Whose CUDA graphs lie inside the memory fraction: nobody's, the first runner's, both."""

    since: str
    value: Budgeted
    source: str


class SecondRunner(Record):
    """Models that the second model runner serves: those listed, dense ones too, or all.

    `plain`: only weights that are not quantized.
    """

    since: str
    models: Served
    classes: tuple[str, ...]
    plain: bool
    source: str


class ExpertTile(Record):
    """Rows and columns that kernels for MXFP4 experts take at a time.

    From that compute capability on; null for devices that have none.
    """

    min_capability: float | None
    hidden: int
    width: int
    source: str


class BatchRow(Record):
    """Defaults for devices of at least that memory, except those whose id begins as named."""

    min_device_gib: float
    except_devices: tuple[str, ...]
    max_num_seqs: int
    max_num_batched_tokens: int


class BatchDefaults(Record):
    """The rows of a version; the first that fits holds."""

    since: str
    source: str
    rows: tuple[BatchRow, ...]


class LogitBytes(Record):
    """Bytes for each request and word of the vocabulary while the sampler runs."""

    sort: Sourced[float]
    fused: Sourced[float]
    second: Sourced[float]


class OutsideTorch(Record):
    """GiB that the process holds outside PyTorch, by the devices of one copy.

    One; two, or more without a switch that adds up; more with one; devices of unified memory.
    """

    single: Sourced[float]
    pair: Sourced[float]
    group: Sourced[float]
    unified: Sourced[float]


class GraphSizes(Record):
    """CUDA graphs, MiB. `light_since`: the version from which a graph is small."""

    piece_mib_per_layer: Sourced[float]
    full_mib: Sourced[float]
    first_mib_per_request: Sourced[float]
    taken_over_estimate: Sourced[float]
    old_piece_mib_per_layer: Sourced[float]
    light_since: Sourced[str]
    largest: Sourced[int]


class VllmMemory(Record):
    """`presets/calibration/memory/vllm.yaml`."""

    id: str
    default_fraction: tuple[Number, ...]
    batch_defaults: tuple[BatchDefaults, ...]
    second_runner: tuple[SecondRunner, ...]
    graphs_in_budget: tuple[GraphBudget, ...]
    fused_sampler_since: Sourced[str]
    sampler_warmup_since: Sourced[str]
    combo_benchmark_since: Sourced[str]
    kept_workspace_since: Sourced[str]
    hybrid_pool_since: Sourced[str]
    hybrid_prefix_cache_since: Sourced[str]
    tower_skipped_since: Sourced[str]
    states_for_all_since: Sourced[str]
    expert_adapters_since: Sourced[str]
    near_layer_counts: tuple[Number, ...]
    latent_tokens: tuple[Number, ...]
    expert_chunk_tokens: tuple[Number, ...]
    mxfp4_tiles: tuple[ExpertTile, ...]
    float32_state: Sourced[tuple[str, ...]]
    logit_bytes: LogitBytes
    sampler_rows: Sourced[int]
    matmul_workspace_mib: Sourced[int]
    outside_torch_gib: OutsideTorch
    context_outside_since: Sourced[str]
    stored_cache_dtype_since: Sourced[str]
    driver_context_share: Sourced[float]
    graphs: GraphSizes


class _Dated(Protocol):
    @property
    def since(self) -> str: ...


D = TypeVar("D", bound=_Dated)


def at_version(rows: tuple[D, ...], version: str | None) -> D:
    """The newest row that is not above `version`; without a version the newest of all."""
    if version is None:
        return max(rows, key=lambda row: version_key(row.since))
    reached = [row for row in rows if version_key(row.since) <= version_key(version)]
    return max(reached or rows[:1], key=lambda row: version_key(row.since))


def reached(since: Sourced[str], version: str | None) -> bool:
    """Whether `version` has what came with `since`; no version means the newest."""
    if since.value is None:
        return False
    return version is None or version_key(version) >= version_key(since.value)


def tile_for(tiles: tuple[ExpertTile, ...], capability: str | None) -> ExpertTile:
    """The tiles for a device of that compute capability."""
    if capability is None:
        return next(tile for tile in tiles if tile.min_capability is None)
    reached = [
        t for t in tiles if t.min_capability is not None and t.min_capability <= float(capability)
    ]
    return max(reached, key=lambda tile: tile.min_capability or 0.0)
