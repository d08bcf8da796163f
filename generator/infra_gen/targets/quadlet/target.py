"""Podman Quadlet on Linux: units from which systemd makes services that run containers."""

from __future__ import annotations

from infra_gen.model.filetree import File, FileTree
from infra_gen.model.stack import Gate, Service, Stack
from infra_gen.model.target import TargetKind
from infra_gen.targets.config_files import config_files
from infra_gen.targets.fetching import fetch_script
from infra_gen.targets.handling import Handling
from infra_gen.targets.names import KEY_FILE, api_key, engine_of, is_built
from infra_gen.targets.placement import in_container
from infra_gen.targets.proxy import Place, challenge_port, key_in_env
from infra_gen.targets.quadlet.names import build_text, unit_name
from infra_gen.targets.quadlet.scripts import scripts
from infra_gen.targets.quadlet.units import unit_files
from infra_gen.targets.readme import readme
from infra_gen.targets.repository import Ignored, ignore_file, workflow
from infra_gen.targets.smoke import smoke_test

name = "quadlet"
placement = in_container
kind = TargetKind(
    "quadlet",
    runtime="container",
    os="linux",
    elsewhere="Quadlet needs systemd, so Linux; on a Mac use launchd, or auto",
    steps=("bin/preflight", "bin/install", "bin/start", "bin/smoke-test --wait"),
)

_IGNORED = (Ignored("/secrets/", "The key, the token of the model hub."),)


def emit(stack: Stack) -> FileTree:
    """The whole deployment."""
    handling = _handling(stack)
    configs = _configs(stack)
    files: dict[str, File] = {
        **unit_files(stack),
        **configs,
        **scripts(stack, configs),
        ".gitignore": ignore_file(_IGNORED),
        "README.md": File(readme(stack, handling)),
        "bin/smoke-test": smoke_test(stack, handling),
        **workflow(),
    }
    if stack.has("fetch"):
        files["bin/fetch-model"] = _fetch(stack)
    if stack.build_image:
        files["image/Dockerfile"] = File(build_text(stack))
    return FileTree(files)


def _fetch(stack: Stack) -> File:
    """It runs in a container of its own, so `again` empties what it would find there."""
    fetch = stack.service("fetch")
    folder = next(mount.path for mount in fetch.mounts if not mount.read_only)
    where = stack.storage_path or f"podman volume rm {stack.name}-models"
    empty = f"empty {where}" if stack.storage_path else where
    again = f"bin/stop; {empty}; bin/start"
    return fetch_script(fetch, folder, compose=True, again=again)


def _configs(stack: Stack) -> dict[str, File]:
    """Files that containers read. They find each other by name."""

    def address(service: Service) -> str:
        return f"{service.name}:{service.metrics_port}"

    return config_files(stack, address, _proxy_place, placement)


def _proxy_place(proxy: Service, gate: Gate) -> Place:
    return Place(
        upstream_host=gate.upstream,
        key=key_in_env(gate.key) if gate.key else None,
        challenge_port=challenge_port(proxy),
    )


def _handling(stack: Stack) -> Handling:
    engine = engine_of(stack)
    unit = unit_name(stack, engine)
    inside = f"podman exec {stack.name}-"
    return Handling(
        pages="quadlet",
        apply="`bin/stop && bin/install && bin/start`",
        key_file=KEY_FILE if api_key(stack) else "secrets",
        key_in_env_file=False,
        beside=f"podman exec {unit} ",
        log=f"bin/logs {engine.name}",
        read_log=f"bin/logs {engine.name} --boot --output=cat --no-pager",
        health_hint=f"podman ps, then bin/logs {engine.name}",
        log_hint=f"see bin/logs {engine.name}",
        restart="bin/stop, bin/start",
        promtool=f"{inside}prometheus promtool",
        metrics="",
        build_unit=f"{unit}-build" if is_built(stack, engine) else "",
        root_certificate=f"{inside}proxy cat /data/caddy/pki/authorities/local/root.crt",
        own_files=(
            (
                "`quadlet/*.container.d/*.conf`",
                "Yours: podman merges them over the units. `bin/install` copies them along.",
            ),
            ("`secrets/`", "Yours, secret, never committed."),
        ),
    )
