"""Lock: `infra-gen.lock`, what `auto` became and which files infra-gen owns.

The `resolved` block is an input of rendering: same spec, same lock, same infra-gen, same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

from infra_gen.model.names import EngineName, TargetName
from infra_gen.model.pack import LockedPack
from infra_gen.model.sourced import Record

_SHA256 = r"^[0-9a-f]{64}$"


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


class LockedImage(Record):
    """An image of the deployment; `verified` is a date or never."""

    ref: str
    digest: str | None
    verified: str


class LockedFile(Record):
    """A file infra-gen wrote and its hash as written.

    `edited` is the hash with the edit that an update kept; absent where nothing was edited. An
    `ejected` file was infra-gen's once, and is yours.
    """

    sha256: str = Field(pattern=_SHA256)
    file_class: Literal["managed", "seeded", "ejected"] = Field(alias="class")
    executable: bool = False
    edited: str | None = Field(default=None, pattern=_SHA256)

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    @model_serializer(mode="wrap")
    def _without_nothing(self, default: SerializerFunctionWrapHandler) -> dict[str, object]:
        document: dict[str, object] = default(self)
        if self.edited is None:
            del document["edited"]
        return document


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
    packs: tuple[LockedPack, ...] = ()

    @model_serializer(mode="wrap")
    def _without_no_packs(self, default: SerializerFunctionWrapHandler) -> dict[str, object]:
        document: dict[str, object] = default(self)
        if not self.packs:
            del document["packs"]
        return document

    def with_files(self, edited: Mapping[str, str], ejected: Mapping[str, LockedFile]) -> Lock:
        """The same lock with hashes of kept edits, and the files that are no longer infra-gen's."""
        files = {
            path: locked.model_copy(update={"edited": edited[path]}) if path in edited else locked
            for path, locked in self.files.items()
        }
        return self.model_copy(update={"files": dict(sorted({**files, **ejected}.items()))})
