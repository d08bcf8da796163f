"""The launchd agents: the engine, the one that keeps the Mac awake, the one that trims logs."""

from __future__ import annotations

from pathlib import PurePosixPath

from infra_gen.model.filetree import File
from infra_gen.model.stack import Service, Stack
from infra_gen.targets.names import DEPLOY_DIR, KEY_FILE, engine_of, label, model_folder
from infra_gen.targets.placement import Placement, Word, words
from infra_gen.targets.plist import Entry, plist

_PATH = "/usr/bin:/bin:/usr/sbin:/sbin"


def agents(stack: Stack) -> dict[str, File]:
    """The property lists, by path. They hold a token where the deployment's folder belongs."""
    base = label(stack)
    return {
        f"launchd/{base}.plist": File(_engine(stack)),
        f"launchd/{base}.awake.plist": File(_awake(base)),
        f"launchd/{base}.logs.plist": File(_logs(base)),
    }


def _engine(stack: Stack) -> str:
    engine, placement = engine_of(stack), host_placement(stack)
    variables = {variable.name: placement.text(variable.value) for variable in engine.env}
    program = f"{DEPLOY_DIR}/engine/{_binary(engine)}"
    entries = [
        Entry("Label", label(stack)),
        Entry("ProgramArguments", [program]),
        Entry("WorkingDirectory", DEPLOY_DIR),
        Entry(
            "EnvironmentVariables",
            {"PATH": _PATH, **variables},
            "launchd gives programs no PATH, and what launchctl setenv sets is lost at a restart."
            + "".join(f" {one.name}: {one.because.rstrip('.')}." for one in engine.env),
        ),
        Entry("RunAtLoad", True, "Starts at login."),
        Entry("KeepAlive", True, "Starts again after a crash."),
        Entry("ThrottleInterval", 10, "Seconds between two starts, so that a crash loop is slow."),
        Entry(
            "ExitTimeOut",
            engine.stop_seconds,
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
        *_output("engine"),
    ]
    return plist("The inference server.", entries, _arguments(engine, placement))


def _arguments(engine: Service, placement: Placement) -> tuple[Word, ...]:
    keys: list[Word] = []
    for secret in engine.secrets:
        if not secret.file_flag:
            continue
        path = placement.secret_files[secret.name]
        because = (
            f"{secret.because.rstrip('.')}. In a file: an argument would show in the process list."
        )
        if engine.equals_dialect:
            keys.append(Word(f"{secret.file_flag}={path}", because))
        else:
            keys += [Word(secret.file_flag, because), Word(path)]
    return (*words(engine, placement), *keys)


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


def _binary(engine: Service) -> str:
    native = engine.native
    return PurePosixPath(native.binary if native else engine.program[0]).name


def host_placement(stack: Stack) -> Placement:
    """Where things are on the host, below the token for the deployment's folder."""
    engine = engine_of(stack)
    folders = {mount.volume: f"{DEPLOY_DIR}/{mount.volume}" for mount in engine.mounts}
    models = model_folder(stack)
    folders["models"] = models if models.startswith("/") else f"{DEPLOY_DIR}/{models}"
    keys = {secret.name: f"{DEPLOY_DIR}/{KEY_FILE}" for secret in engine.secrets}
    return Placement(listen="127.0.0.1", volumes=folders, secret_files=keys)
