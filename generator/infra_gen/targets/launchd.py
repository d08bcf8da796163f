"""launchd on a Mac: the engine runs on the host, because no container there reaches the GPU."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from infra_gen.model.filetree import File, FileTree
from infra_gen.model.plan import GIB, Plan
from infra_gen.model.stack import NativeInstall, Service, Stack
from infra_gen.render.text import render
from infra_gen.targets.compose_file import ConfigFolder, metrics_only
from infra_gen.targets.fetching import fetch_script
from infra_gen.targets.launchd_agents import agents
from infra_gen.targets.monitoring import config_hash, monitoring_files
from infra_gen.targets.names import (
    DEPLOY_DIR,
    HEADER,
    KEY_FILE,
    api_key,
    engine_of,
    label,
    model_folder,
    stop_note,
)
from infra_gen.targets.readme import readme
from infra_gen.targets.repository import Ignored, env_example, ignore_file, workflow
from infra_gen.targets.smoke import Hints, smoke_test

name = "launchd"

_SCRIPTS = ("install", "start", "stop", "uninstall", "preflight", "rotate-logs")
_LOG_MIB = 50
_IGNORED = (
    Ignored("/.env", "The token of the model hub."),
    Ignored("/secrets/", "The API key."),
    Ignored("/downloads/", "What bin/install brings."),
    Ignored("/engine/", "The engine's program and libraries."),
    Ignored("/engine.new/", "The same while it is being unpacked."),
    Ignored("/models/", "Gigabytes that bin/fetch-model can bring again."),
    Ignored("/logs/", "What the engine says."),
    Ignored("/daemons/", "Agents rendered for a Mac without a login, see README.md."),
)


@dataclass(frozen=True, slots=True)
class MacView:
    """The names that the templates in templates/scripts/launchd use."""

    header: str
    name: str
    label: str
    labels: tuple[str, ...]
    token: str
    version: str
    build: str
    url: str
    archive: str
    binary: str
    sha256: str | None
    key: str | None
    key_file: str
    port: int
    health_path: str
    start_s: int
    stop_seconds: int
    stop_tries: int
    stop_note: str
    ram_mib: int
    device_mib: int
    model_paths: tuple[str, ...]
    model_gib: str
    model_kib: int
    log_mib: int


def legal(plan: Plan) -> str | None:
    """Why launchd cannot run this plan, or None."""
    if plan.machine.os != "macos":
        return "launchd exists on macOS only; use the target compose"
    if plan.machine.arch != "arm64":
        return "only Macs with Apple silicon are planned for"
    return None


def emit(stack: Stack) -> FileTree:
    """The whole deployment."""
    engine, view = engine_of(stack), _view(stack)
    files: dict[str, File] = {
        **agents(stack),
        **{f"bin/{script}": _script(script, view) for script in _SCRIPTS},
        "bin/smoke-test": smoke_test(stack, _hints(engine)),
        ".env.example": env_example(stack, native=True),
        ".gitignore": ignore_file(_IGNORED),
        "README.md": File(readme(stack, "launchd")),
        **workflow(),
    }
    if stack.has("fetch"):
        fetch = stack.service("fetch")
        files["bin/fetch-model"] = fetch_script(fetch, model_folder(stack), compose=False)
    if api_key(stack):
        files["bin/rotate-key"] = _script("rotate-key", view)
    if stack.has("metrics"):
        monitoring = monitoring_files(stack, f"host.docker.internal:{_port(engine)}")
        config = ConfigFolder(".", config_hash(monitoring))
        files |= monitoring
        files["monitoring/compose.yaml"] = File(
            metrics_only(stack, f"{stack.name}-monitoring", config)
        )
    return FileTree(files)


def _script(template: str, view: MacView) -> File:
    return File(render(f"scripts/launchd/{template}.sh.j2", view), executable=True)


def _port(engine: Service) -> int:
    """The port that the program listens on: nothing stands between it and the host."""
    return engine.ports[0].container


def _hints(engine: Service) -> Hints:
    return Hints(
        port=_port(engine),
        key_file=KEY_FILE,
        health="run bin/start, then look into logs/engine.log",
        log="see logs/engine.log",
        compose=False,
    )


def _native(engine: Service) -> NativeInstall:
    if engine.native is None:
        raise LookupError(f"service {engine.name!r} has no build that runs without a container")
    return engine.native


def _view(stack: Stack) -> MacView:
    plan, engine, key = stack.plan, engine_of(stack), api_key(stack)
    native = _native(engine)
    download = stack.service("fetch").download if stack.has("fetch") else None
    base = label(stack)
    return MacView(
        header=HEADER,
        name=stack.name,
        label=base,
        labels=(f"{base}.awake", base, f"{base}.logs"),
        token=DEPLOY_DIR,
        version=native.version,
        build=native.version.removeprefix("b"),
        url=native.url,
        archive=native.archive,
        binary=PurePosixPath(native.binary).name,
        sha256=native.sha256,
        key=key.name if key else None,
        key_file=KEY_FILE,
        port=_port(engine),
        health_path=engine.probe.path if engine.probe else "/health",
        start_s=engine.probe.start_s if engine.probe else plan.startup.budget_s,
        stop_seconds=engine.stop_seconds,
        stop_note=stop_note(stack),
        stop_tries=engine.stop_seconds + 10,
        ram_mib=int(plan.machine.visible_gib * 1024),
        device_mib=int(plan.memory.planned_gib * 1024),
        model_paths=tuple(f"{model_folder(stack)}/{file}" for file in download.files)
        if download
        else (),
        model_gib=f"{plan.weights.bytes / GIB:.1f} GiB",
        model_kib=plan.weights.bytes // 1024,
        log_mib=_LOG_MIB,
    )
