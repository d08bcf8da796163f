"""Lock: `infra-gen.lock`, what `auto` became and which files infra-gen owns.

The `resolved` block is an input of rendering: same spec, same lock, same infra-gen, same bytes.
"""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from infra_gen.model.names import EngineName, TargetName
from infra_gen.model.sourced import Record


class ResolvedParallelism(Record):
    """Parallelism as planned."""

    tensor: int = Field(gt=0)
    layer_split: int = Field(default=1, gt=0)
    replicas: int = Field(default=1, gt=0)


class Resolved(Record):
    """Every `auto` of the spec as it was decided."""

    hardware: str
    model: str
    revision: str | None
    engine: EngineName
    engine_version: str
    quantization: str
    target: TargetName
    parallelism: ResolvedParallelism
    context: int = Field(gt=0)
    max_num_seqs: int = Field(gt=0)
    max_num_batched_tokens: int = Field(gt=0)
    memory_fraction: float | None = Field(default=None, gt=0, le=1)
    kv_cache_dtype: str
    gpu_layers: int | None = Field(default=None, ge=0)
    cpu_moe_layers: int = Field(default=0, ge=0)


class LockedImage(Record):
    """An image of the deployment; `verified` is a date or never."""

    ref: str
    digest: str | None
    verified: str


class LockedFile(Record):
    """A file infra-gen wrote and its hash as written."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    file_class: Literal["managed", "seeded"] = Field(alias="class")
    executable: bool = False

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class AllowedFinding(Record):
    """A finding the spec allows, with the reason written there."""

    rule: str
    reason: str


class Lock(Record):
    """The whole lock file."""

    model_config = ConfigDict(frozen=True, extra="forbid", title="infra-gen.lock")

    schema_: Literal[1] = Field(default=1, alias="schema")
    generator: str
    spec_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    knowledge_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    resolved: Resolved
    images: tuple[LockedImage, ...] = ()
    files: dict[str, LockedFile] = Field(default_factory=dict)
    allowed: tuple[AllowedFinding, ...] = ()
