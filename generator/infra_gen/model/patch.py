"""Patches: what a spec changes of rendered files."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from infra_gen.model.sourced import Record


def _pointer(value: str) -> str:
    if value and not value.startswith("/"):
        raise ValueError("a JSON pointer begins with /, as /services/engine does")
    if re.search("~(?![01])", value):
        raise ValueError("in a JSON pointer, ~ is written ~0, and a / inside of a key ~1")
    return value


Pointer = Annotated[
    str, AfterValidator(_pointer), Field(json_schema_extra={"pattern": r"^(/.*)?$"})
]


class Patch(Record):
    """One operation of a JSON patch (RFC 6902) on a rendered YAML or JSON file.

    `path` is a JSON pointer; `from` is for move and copy, `value` for add, replace and test.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    file: str = Field(min_length=1)
    op: Literal["add", "remove", "replace", "move", "copy", "test"]
    path: Pointer
    from_: Pointer | None = Field(default=None, alias="from")
    value: Any = None

    @model_validator(mode="after")
    def _says_what_its_operation_needs(self) -> Patch:
        if (self.op in ("move", "copy")) != (self.from_ is not None):
            raise ValueError("from: move and copy need it, nothing else takes it")
        if self.op in ("add", "replace", "test") and "value" not in self.model_fields_set:
            raise ValueError(f"value: {self.op} needs it")
        return self
