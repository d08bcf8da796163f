"""launchd on a Mac: the engine runs on the host, because no container there reaches the GPU."""

from __future__ import annotations

from dataclasses import dataclass

from infra_gen.model.filetree import File, FileTree
from infra_gen.model.stack import Gate, Service, Stack
from infra_gen.model.target import TargetKind
from infra_gen.render.yamldoc import Noted
from infra_gen.targets.compose.file import beside_host
from infra_gen.targets.config_files import config_files
from infra_gen.targets.configs import Configs
from infra_gen.targets.fetching import fetch_script
from infra_gen.targets.handling import Handling
from infra_gen.targets.host import PublishedPort
from infra_gen.targets.launchd.agents import agent_labels, agents, gone_labels
from infra_gen.targets.names import (
    DEPLOY_DIR,
    HEADER,
    KEY_FILE,
    api_key,
    base_url,
    engine_of,
    host_placement,
    label,
    model_folder,
    secret_file,
    secrets_made,
    stop_note,
)
from infra_gen.targets.native import (
    Program,
    key_view,
    listening,
    model_of,
    own_command,
    program_folders,
    program_of,
    programs,
    script,
)
from infra_gen.targets.proxy import Place, challenge_port, key_in_file
from infra_gen.targets.readme import readme
from infra_gen.targets.repository import Ignored, env_example, ignore_file, workflow
from infra_gen.targets.smoke import smoke_test

name = "launchd"
placement = host_placement
kind = TargetKind(
    "launchd",
    runtime="native",
    os="macos",
    elsewhere="launchd exists on macOS only; use compose, or auto",
    steps=("bin/install", "bin/preflight", "bin/start", "bin/smoke-test"),
)

_SCRIPTS = ("install", "start", "stop", "uninstall", "preflight", "rotate-logs")
_LOG_MIB = 50
_APPLY = "bin/stop && bin/install && bin/start"
_IGNORED = (
    Ignored("/.env", "The token of the model hub."),
    Ignored("/secrets/", "The API key, and passwords."),
    Ignored("/downloads/", "What bin/install brings, and the hashes that it saw."),
    Ignored("/models/", "Gigabytes that bin/fetch-model can bring again."),
    Ignored("/proxy/caddy/", "Certificates and keys of the proxy."),
    Ignored("/proxy/config/", "What the proxy may write beside them."),
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
    programs: tuple[Program, ...]
    offline: bool
    secrets: bool
    key: str | None
    key_file: str
    port: int
    ports: tuple[PublishedPort, ...]
    base: str
    health_path: str
    start_s: int
    stop_seconds: int
    stop_tries: int
    stop_note: str
    ram_mib: int
    device_mib: int
    model_paths: tuple[str, ...]
    fetches: bool
    gone: tuple[str, ...]
    proxy_port: int | None
    model_gib: str
    model_kib: int
    log_mib: int


def emit(stack: Stack) -> FileTree:
    """The whole deployment."""
    view, handling = _view(stack), _handling(stack)
    configs = config_files(stack, _address, _proxy_place, placement)
    files: dict[str, File] = {
        **agents(stack),
        **configs,
        **{f"bin/{script}": _script(script, view) for script in _SCRIPTS},
        "bin/smoke-test": smoke_test(stack, handling),
        ".env.example": env_example(stack),
        ".gitignore": ignore_file((*_IGNORED, *_copied(stack), *program_folders(stack))),
        "README.md": File(readme(stack, handling)),
        **workflow(),
    }
    if stack.has("fetch"):
        fetch = stack.service("fetch")
        files["bin/fetch-model"] = fetch_script(
            fetch, _written_to(stack), compose=False, program=program_of(engine_of(stack)).binary
        )
    if secrets_made(stack):
        kept = tuple(secret_file(one) for one in secrets_made(stack))
        made = tuple(file for file in kept if file != KEY_FILE)
        keys = key_view(
            stack,
            key_file=KEY_FILE,
            apply="bin/stop && bin/start",
            made=made,
            at_once=stack.has("proxy"),
        )
        files["bin/rotate-key"] = script("_rotate-key", keys)
    if stack.has("metrics"):
        measuring = Configs(configs, "monitoring")
        files["monitoring/compose.yaml"] = File(
            beside_host(stack, f"{stack.name}-monitoring", measuring, _NETWORK)
        )
    return FileTree(files)


def _written_to(stack: Stack) -> str:
    """Where bin/fetch-model writes: not into a folder of the user's that has the model already."""
    mounts = stack.service("fetch").mounts if stack.has("fetch") else ()
    copied = any(mount.volume == "store" for mount in mounts)
    return "store" if copied else model_folder(stack)


def _copied(stack: Stack) -> tuple[Ignored, ...]:
    """A copy that bin/fetch-model makes of a model on this Mac."""
    if _written_to(stack) != "store":
        return ()
    return (Ignored("/store/", "The engine's copy of a model that lies elsewhere."),)


_NETWORK = {
    "extra_hosts": Noted(
        ["host.docker.internal:host-gateway"],
        "The engine runs on the host. Docker Desktop knows this name, others need the line.",
    )
}


def _address(service: Service) -> str:
    """Services with a program of their own run on the host, the others in containers."""
    host = "host.docker.internal" if service.native else service.name
    return f"{host}:{service.metrics_port}"


def _proxy_place(proxy: Service, gate: Gate) -> Place:
    exposed = proxy.ports[0].exposed
    return Place(
        upstream_host="127.0.0.1",
        # Relative to the deployment's folder, in which launchd starts the proxy.
        key=key_in_file(KEY_FILE) if gate.key else None,
        bind=None if exposed else "127.0.0.1",
        metrics_bind="127.0.0.1",
        challenge_port=challenge_port(proxy),
    )


def _script(template: str, view: MacView) -> File:
    return script(f"launchd/{template}", view)


def _handling(stack: Stack) -> Handling:
    engine = engine_of(stack)
    return Handling(
        pages="launchd",
        apply=f"`{_APPLY}`",
        key_file=KEY_FILE,
        key_in_env_file=False,
        beside="",
        log="logs/engine.log",
        read_log="cat logs/engine.log.1 logs/engine.log",
        health_hint="run bin/start, then look into logs/engine.log",
        log_hint="see logs/engine.log",
        restart="bin/stop, bin/start",
        program=own_command(engine, host_placement(stack, engine), f"./{program_of(engine).path}"),
        promtool="docker compose --file monitoring/compose.yaml exec prometheus promtool",
        metrics=(
            "What measures is optional here and runs in containers of Docker Desktop or its like:"
        ),
        root_certificate="cat proxy/caddy/pki/authorities/local/root.crt",
        own_files=(
            ("`.env`, `secrets/`", "Yours, secret, never committed."),
            (_made(stack), "Made by the scripts, never committed."),
        ),
    )


def _made(stack: Stack) -> str:
    """The folders that scripts and programs make beside what infra-gen wrote."""
    models = _written_to(stack)
    names = [program.folder for program in programs(stack)]
    names += [] if models.startswith("/") else [models]
    names += ["logs", "downloads", *(["proxy/caddy"] if stack.has("proxy") else [])]
    return ", ".join(f"`{one}/`" for one in names)


def _view(stack: Stack) -> MacView:
    plan, engine, key = stack.plan, engine_of(stack), api_key(stack)
    base, model = label(stack), model_of(stack, _written_to(stack))
    return MacView(
        header=HEADER,
        name=stack.name,
        label=base,
        labels=agent_labels(stack),
        token=DEPLOY_DIR,
        programs=programs(stack),
        offline=stack.offline,
        secrets=bool(secrets_made(stack)),
        key=key.name if key else None,
        key_file=KEY_FILE,
        port=engine.ports[0].container,
        ports=listening(stack, (one for one in stack.services if one.native)),
        base=base_url(stack),
        health_path=engine.probe.path if engine.probe else "/health",
        start_s=engine.probe.start_s if engine.probe else plan.startup.budget_s,
        stop_seconds=engine.stop_seconds,
        stop_note=stop_note(stack),
        stop_tries=engine.stop_seconds + 10,
        ram_mib=int(plan.machine.visible_gib * 1024),
        device_mib=int(plan.memory.planned_gib * 1024),
        model_paths=model.paths,
        fetches=stack.has("fetch"),
        gone=gone_labels(stack),
        proxy_port=stack.service("proxy").metrics_port if stack.has("proxy") else None,
        model_gib=model.gib,
        model_kib=model.kib,
        log_mib=_LOG_MIB,
    )
