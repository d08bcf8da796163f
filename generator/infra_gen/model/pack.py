"""Packs: what the spec says of one, what the lock keeps, and the document that its templates read."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, field_validator

from infra_gen.model.plan_document import PlanDocument
from infra_gen.model.sourced import Record

_SHA256 = r"^[0-9a-f]{64}$"
PackName = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$")]


class Pack(Record):
    """A cookiecutter template of yours whose files become part of the deployment."""

    source: str = Field(min_length=1, max_length=400, description="folder, or gh:OWNER/REPO@REF")
    answers: dict[str, str] = Field(
        default_factory=dict, max_length=100, description="values of its cookiecutter.json"
    )

    @field_validator("source")
    @classmethod
    def _source_is_plain(cls, value: str) -> str:
        if any(ord(letter) < 32 for letter in value):
            raise ValueError("holds a control character")
        return value


class LockedPack(Record):
    """A pack as it was rendered: where from, which commit (null: a folder), the hash of its copy."""

    name: PackName
    source: str
    commit: str | None = Field(default=None, pattern=r"^[0-9a-f]{40}([0-9a-f]{24})?$")
    sha256: str = Field(pattern=_SHA256)
    files: tuple[str, ...] = ()


class PackPort(Record):
    """A port of a service: inside, and where this machine publishes it (null: nowhere)."""

    name: str
    container: int
    host: int | None


class PackService(Record):
    """One process of the deployment. `secrets` are names; no value is ever known here."""

    name: str
    role: str
    image: str | None
    ports: tuple[PackPort, ...]
    secrets: tuple[str, ...]


class PackContext(Record):
    """`cookiecutter._infra_gen`: what a pack is told. Grows within a schema, never changes."""

    model_config = ConfigDict(frozen=True, extra="forbid", title="cookiecutter._infra_gen")

    schema_: Literal[1] = Field(default=1, alias="schema")
    name: str
    target: str
    plan: PlanDocument
    services: tuple[PackService, ...]
    files: tuple[str, ...]
