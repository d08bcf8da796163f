"""Running answers are cut off at every restart."""

from __future__ import annotations

from collections.abc import Iterator

from infra_gen.model.finding import Finding
from infra_gen.rules.contract import Rule
from infra_gen.rules.places import at_flag, at_key
from infra_gen.rules.service import Service
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="drain-not-nested",
    severity="error",
    confidence="high",
    what="Checks that the engine is told to finish running answers, and that `stop_grace_period` "
    "(launchd: `ExitTimeOut`) is longer than the time it may take for that.",
    why="vLLM aborts everything at SIGTERM unless `--shutdown-timeout` is above 0. Docker kills "
    "after 10 seconds, launchd after 20, unless the file says otherwise: then the longer drain "
    "is never reached and every update cuts streams.",
    bad="command: [--shutdown-timeout=80]\n# no stop_grace_period: killed after 10 s",
    good="command: [--shutdown-timeout=80]\nstop_grace_period: 95s",
    fix="Set --shutdown-timeout to the planned drain and a stop time above it.",
    sources=("vllm-project/vllm#43208", "llm-d/llm-d#927", "kserve/kserve#5496"),
)
_DOCKER_DEFAULT_S = 10.0
_LAUNCHD_DEFAULT_S = 20.0


def check(subject: Subject) -> Iterator[Finding]:
    """The drain, then the time around it."""
    service, command = subject.service, subject.command
    if service is None or command is None:
        return
    flag = subject.engine.facts.shutdown.drain_flag.value
    drain = float(subject.plan.startup.drain_s)
    if flag:
        drain = command.number(flag) or 0.0
        if drain <= 0:
            have = "is 0" if command.of(flag) else "is not set, which means 0"
            message = f"{flag} {have}: running answers are aborted"
            yield at_flag(RULE, subject, flag, message)
    yield from _around(subject, service, drain)


def _around(subject: Subject, service: Service, drain: float) -> Iterator[Finding]:
    key = "ExitTimeOut" if service.native else "stop_grace_period"
    default = _LAUNCHD_DEFAULT_S if service.native else _DOCKER_DEFAULT_S
    stop = default if service.stop_s is None else service.stop_s
    # An ExitTimeOut of 0 means that launchd waits for ever.
    if drain > 0 and stop <= drain and not (service.native and stop == 0):
        how = f"{key} is {stop:g} s" if service.stop_s is not None else f"{key} is {stop:g} s unset"
        message = f"{how}; the server may take {drain:g} s to stop and is killed before"
        yield at_key(RULE, subject, service, "stop_grace_period", message)
