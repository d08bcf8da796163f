"""The constraints of each engine: what of its settings must not be together."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from infra_gen.knowledge import store

if TYPE_CHECKING:
    from infra_gen.model.constraint import Constraints


@lru_cache(maxsize=8)
def constraints_of(engine: str) -> Constraints | None:
    """Those of that engine for all its versions, None where it has no such file."""
    from infra_gen.model.constraint import Constraints  # noqa: PLC0415  (only where files are judged)

    stated = store.document("constraints", engine)
    if stated is None:
        return None
    return store.validated(Constraints, stated, store.preset_path("constraints", engine))
