"""Every engine by name."""

from __future__ import annotations

from typing import Protocol

from infra_gen.engines import llamacpp, ollama, tgi, vllm
from infra_gen.model.engine import EngineInfo
from infra_gen.model.plan import Plan
from infra_gen.model.spec import Spec
from infra_gen.model.stack import Listen, Service


class Engine(Protocol):
    """What a module in this package must have to be an engine."""

    name: str

    def services(
        self, spec: Spec, plan: Plan, info: EngineInfo, listen: Listen
    ) -> tuple[Service, ...]:
        """The services of the engine for this plan, every value with its reason."""


ENGINES: dict[str, Engine] = {
    "llama.cpp": llamacpp,
    "vllm": vllm,
    "tgi": tgi,
    "ollama": ollama,
}
