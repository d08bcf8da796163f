"""The user's own Ollama variables that change what a plan must count with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from infra_gen.model.plan import GIB
from infra_gen.plan.sizing import reading
from infra_gen.plan.sizing.llamacpp_settings import LlamaSettings
from infra_gen.plan.sizing.reading import Value

# Ollama hands the type to llama-server for keys and values; it names three (envconfig/config.go).
_CACHE_TYPES = ("f16", "q8_0", "q4_0")


def _with(found: LlamaSettings, name: str, value: Value) -> LlamaSettings | None:
    """The settings with one variable; None where Ollama ignores it or would not read the value."""
    number = reading.whole(value)
    if name == "OLLAMA_CONTEXT_LENGTH" and number:
        return replace(found, per_slot=number)
    if name == "OLLAMA_NUM_PARALLEL" and number:
        return replace(found, slots=number)
    if name == "OLLAMA_KV_CACHE_TYPE" and str(value).lower() in _CACHE_TYPES:
        return replace(found, keys=str(value).lower())
    if name == "OLLAMA_FLASH_ATTENTION":
        # A word that is no boolean means on (envconfig/config.go, BoolWithDefault).
        flash = reading.switch(value) is not False
        return replace(found, layout=replace(found.layout, flash_attention=flash))
    if name == "OLLAMA_GPU_OVERHEAD" and number:
        return replace(found, overhead_gib=number / GIB)
    return None


def settings(engine_args: Mapping[str, Value]) -> LlamaSettings:
    """What those variables set; nothing from values that Ollama would not read."""
    found, names = LlamaSettings(), set()
    for name, value in engine_args.items():
        changed = _with(found, name, value)
        if changed is not None:
            found = changed
            names.add(name)
    return replace(found, names=frozenset(names))
