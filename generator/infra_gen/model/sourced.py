"""A fact with its source, as presets hold it: sourced, or null and said so."""

from __future__ import annotations

from datetime import date
from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict, model_validator

T = TypeVar("T")


class Record(BaseModel):
    """Base of every record read from a file: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=False)


class Sourced(Record, Generic[T]):
    """One value and where it comes from.

    `value` is null where no source was found; then `note` says what was looked for. A value that is
    computed or taken by convention, not read somewhere, sets `assumed` and explains itself in
    `note`, so that plans can show it as an assumption.
    """

    value: T | None
    source: str | None = None
    checked: date | None = None
    assumed: bool = False
    note: str | None = None

    @model_validator(mode="after")
    def _has_an_origin(self) -> Sourced[T]:
        if self.value is None and not self.note:
            raise ValueError("a null value needs a note that says what is unknown")
        if self.value is not None and self.assumed and not self.note:
            raise ValueError("an assumed value needs a note with the reason")
        if self.value is not None and not self.assumed and not (self.source and self.checked):
            raise ValueError("a value needs source and checked (or assumed with a note)")
        return self
