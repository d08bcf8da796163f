"""Engines by name and version."""

from __future__ import annotations

from functools import lru_cache

from infra_gen.knowledge import store
from infra_gen.knowledge.tables import engine_table
from infra_gen.model.engine import EngineInfo
from infra_gen.model.engine_facts import EngineFacts


@lru_cache(maxsize=8)
def engine_info(name: str, version: str | None = None) -> EngineInfo:
    """The engine at `version` (default: the pinned one).

    Raises UsageError for a version that its table cannot speak of.
    """
    stated = store.document("engines", name)
    facts = store.validated(EngineFacts, stated, store.preset_path("engines", name))
    wanted = facts.default_version if version is None else version
    return EngineInfo(name, wanted, facts, engine_table(name, wanted))
