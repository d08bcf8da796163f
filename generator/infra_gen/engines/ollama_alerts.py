"""Ollama measures nothing: the proxy in front of it says whether it answers, and alerts on the rest."""

from __future__ import annotations

from infra_gen.engines.alerts import down
from infra_gen.model.plan import Plan
from infra_gen.model.stack import Alert


def alerts(plan: Plan) -> tuple[Alert, ...]:
    """That it answers: there is no /metrics (ollama/ollama#3144) to know more from."""
    return (down(plan),)
