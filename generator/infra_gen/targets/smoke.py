"""bin/smoke-test: what a client would ask, and whether the accelerator does the work."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass

from infra_gen.model.filetree import File
from infra_gen.model.stack import GpuProof, Service, Stack
from infra_gen.render.text import render
from infra_gen.targets.handling import Handling
from infra_gen.targets.names import HEADER, api_key, base_url, client_port, engine_of
from infra_gen.targets.questions import QUESTIONS

# Less than the whole: a driver may count some pages of the weights elsewhere.
_SHARE_OF_WEIGHTS = 0.8


@dataclass(frozen=True, slots=True)
class GpuCheck:
    """How the script sees that the accelerator does the work: the names below `gpu`.

    `nvidia` and `amd` drivers tell how much memory is used; `log` is a pattern for the engine's log,
    `command` prints what `pattern` is looked for in. `devices` have at least `device_mib` each, for
    weights of `model_mib` together, of which `least_mib` must be seen. `own_memory`: they do not
    take the host's. `shared`: other deployments use them too.
    """

    nvidia: bool
    amd: bool
    log: str | None
    command: str | None
    pattern: str
    least_mib: int
    model_mib: int
    devices: int
    device_mib: int
    own_memory: bool
    shared: bool

    @property
    def any(self) -> bool:
        """Whether there is anything to look at."""
        return self.nvidia or self.amd or bool(self.log or self.command)


@dataclass(frozen=True, slots=True)
class SmokeView:
    """The names that templates/scripts/smoke-test.sh.j2 uses."""

    header: str
    handling: Handling
    service: str
    base: str
    curl_options: str
    port: int
    model: str
    api: str
    request: str
    streams: bool
    answer: str
    key: str | None
    up_path: str
    up_needs_key: bool
    start_s: int
    metrics_path: str | None
    metrics_port: int | None
    jobs: tuple[str, ...]
    gpu: GpuCheck


def smoke_test(stack: Stack, handling: Handling) -> File:
    """The script. On Macs Prometheus is optional, so only the engine's own metrics are looked at."""
    engine, front, key = engine_of(stack), stack.front, api_key(stack)
    direct = front is engine
    question = QUESTIONS[stack.plan.task]
    view = SmokeView(
        header=HEADER,
        handling=handling,
        service=engine.name,
        base=base_url(stack),
        curl_options=_curl_options(stack),
        port=client_port(stack),
        model=stack.plan.served_name,
        api=question.path,
        request=json.dumps({"model": stack.plan.served_name, **question.body}),
        streams=question.streams,
        answer=question.answer,
        key=key.name if key else None,
        # A proxy shows its health to Prometheus alone; clients see whether the list of models comes.
        up_path=engine.probe.path if direct and engine.probe else "/v1/models",
        up_needs_key=not direct,
        start_s=engine.probe.start_s if engine.probe else stack.plan.startup.budget_s,
        metrics_path=engine.metrics_path if direct else None,
        metrics_port=_metrics_port(stack) if handling.beside else None,
        jobs=tuple(one.job for one in stack.scrapes),
        gpu=_gpu(stack, handling),
    )
    return File(render("scripts/smoke-test.sh.j2", view), executable=True)


def _gpu(stack: Stack, handling: Handling) -> GpuCheck:
    plan, engine = stack.plan, engine_of(stack)
    vendor = engine.devices.vendor if engine.devices else "cpu"
    counted = vendor in ("nvidia", "amd")
    mib = plan.weights.bytes * plan.parallelism.data // 2**20
    proof = engine.gpu_proof
    from_log = proof and not proof.command and handling.read_log and not counted
    return GpuCheck(
        nvidia=vendor == "nvidia",
        amd=vendor == "amd",
        log=proof.pattern if proof and from_log else None,
        command=_proof_command(proof, engine, handling),
        pattern=proof.pattern if proof else "",
        least_mib=int(mib * _SHARE_OF_WEIGHTS),
        model_mib=mib,
        devices=engine.devices.count if engine.devices else 0,
        device_mib=int(plan.memory.planned_gib * 1024),
        own_memory=plan.machine.memory_kind == "discrete",
        shared=plan.machine.share < 1.0,
    )


def _proof_command(proof: GpuProof | None, engine: Service, handling: Handling) -> str | None:
    """What prints where the model is; on a host the engine's program lies elsewhere."""
    if proof is None or not proof.command:
        return None
    first, *rest = proof.command
    own = handling.program if first == engine.program[0] else ""
    return " ".join([own or shlex.quote(first), *map(shlex.quote, rest)])


def _curl_options(stack: Stack) -> str:
    """What curl needs to talk to the proxy on this machine."""
    gate = stack.front.gate
    if gate is None or gate.tls == "off":
        return ""
    options = ""
    if gate.host and not gate.host.replace(".", "").isdigit():
        options = f" --resolve {gate.host}:{client_port(stack)}:127.0.0.1"
    # A certificate of its own authority proves nothing to this script, which asks its own machine.
    return f"{options} --insecure" if gate.tls != "acme" else options


def _metrics_port(stack: Stack) -> int | None:
    service: Service | None = stack.service("metrics") if stack.has("metrics") else None
    return service.ports[0].host if service and service.ports else None
