"""The engines that have a table, each with the module that reads its releases."""

from __future__ import annotations

import importlib
from collections.abc import Mapping

from infra_gen.errors import UsageError, did_you_mean
from tools.tables.records import Extractor

MODULES: Mapping[str, str] = {
    "llama.cpp": "tools.tables.llama.extractor",
    "mlx-lm": "tools.tables.mlx_lm",
    "ollama": "tools.tables.ollama.extractor",
    "sglang": "tools.tables.sglang.extractor",
    "tgi": "tools.tables.tgi.extractor",
    "vllm": "tools.tables.vllm.extractor",
}


def extractor(engine: str) -> Extractor:
    """The extractor of that engine; UsageError for an engine without one."""
    if engine not in MODULES:
        raise UsageError(f"no extractor for {engine!r}", hint=did_you_mean(engine, MODULES))
    found: Extractor = importlib.import_module(MODULES[engine]).EXTRACTOR
    return found
