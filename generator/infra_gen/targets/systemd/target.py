"""systemd on Linux: engine and proxy run on the host as hardened units, without containers."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import replace

from infra_gen.model.filetree import File, FileTree
from infra_gen.model.stack import Gate, Service, Stack
from infra_gen.model.target import TargetKind
from infra_gen.render.yamldoc import Noted
from infra_gen.targets.compose.file import beside_host
from infra_gen.targets.config_files import config_files
from infra_gen.targets.configs import Configs
from infra_gen.targets.fetching import fetch_script
from infra_gen.targets.handling import Handling
from infra_gen.targets.names import KEY_FILE, engine_of, secret_file, secrets_made
from infra_gen.targets.native import key_view, own_command, program_of, script
from infra_gen.targets.placement import LOOPBACK
from infra_gen.targets.proxy import Place, challenge_port, key_in_file
from infra_gen.targets.readme import readme
from infra_gen.targets.repository import Ignored, env_example, ignore_file, workflow
from infra_gen.targets.smoke import smoke_test
from infra_gen.targets.systemd.places import (
    credential,
    folders,
    unit_name,
    unit_placement,
    volume_folder,
)
from infra_gen.targets.systemd.units import units
from infra_gen.targets.systemd.views import host_view_of

name = "systemd"
placement = unit_placement
kind = TargetKind(
    "systemd",
    runtime="native",
    os="linux",
    elsewhere="systemd runs on Linux only; use launchd, or auto",
    steps=("bin/preflight", "sudo bin/install", "sudo bin/start", "bin/smoke-test"),
)

_SCRIPTS = ("install", "start", "stop", "uninstall", "preflight")
_APPLY = "sudo bin/install && sudo bin/start"
_IGNORED = (
    Ignored("/.env", "The token of the model hub."),
    Ignored("/secrets/", "The API key, and passwords."),
    Ignored("/downloads/", "What bin/install brings, and the hashes that it saw."),
)
_NETWORK = {
    "network_mode": Noted(
        "host",
        "Engine and proxy listen on the loopback of the host; so do these, and nobody else sees them.",
    )
}


def emit(stack: Stack) -> FileTree:
    """The whole deployment."""
    handling = _handling(stack)
    configs = config_files(_with_credentials(stack), _address, _proxy_place(stack), placement)
    files: dict[str, File] = {
        **units(stack),
        **configs,
        "bin/smoke-test": smoke_test(stack, handling),
        ".env.example": env_example(stack),
        ".gitignore": ignore_file(_IGNORED),
        "README.md": File(readme(stack, handling)),
        **workflow(),
    }
    if stack.has("fetch") and stack.service("fetch").download:
        fetch = stack.service("fetch")
        files["bin/fetch-model"] = fetch_script(
            fetch,
            volume_folder(stack, "models"),
            compose=False,
            unit=f"{unit_name(stack, fetch.name)}.service",
            again=_again(stack),
            program=_engine_program(stack),
            config=folders(stack).config,
        )
    if secrets_made(stack):
        kept = tuple(secret_file(one) for one in secrets_made(stack))
        view = key_view(
            stack,
            key_file=KEY_FILE,
            apply=_APPLY,
            made=tuple(file for file in kept if file != KEY_FILE),
        )
        files["bin/rotate-key"] = script("_rotate-key", view)
    view_of_host = host_view_of(stack, tuple(configs))
    files |= {f"bin/{one}": script(f"systemd/{one}", view_of_host) for one in _SCRIPTS}
    if stack.has("metrics"):
        measuring = Configs(configs, "monitoring")
        text = beside_host(stack, f"{stack.name}-monitoring", measuring, _NETWORK)
        files["monitoring/compose.yaml"] = File(text)
    return FileTree(files)


def _engine_program(stack: Stack) -> str:
    return f"{folders(stack).programs}/{program_of(engine_of(stack)).path}"


def _again(stack: Stack) -> str:
    """How everything is downloaded anew."""
    download = stack.service("fetch").download
    units = " ".join(f"{unit_name(stack, one)}" for one in ("fetch", "engine"))
    restart = f"sudo systemctl restart {units}"
    if download is None:
        return restart
    # The folder may be one that holds other models too: only what this download brought goes.
    folder, engine = volume_folder(stack, "models"), engine_of(stack)
    if download.tool == "ollama":
        program = own_command(engine, unit_placement(stack, engine), _engine_program(stack))
        return f"{program} rm {download.create} {download.pull} && {restart}"
    if download.tool == "hf":
        name = f"{download.repo}-{download.revision}".replace("/", "--")
        repo = "models--" + download.repo.replace("/", "--")
        files = [f"hub/{repo}", f"hub/.infra-gen-complete-{name}"]
    else:
        files = list(download.files)
    paths = " ".join(shlex.quote(f"{folder}/{file}") for file in files)
    return f"sudo rm -r {paths} && {restart}"


def _address(service: Service) -> str:
    """Everything that is measured shares the host's loopback."""
    return f"{LOOPBACK}:{service.metrics_port}"


def _proxy_place(stack: Stack) -> Callable[[Service, Gate], Place]:
    """Where the proxy runs, once the stack is known."""

    def place(proxy: Service, gate: Gate) -> Place:
        return Place(
            upstream_host=LOOPBACK,
            key=key_in_file(credential(stack, proxy, "api-key")) if gate.key else None,
            bind=None if proxy.ports[0].exposed else LOOPBACK,
            metrics_bind=LOOPBACK,
            challenge_port=challenge_port(proxy),
        )

    return place


def _with_credentials(stack: Stack) -> Stack:
    """A certificate of the user's own is read by systemd, as root, and shown to the proxy."""
    services = []
    for service in stack.services:
        gate = service.gate
        if gate and gate.tls == "files":
            own = replace(
                gate,
                certificate=credential(stack, service, "tls.crt"),
                certificate_key=credential(stack, service, "tls.key"),
            )
            services.append(replace(service, gate=own))
        else:
            services.append(service)
    return replace(stack, services=tuple(services))


def _handling(stack: Stack) -> Handling:
    places, engine = folders(stack), unit_name(stack, engine_of(stack).name)
    return Handling(
        pages="systemd",
        apply=f"`{_APPLY}`",
        key_file=KEY_FILE,
        key_in_env_file=False,
        beside="",
        log=f"journalctl --unit {engine}",
        read_log=f"journalctl --unit {engine} --boot --output cat --no-pager",
        health_hint=f"systemctl status {engine}, then journalctl --unit {engine}",
        log_hint=f"see journalctl --unit {engine}",
        restart=f"sudo systemctl restart {engine}",
        program=own_command(
            engine_of(stack), unit_placement(stack, engine_of(stack)), _engine_program(stack)
        ),
        promtool="docker compose --file monitoring/compose.yaml exec prometheus promtool",
        metrics="What measures is optional here, and runs in containers of Docker:",
        root_certificate=(f"sudo cat {places.state}/proxy/caddy/pki/authorities/local/root.crt"),
        own_files=(
            ("`.env`, `secrets/`", "Yours, secret, never committed."),
            ("`downloads/`", "Made by `bin/install`, never committed."),
            (
                f"`{places.config}`, `{places.programs}`, `/etc/systemd/system/{stack.name}-*`",
                "Written by `bin/install`. Your own settings for a unit: `systemctl edit`.",
            ),
        ),
    )
