"""Docker Compose on Linux: containers for the download, the engine and its metrics."""

from __future__ import annotations

from dataclasses import dataclass

from infra_gen.model.filetree import File, FileTree
from infra_gen.model.stack import Gate, Service, Stack
from infra_gen.model.target import TargetKind
from infra_gen.render.text import render
from infra_gen.targets.compose.file import compose_file
from infra_gen.targets.compose.preflight import PreflightView, preflight_view
from infra_gen.targets.config_files import config_files
from infra_gen.targets.configs import Configs
from infra_gen.targets.dockerfile import dockerfile
from infra_gen.targets.fetching import fetch_script
from infra_gen.targets.handling import Handling
from infra_gen.targets.names import (
    HEADER,
    api_key,
    engine_of,
    secrets_made,
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

# Without the second option the containers of services that an update dropped would go on.
_APPLY = "docker compose up --detach --remove-orphans"
_IGNORED = (
    Ignored("/.env", "The key, and the token of the model hub."),
    Ignored("/.env.new", "What bin/rotate-key writes before it replaces .env."),
)


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
        "bin/preflight": _script("preflight", preflight_view(stack, configs)),
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
        apply=f"`{_APPLY}`",
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
