"""Ollama measures nothing: its charts are those of the proxy in front of it, and the GPU's."""

from __future__ import annotations

from infra_gen.model.plan import Plan
from infra_gen.model.stack import Panel


def panels(plan: Plan) -> tuple[Panel, ...]:  # noqa: ARG001 - as every engine's
    """None: there is no /metrics (ollama/ollama#3144)."""
    return ()
