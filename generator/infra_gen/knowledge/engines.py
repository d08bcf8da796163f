"""Engines by name and version."""

from __future__ import annotations

import json
from functools import lru_cache

from infra_gen.errors import UsageError, did_you_mean
from infra_gen.knowledge import store
from infra_gen.model.engine import EngineInfo
from infra_gen.model.engine_facts import EngineFacts
from infra_gen.model.engine_table import table_of
from infra_gen.resources import data_dir


@lru_cache(maxsize=8)
def engine_info(name: str, version: str | None = None) -> EngineInfo:
    """The engine at `version` (default: the pinned one).

    Raises UsageError for a version that its table does not hold.
    """
    stated = store.document("engines", name)
    facts = store.validated(EngineFacts, stated, store.preset_path("engines", name))
    wanted = version or facts.default_version
    path = data_dir("presets") / "engines" / name / "table.json"
    document = json.loads(path.read_text("utf-8"))
    if wanted not in document["versions"]:
        raise UsageError(
            f"{name} {wanted} is not in the flag tables",
            where="engine.version",
            hint=did_you_mean(wanted, document["versions"]),
        )
    return EngineInfo(name, wanted, facts, table_of(document, wanted))
