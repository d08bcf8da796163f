"""`plan --json` without hardware: the ranking as a document with a fixed schema. Unknown is null."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from infra_gen.model.plan_document import LimitsBlock, ParallelismBlock
from infra_gen.model.sourced import Record


class LoadBlock(Record):
    """The load that was asked for. Milliseconds; null: no target."""

    users: int
    workload: str
    ttft_ms: float | None
    tpot_ms: float | None


class RankedModel(Record):
    """The model with the checkpoint that was chosen for that hardware."""

    id: str
    hf_id: str
    quantization: str
    weights_bytes: int


class PlaceBlock(Record):
    """One place: `machines` equal machines that `hardware` names, `devices` in all of them.

    Times are those at the peak, of one request; `users_supported` and `price_per_hour` are of all
    machines.
    """

    hardware: str
    name: str
    vendor: str
    provider: str | None
    rented_as: tuple[str, ...]
    machines: int
    devices: int
    price_per_hour: float | None
    engine: str
    engine_version: str
    model: RankedModel
    parallelism: ParallelismBlock
    limits: LimitsBlock
    users_supported: int | None
    peak_concurrency: int
    ttft_ms: float | None
    tpot_ms: float | None
    basis: Literal["calibrated", "roofline", "unknown"]
    error_band: float


class MissBlock(Record):
    """Hardware that was tried and does not carry the load."""

    hardware: str
    devices: int
    why: Literal["load", "memory", "no plan"]
    told: str


class RankingDocument(Record):
    """The whole answer of `infra-gen plan --json` without `--hardware`."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", title="infra-gen plan --json without --hardware"
    )

    schema_: Literal[1] = Field(default=1, alias="schema")
    load: LoadBlock
    currency: str | None
    ranking: tuple[PlaceBlock, ...]
    misses: tuple[MissBlock, ...]
