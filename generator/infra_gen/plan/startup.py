"""Time budgets of a deployment: first download, start, and letting answers finish."""

from __future__ import annotations

import math

from infra_gen.model.calibration import known
from infra_gen.model.facts import Facts
from infra_gen.model.plan import Startup
from infra_gen.plan.evaluated import Evaluated

_DRAIN_BOUNDS_S = (30, 300)
_STOP_SLACK_S = 15


def startup_of(found: Evaluated, facts: Facts) -> Startup:
    """Budgets from bytes: start-up doubles the estimate, drain lets a long answer finish."""
    constants, candidate = facts.calibration, found.candidate
    kind = "gpu" if facts.machine.is_gpu else "cpu"
    size_gb = candidate.weights.bytes / 1e9
    read_s = size_gb / known(constants.load_gb_s[kind])
    load_s = math.ceil(read_s + known(constants.engine_init_s[candidate.engine]))
    drain_s = _drain_s(found, facts)
    phases = facts.engines[candidate.engine].facts.shutdown.phases.value or 1
    return Startup(
        download_s=math.ceil(candidate.weights.bytes / 1e6 / known(constants.download_mb_s)),
        load_s=load_s,
        budget_s=math.ceil(2 * load_s / 30) * 30,
        drain_s=drain_s,
        stop_s=drain_s * phases + _STOP_SLACK_S,
    )


def _drain_s(found: Evaluated, facts: Facts) -> int:
    """Time for a long answer to finish; 0 for an engine that cuts answers off whatever it is told."""
    if facts.engines[found.candidate.engine].facts.shutdown.behaviour.value == "abort":
        return 0
    longest = facts.workload.output_tokens.high
    point = found.performance.peak
    per_token = (point.tpot_ms or 100.0) if point else 100.0
    low, high = _DRAIN_BOUNDS_S
    return min(high, max(low, math.ceil(longest * per_token / 1e3 / 10) * 10))
