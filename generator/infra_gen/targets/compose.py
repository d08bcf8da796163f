"""Docker Compose on Linux: containers for the download, the engine and its metrics."""

from __future__ import annotations

from dataclasses import dataclass

from infra_gen.model.filetree import File, FileTree
from infra_gen.model.plan import GIB, Plan
from infra_gen.model.stack import Service, Stack
from infra_gen.render.text import render
from infra_gen.targets.compose_file import ConfigFolder, compose_file
from infra_gen.targets.dockerfile import built_image, dockerfile
from infra_gen.targets.fetching import fetch_script
from infra_gen.targets.monitoring import config_hash, monitoring_files
from infra_gen.targets.names import (
    HEADER,
    api_key,
    engine_of,
    image_of,
    is_built,
    secrets_of,
    stop_note,
)
from infra_gen.targets.readme import readme
from infra_gen.targets.repository import Ignored, device_groups, env_example, ignore_file, workflow
from infra_gen.targets.smoke import Hints, smoke_test

name = "compose"

_MIN_COMPOSE = "2.20"  # first with depends_on conditions and build policies as used here
_IGNORED = (
    Ignored("/.env", "The key, and the token of the model hub."),
    Ignored("/.env.new", "What bin/rotate-key writes before it replaces .env."),
)


@dataclass(frozen=True, slots=True)
class Required:
    """A variable that .env must set, and what to do about one that is missing."""

    name: str
    remedy: str


@dataclass(frozen=True, slots=True)
class PublishedPort:
    """A port of this host, the service that takes it, and the setting that avoids it."""

    host: int
    service: str
    setting: str


@dataclass(frozen=True, slots=True)
class PreflightView:
    """The names that templates/scripts/compose/preflight.sh.j2 uses."""

    header: str
    service: str
    min_compose: str
    arch: str
    uname: str
    env_required: tuple[Required, ...]
    ports: tuple[PublishedPort, ...]
    storage_path: str | None
    owner: str
    volume: str
    model_gib: str
    model_kib: int
    host_mib: int
    nvidia: bool
    amd: bool
    min_driver: str | None
    devices: int
    compute_capability: str | None
    device_mib: int
    image: str


@dataclass(frozen=True, slots=True)
class KeyView:
    """The names that templates/scripts/compose/rotate-key.sh.j2 uses."""

    header: str
    key: str
    stop_note: str


def legal(plan: Plan) -> str | None:
    """Why compose cannot run this plan, or None."""
    if plan.machine.os == "macos":
        return "containers on macOS have no access to the GPU (Metal); use the target launchd"
    return None


def emit(stack: Stack) -> FileTree:
    """The whole deployment."""
    monitoring = _monitoring(stack)
    config = ConfigFolder("./monitoring", config_hash(monitoring))
    files: dict[str, File] = {
        "compose.yaml": File(compose_file(stack, config)),
        **monitoring,
        ".env.example": env_example(stack, device_groups(stack)),
        ".gitignore": ignore_file(_IGNORED),
        "README.md": File(readme(stack, "compose")),
        "bin/preflight": _script("preflight", _preflight(stack)),
        "bin/smoke-test": smoke_test(stack, _hints(stack)),
        **workflow(),
    }
    key = api_key(stack)
    if key:
        view = KeyView(HEADER, key.name, stop_note(stack))
        files["bin/rotate-key"] = _script("rotate-key", view)
    if stack.has("fetch"):
        fetch = stack.service("fetch")
        files["bin/fetch-model"] = fetch_script(fetch, _model_folder(stack), compose=True)
    if stack.build_image:
        files["image/Dockerfile"] = File(dockerfile(stack))
    return FileTree(files)


def _monitoring(stack: Stack) -> dict[str, File]:
    if not stack.has("metrics"):
        return {}
    engine = engine_of(stack)
    return monitoring_files(stack, f"{engine.name}:{engine.ports[0].container}")


def _script(template: str, view: PreflightView | KeyView) -> File:
    return File(render(f"scripts/compose/{template}.sh.j2", view), executable=True)


def _model_folder(stack: Stack) -> str:
    mounts = stack.service("fetch").mounts
    return next(mount.path for mount in mounts if mount.volume == "models")


def _hints(stack: Stack) -> Hints:
    service = engine_of(stack)
    return Hints(
        port=service.ports[0].host,
        key_file=".env",
        health=f"docker compose ps, then docker compose logs {service.name}",
        log=f"see docker compose logs {service.name}",
        compose=True,
    )


def _host_gib(plan: Plan) -> float:
    """Memory of the host that must be free; without memory of its own a device takes the host's."""
    if plan.machine.memory_kind == "discrete":
        return plan.memory.host_needed_gib
    return max(plan.memory.host_needed_gib, plan.memory.planned_gib)


def _port_setting(service: Service) -> str:
    return "serve.port" if service.role == "engine" else "monitoring: false"


def _preflight(stack: Stack) -> PreflightView:
    plan, engine, key = stack.plan, engine_of(stack), api_key(stack)
    devices, image = engine.devices, image_of(engine)
    vendor = devices.vendor if devices else "cpu"
    required = [
        Required(secret.name, "run bin/rotate-key" if secret == key else "see .env.example")
        for secret in secrets_of(stack)
        if secret.required
    ]
    return PreflightView(
        header=HEADER,
        service=engine.name,
        min_compose=_MIN_COMPOSE,
        arch=plan.machine.arch,
        uname="aarch64 | arm64" if plan.machine.arch == "arm64" else plan.machine.arch,
        env_required=tuple(required),
        ports=tuple(
            PublishedPort(port.host, service.name, _port_setting(service))
            for service in stack.services
            for port in service.ports
        ),
        storage_path=stack.storage_path,
        owner=image.user if image.user and stack.build_image else "0:0",
        volume=f"{stack.name}_models",
        model_gib=f"{plan.weights.bytes / GIB:.1f} GiB",
        model_kib=plan.weights.bytes // 1024,
        host_mib=int(_host_gib(plan) * 1024),
        nvidia=vendor == "nvidia",
        amd=vendor == "amd",
        min_driver=image.min_driver,
        devices=devices.count if devices else 0,
        compute_capability=plan.machine.compute_capability,
        device_mib=int(plan.memory.planned_gib * 1024),
        image=built_image(stack) if is_built(stack, engine) else image.reference,
    )
