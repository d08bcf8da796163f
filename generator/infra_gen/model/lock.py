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
_COMMIT = r"^[0-9a-f]{40}$"
_DIGEST = r"^sha256:[0-9a-f]{64}$"


class ResolvedParallelism(Record):
    """Parallelism as planned."""

    tensor: int = Field(gt=0)
    layer_split: int = Field(default=1, gt=0)
    replicas: int = Field(default=1, gt=0)


class Resolved(Record):
    """Every `auto` of the spec as it was decided."""

    hardware: str
    model: str
    revision: str | None = Field(pattern=_COMMIT)
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
    """An image of the deployment: `repository:tag`, and what a registry said that tag is.

    An input of rendering as long as the deployment uses that tag. `verified` is the day on which the
    digest was read, or never.
    """

    ref: str
    digest: str | None = Field(pattern=_DIGEST)
    verified: str = Field(pattern=r"^(never|\d{4}-\d{2}-\d{2})$")


class LockedFile(Record):
    """A file infra-gen wrote and its hash as written.

    `edited` is the hash with the edit that an update kept; absent where nothing was edited. An
    `ejected` file was infra-gen's once, and is yours; its hash is of what the rules judged last.
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


class LockedFinding(Record):
    """What rules had to say when the files were written; errors among them were allowed."""

    rule: str
    severity: Literal["error", "warning", "info"]
    confidence: Literal["high", "medium", "low"]
    file: str
    line: int | None
    key_path: str | None
    message: str
    fix: str
    allowed: str | None


class AllowedFinding(Record):
    """A finding the spec allows, with the reason written there."""

    rule: str
    reason: str


class Lock(Record):
    """The whole lock file.

    `inputs` are hashes of what else was read, by path: the spec and what it names. `seal` is a hash
    over all the rest of the file: with it, an untouched deployment is known without rendering it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", title="infra-gen.lock")

    schema_: Literal[1] = Field(default=1, alias="schema")
    generator: str
    spec_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    knowledge_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    inputs: dict[str, str] = Field(default_factory=dict)
    resolved: Resolved
    images: tuple[LockedImage, ...] = ()
    files: dict[str, LockedFile] = Field(default_factory=dict)
    allowed: tuple[AllowedFinding, ...] = ()
    packs: tuple[LockedPack, ...] = ()
    findings: tuple[LockedFinding, ...] = ()
    seal: str = Field(default="", pattern=r"^([0-9a-f]{64})?$")

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
