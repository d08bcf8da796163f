"""Alerts that every engine shares, and how numbers are written in them."""

from __future__ import annotations

import math

from infra_gen.model.plan import Plan
from infra_gen.model.stack import Alert, Series


def down(plan: Plan) -> Alert:
    """No scrape for longer than a start may take, so that starts and key rotations stay silent."""
    minutes = max(2, math.ceil(plan.startup.budget_s / 60))
    return Alert(
        name="EngineDown",
        expr='max by (job) (up{job="engine"}) == 0',
        for_=f"{minutes}m",
        severity="critical",
        summary=f"The engine has not answered a scrape for {minutes} minutes, longer than a start takes.",
        runbook="Run bin/smoke-test: it says what is wrong. Then read the engine's log.",
        fires=(Series('up{job="engine",instance="engine"}', f"0x{minutes + 20}"),),
        quiet=(Series('up{job="engine",instance="engine"}', f"1x{minutes + 20}"),),
        at=f"{minutes + 5}m",
    )


_CARD_TOOLS = {"nvidia": " (nvidia-smi)", "amd": " (amd-smi)", "intel": " (xpu-smi)"}


def slow_tokens_advice(plan: Plan) -> str:
    """What to look at when tokens come slower than planned."""
    machine = plan.machine
    part = "the card's" if machine.is_gpu else "the processor's"
    tool = _CARD_TOOLS.get(machine.vendor, "") if machine.is_gpu else ""
    return (
        f"Look at how many requests run, then at {part} clock and temperature{tool}. "
        "`infra-gen plan` shows the planned times."
    )


def seconds(value: float) -> str:
    """A number of seconds for an expression: two significant digits, no exponent."""
    return f"{float(f'{value:.2g}'):f}".rstrip("0").rstrip(".")
