"""bin/smoke-test: what a client would ask, and whether the accelerator does the work."""

from __future__ import annotations

import json
from dataclasses import dataclass

from infra_gen.model.filetree import File
from infra_gen.model.stack import Service, Stack
from infra_gen.render.text import render
from infra_gen.targets.names import HEADER, api_key, engine_of

# Less than the whole: a driver may count some pages of the weights elsewhere.
_SHARE_OF_WEIGHTS = 0.8


@dataclass(frozen=True, slots=True)
class Hints:
    """What differs between targets: where the key is, and what to look at when something fails."""

    port: int
    key_file: str
    health: str
    log: str
    compose: bool


@dataclass(frozen=True, slots=True)
class SmokeView:
    """The names that templates/scripts/smoke-test.sh.j2 uses."""

    header: str
    compose: bool
    service: str
    port: int
    model: str
    request: str
    key: str | None
    key_file: str
    health_path: str
    start_s: int
    metrics_path: str | None
    metrics_port: int | None
    health_hint: str
    log_hint: str
    accelerator: bool
    nvidia: bool
    amd: bool
    gpu_log: str | None
    least_mib: int
    model_mib: int


def smoke_test(stack: Stack, hints: Hints) -> File:
    """The script."""
    engine, key = engine_of(stack), api_key(stack)
    vendor = engine.devices.vendor if engine.devices else "cpu"
    mib = stack.plan.weights.bytes * stack.plan.parallelism.data // 2**20
    in_log = None if hints.compose else engine.gpu_log
    view = SmokeView(
        header=HEADER,
        compose=hints.compose,
        service=engine.name,
        port=hints.port,
        model=stack.plan.served_name,
        request=_request(stack.plan.served_name),
        key=key.name if key else None,
        key_file=hints.key_file,
        health_path=engine.probe.path if engine.probe else "/health",
        start_s=engine.probe.start_s if engine.probe else stack.plan.startup.budget_s,
        metrics_path=engine.metrics_path,
        metrics_port=_metrics_port(stack) if hints.compose else None,
        health_hint=hints.health,
        log_hint=hints.log,
        accelerator=vendor in ("nvidia", "amd") or in_log is not None,
        nvidia=hints.compose and vendor == "nvidia",
        amd=hints.compose and vendor == "amd",
        gpu_log=in_log,
        least_mib=int(mib * _SHARE_OF_WEIGHTS),
        model_mib=mib,
    )
    return File(render("scripts/smoke-test.sh.j2", view), executable=True)


def _request(model: str) -> str:
    message = {"role": "user", "content": "Count from one to ten in words."}
    return json.dumps({"model": model, "messages": [message], "max_tokens": 64, "stream": True})


def _metrics_port(stack: Stack) -> int | None:
    service: Service | None = stack.service("metrics") if stack.has("metrics") else None
    return service.ports[0].host if service and service.ports else None
