"""Every engine's sizing by name."""

from __future__ import annotations

from infra_gen.plan.sizing import llamacpp, ollama, tgi, vllm
from infra_gen.plan.sizing.contract import Sizing

SIZINGS: dict[str, Sizing] = {
    "vllm": vllm,
    "tgi": tgi,
    "llama.cpp": llamacpp,
    "ollama": ollama,
}
