"""The launchd agents: one a program, one that keeps the Mac awake, one that trims logs."""

from __future__ import annotations

from infra_gen.model.filetree import File
from infra_gen.model.stack import EnvVar, Service, Stack
from infra_gen.targets.launchd.plist import Entry, plist
from infra_gen.targets.names import DEPLOY_DIR, engine_of, host_placement, label
from infra_gen.targets.native import program_path
from infra_gen.targets.placement import Placement, Word, words

_PATH = "/usr/bin:/bin:/usr/sbin:/sbin"
_PURPOSE = {
    "engine": "The inference server.",
    "proxy": "The only way in: listed routes, the key, limits, measurements.",
    "warmup": "Loads the model into memory once the engine is up.",
}


def agents(stack: Stack) -> dict[str, File]:
    """The property lists, by path. They hold a token where the deployment's folder belongs."""
    base = label(stack)
    own = {
        f"launchd/{_label(stack, service)}.plist": File(_agent(stack, service))
        for service in _services(stack)
    }
    return {
        **own,
        f"launchd/{base}.awake.plist": File(_awake(base)),
        f"launchd/{base}.logs.plist": File(_logs(base)),
    }


def agent_labels(stack: Stack) -> tuple[str, ...]:
    """The labels of all agents, in the order in which they are loaded and stopped."""
    base = label(stack)
    own = [_label(stack, service) for service in _services(stack)]
    return (f"{base}.awake", *own, f"{base}.logs")


def gone_labels(stack: Stack) -> tuple[str, ...]:
    """The labels of agents that another plan of this name may have had."""
    base = label(stack)
    possible = [f"{base}.{role}" for role in _PURPOSE if role != "engine"]
    return tuple(one for one in possible if one not in agent_labels(stack))


def _services(stack: Stack) -> list[Service]:
    """What runs on the Mac itself, what stands in front first, so that it also stops first."""
    found = [service for service in stack.services if service.role in _PURPOSE]
    return sorted(found, key=lambda service: service.role == "engine")


def _label(stack: Stack, service: Service) -> str:
    base = label(stack)
    return base if service.role == "engine" else f"{base}.{service.name}"


def _agent(stack: Stack, service: Service) -> str:
    placement = host_placement(stack, service)
    own = _environment(stack, service)
    variables = {variable.name: placement.text(variable.value) for variable in own}
    program = f"{DEPLOY_DIR}/{_program(stack, service)}"
    entries = [
        Entry("Label", _label(stack, service)),
        Entry("ProgramArguments", [program, *service.program[1:]]),
        Entry("WorkingDirectory", DEPLOY_DIR),
        Entry(
            "EnvironmentVariables",
            {"PATH": _PATH, **variables},
            "launchd gives programs no PATH, and what launchctl setenv sets is lost at a restart."
            + "".join(f" {one.name}: {one.because.rstrip('.')}." for one in own),
        ),
        Entry("RunAtLoad", True, "Starts at login."),
        *_lifetime(service),
        *_output(service.name),
    ]
    return plist(_PURPOSE[service.role], entries, _arguments(service, placement))


def _environment(stack: Stack, service: Service) -> list[EnvVar]:
    """The variables of a program. One that keeps files of its own has a home beside the models."""
    # The one for containers, /tmp, belongs to everybody on a Mac; a daemon may have none at all.
    own = [one for one in service.env if one.name != "HOME"]
    kept = [mount.volume for mount in engine_of(stack).mounts if not mount.read_only]
    if kept and service.role != "proxy":
        home = host_placement(stack, engine_of(stack)).volumes[kept[0]]
        own.append(EnvVar("HOME", home, "what it keeps for itself lies beside the models"))
    return own


def _lifetime(service: Service) -> list[Entry]:
    """How it is started again and ended."""
    if not service.restart:
        again = "Tries again until the engine is up, then is done."
        return [
            Entry("KeepAlive", {"SuccessfulExit": False}, again),
            Entry("ThrottleInterval", 10, "Seconds between two tries."),
        ]
    return [
        Entry("KeepAlive", True, "Starts again after a crash."),
        Entry("ThrottleInterval", 10, "Seconds between two starts, so that a crash loop is slow."),
        Entry(
            "ExitTimeOut",
            service.stop_seconds,
            "Seconds between SIGTERM and SIGKILL, for answers that are still running.",
        ),
        Entry(
            "ProcessType",
            "Interactive",
            "Without it macOS may slow a background program down and run it on efficiency cores.",
        ),
        Entry(
            "SoftResourceLimits",
            {"NumberOfFiles": 4096},
            "Every connection is an open file; the default is 256.",
        ),
    ]


def _program(stack: Stack, service: Service) -> str:
    path = program_path(stack, service)
    if path is None:
        raise LookupError(f"service {service.name!r} has no build that runs without a container")
    return path


def _arguments(service: Service, placement: Placement) -> tuple[Word, ...]:
    keys: list[Word] = []
    for secret in service.secrets:
        if not secret.file_flag:
            continue
        path = placement.secret_files[secret.name]
        because = (
            f"{secret.because.rstrip('.')}. In a file: an argument would show in the process list."
        )
        if service.equals_dialect:
            keys.append(Word(f"{secret.file_flag}={path}", because))
        else:
            keys += [Word(secret.file_flag, because), Word(path)]
    return (*words(service, placement), *keys)


def _awake(base: str) -> str:
    entries = [
        Entry("Label", f"{base}.awake"),
        Entry(
            "ProgramArguments",
            ["/usr/bin/caffeinate", "-is"],
            "-i: no idle sleep. -s: no sleep at all on mains power. The display may sleep.",
        ),
        Entry("RunAtLoad", True),
        Entry("KeepAlive", True),
    ]
    purpose = (
        "Keeps the Mac awake while the engine is loaded. Its own agent, because caffeinate as the "
        "engine's parent would not pass SIGTERM on, and running answers would be cut off."
    )
    return plist(purpose, entries)


def _logs(base: str) -> str:
    entries = [
        Entry("Label", f"{base}.logs"),
        Entry("ProgramArguments", ["/bin/bash", f"{DEPLOY_DIR}/bin/rotate-logs"]),
        Entry(
            "StartCalendarInterval",
            {"Hour": 3, "Minute": 30},
            "Once a day; a Mac that slept at that time does it when it wakes.",
        ),
        *_output("rotate-logs"),
    ]
    return plist("Trims the logs: launchd writes to them without any limit.", entries)


def _output(name: str) -> list[Entry]:
    path = f"{DEPLOY_DIR}/logs/{name}.log"
    return [Entry("StandardOutPath", path), Entry("StandardErrorPath", path)]
