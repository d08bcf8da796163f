"""Docker Compose on Linux: containers for the download, the engine and its metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from infra_gen.model.filetree import File, FileTree
from infra_gen.model.stack import Gate, Service, Stack
from infra_gen.model.target import TargetKind
from infra_gen.render.text import render
from infra_gen.targets.compose.file import compose_file
from infra_gen.targets.config_files import config_files
from infra_gen.targets.configs import Configs
from infra_gen.targets.dockerfile import built_image, dockerfile
from infra_gen.targets.fetching import fetch_script
from infra_gen.targets.handling import Handling
from infra_gen.targets.host import HostView, host_view
from infra_gen.targets.names import (
    HEADER,
    api_key,
    engine_of,
    image_of,
    is_built,
    secrets_made,
    secrets_of,
    stop_note,
)
from infra_gen.targets.placement import in_container
from infra_gen.targets.proxy import Place, challenge_port, key_in_env
from infra_gen.targets.readme import readme
from infra_gen.targets.repository import Ignored, device_groups, env_example, ignore_file, workflow
from infra_gen.targets.smoke import smoke_test

name = "compose"
placement = in_container
kind = TargetKind(
    "compose",
    runtime="container",
    os="linux",
    elsewhere="containers on macOS have no access to the GPU (Metal); use launchd, or auto",
    steps=(
        "bin/rotate-key",
        "bin/preflight",
        "docker compose up --detach",
        "bin/smoke-test --wait",
    ),
)

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
class PreflightView:
    """The names that templates/scripts/compose/preflight.sh.j2 uses."""

    header: str
    service: str
    min_compose: str
    host: HostView
    env_required: tuple[Required, ...]
    read_folders: str
    storage_path: str | None
    read_only_store: bool
    owner: str
    volume: str
    image: str
    needed_images: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KeyView:
    """The names that templates/scripts/compose/rotate-key.sh.j2 uses."""

    header: str
    key: str | None
    once: tuple[str, ...]
    stop_note: str


def emit(stack: Stack) -> FileTree:
    """The whole deployment."""
    configs = _configs(stack)
    handling = _handling(stack)
    files: dict[str, File] = {
        "compose.yaml": File(compose_file(stack, Configs(configs))),
        **configs,
        ".env.example": env_example(stack, device_groups(stack)),
        ".gitignore": ignore_file(_IGNORED),
        "README.md": File(readme(stack, handling)),
        "bin/preflight": _script("preflight", _preflight(stack, configs)),
        "bin/smoke-test": smoke_test(stack, handling),
        **workflow(),
    }
    if secrets_made(stack):
        key = api_key(stack)
        once = tuple(secret.name for secret in secrets_made(stack) if secret != key)
        view = KeyView(HEADER, key.name if key else None, once, stop_note(stack))
        files["bin/rotate-key"] = _script("rotate-key", view)
    if stack.has("fetch"):
        fetch = stack.service("fetch")
        files["bin/fetch-model"] = fetch_script(fetch, _model_folder(stack), compose=True)
    if stack.build_image:
        files["image/Dockerfile"] = File(dockerfile(stack))
    return FileTree(files)


def _configs(stack: Stack) -> dict[str, File]:
    """Files that containers read. Services find each other by name."""

    def address(service: Service) -> str:
        return f"{service.name}:{service.metrics_port}"

    return config_files(stack, address, _proxy_place, placement)


def _proxy_place(proxy: Service, gate: Gate) -> Place:
    return Place(
        upstream_host=gate.upstream,
        key=key_in_env(gate.key) if gate.key else None,
        challenge_port=challenge_port(proxy),
    )


def _script(template: str, view: PreflightView | KeyView) -> File:
    return File(render(f"scripts/compose/{template}.sh.j2", view), executable=True)


def _model_folder(stack: Stack) -> str:
    mounts = stack.service("fetch").mounts
    return next(mount.path for mount in mounts if mount.volume == "models")


def _handling(stack: Stack) -> Handling:
    engine = engine_of(stack).name
    return Handling(
        pages="compose",
        apply="`docker compose up --detach`",
        key_file=".env",
        key_in_env_file=True,
        beside=f"docker compose exec -T {engine} ",
        log=f"docker compose logs {engine}",
        health_hint=f"docker compose ps, then docker compose logs {engine}",
        log_hint=f"see docker compose logs {engine}",
        restart=f"docker compose up -d --force-recreate {engine}",
        read_log=f"docker compose logs --no-log-prefix {engine}",
        promtool="docker compose exec prometheus promtool",
        metrics="",
        kept_in="in `.env`",
        root_certificate=(
            "docker compose exec -T proxy cat /data/caddy/pki/authorities/local/root.crt"
        ),
        own_files=(
            (
                "`compose.override.yaml`",
                "Yours: Compose merges it over `compose.yaml`. infra-gen never writes it.",
            ),
            ("`.env`", "Yours, secret, never committed."),
        ),
    )


def _preflight(stack: Stack, configs: Mapping[str, File]) -> PreflightView:
    engine, made = engine_of(stack), secrets_made(stack)
    image = image_of(engine)
    required = [
        Required(secret.name, "run bin/rotate-key" if secret in made else "see .env.example")
        for secret in secrets_of(stack)
        if secret.required
    ]
    return PreflightView(
        header=HEADER,
        service=engine.name,
        min_compose=_MIN_COMPOSE,
        host=host_view(stack),
        env_required=tuple(required),
        read_folders=" ".join(sorted({"bin", *(path.split("/")[0] for path in configs)})),
        storage_path=stack.storage_path,
        read_only_store=stack.plan.weights.local_path is not None,
        owner=image.user if image.user and stack.build_image else "0:0",
        volume=f"{stack.name}_models",
        image=built_image(stack) if is_built(stack, engine) else image.reference,
        needed_images=_needed_images(stack),
    )


def _needed_images(stack: Stack) -> tuple[str, ...]:
    """Images that must be had without a network; those built here by their base."""
    images = [service.image.reference for service in stack.services if service.image]
    return tuple(dict.fromkeys(images)) if stack.offline else ()
