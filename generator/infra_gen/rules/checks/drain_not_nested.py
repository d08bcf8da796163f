"""Running answers are cut off at every restart."""

from __future__ import annotations

from collections.abc import Iterator

from infra_gen.model.finding import Finding
from infra_gen.rules.contract import Rule
from infra_gen.rules.places import at_flag, at_key, own_key
from infra_gen.rules.service import Service
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="drain-not-nested",
    severity="error",
    confidence="high",
    what="Checks that the engine is told to finish running answers, and that `stop_grace_period` "
    "(launchd: `ExitTimeOut`, units: `TimeoutStopSec`, Quadlet: `StopTimeout` inside it) is longer "
    "than the time it may take for that, and the proxy's longer than its own.",
    why="vLLM aborts everything at SIGTERM unless `--shutdown-timeout` is above 0. Docker kills "
    "after 10 seconds, launchd after 20, systemd after 90, unless the file says otherwise: then the "
    "longer drain is never reached and every update cuts streams. TGI needs its time twice: for "
    "its router, then for its shards.",
    bad="command: [--shutdown-timeout=80]\n# no stop_grace_period: killed after 10 s",
    good="command: [--shutdown-timeout=80]\nstop_grace_period: 95s",
    fix="Set the engine's drain to the planned seconds and a stop time above it.",
    sources=(
        "vllm-project/vllm#43208",
        "llm-d/llm-d#927",
        "kserve/kserve#5496",
        "https://caddyserver.com/docs/caddyfile/options",
        "https://www.freedesktop.org/software/systemd/man/latest/systemd.service.html",
    ),
)
_DEFAULTS_S = {"compose": 10.0, "plist": 20.0, "unit": 90.0, "quadlet": 10.0}


def check(subject: Subject) -> Iterator[Finding]:
    """The drain, then the time around it."""
    service, command = subject.service, subject.command
    if service is None or command is None:
        return
    facts = subject.engine.facts.shutdown
    flag, default = facts.drain_flag.value, facts.drain_default_seconds.value or 0
    drain = float(subject.plan.startup.drain_s)
    if flag and not command.table.flag(flag):
        message = f"{subject.title} has no {flag}: it aborts running answers when it stops"
        yield at_key(RULE, subject, service, "command", message, severity="warning")
    elif flag:
        written = command.number(flag)
        drain = (default if written is None else written) * (facts.phases.value or 1)
        if drain <= 0:
            have = "is 0" if command.of(flag) else "is not set, which means 0"
            message = f"{flag} {have}: running answers are aborted"
            yield at_flag(RULE, subject, flag, message)
    yield from _around(subject, service, drain)
    proxy, gate = subject.proxy(), subject.gateway()
    if proxy and gate and gate.grace_s:
        yield from _around(subject, proxy, gate.grace_s)


def _around(subject: Subject, service: Service, drain: float) -> Iterator[Finding]:
    key = own_key(service, "stop_grace_period")
    default = _DEFAULTS_S[service.form]
    stop = default if service.stop_s is None else service.stop_s
    # 0 means that launchd and systemd wait for ever.
    if drain > 0 and stop <= drain and not (service.native and stop == 0):
        how = f"{key} is {stop:g} s" if service.stop_s is not None else f"{key} is {stop:g} s unset"
        message = f"{how}; {service.name} may take {drain:g} s to stop and is killed before"
        yield at_key(RULE, subject, service, "stop_grace_period", message)
    outer = service.supervisor_stop_s
    if outer is not None and drain > 0 and outer <= stop:
        message = f"TimeoutStopSec is {outer:g} s, no longer than the {stop:g} s inside it"
        yield at_key(RULE, subject, service, "supervisor_stop", message)
