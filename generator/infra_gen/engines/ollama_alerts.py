"""Ollama measures nothing: its alerts are those of the proxy in front of it.

Not even EngineDown: Prometheus has nothing to ask, so `up` of the engine would be missing forever
and an alert on it could never fire. EngineUnreachable of the proxy takes its place.
"""

from __future__ import annotations

from infra_gen.model.plan import Plan
from infra_gen.model.stack import Alert


def alerts(plan: Plan) -> tuple[Alert, ...]:  # noqa: ARG001 - as every engine's
    """None: there is no /metrics (ollama/ollama#3144)."""
    return ()
