"""compose.yaml: the services of a stack, each line with its reason."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from infra_gen.model.stack import Mount, Port, Secret, Service, Stack
from infra_gen.render.yamldoc import Noted, dump
from infra_gen.targets.configs import Configs
from infra_gen.targets.container import (
    hardening,
    hardware,
    healthcheck,
    literal,
    runs_as_plain_user,
)
from infra_gen.targets.dockerfile import built_image
from infra_gen.targets.names import (
    FETCH_SCRIPT,
    HEADER,
    METRICS_TOKEN,
    certificates,
    image_of,
    is_built,
)
from infra_gen.targets.placement import container_placement, words

_LOGGING = Noted(
    {"driver": "json-file", "options": {"max-size": "10m", "max-file": "3"}},
    "Without limits the logs of a container fill the disk.",
)
_PURPOSE = {
    "engine": "The inference server.",
    "fetch": "Downloads the model once, then exits; the engine starts only after it succeeded.",
    "warmup": "Loads the model into memory once the engine is up, then exits.",
    "proxy": "The only way in: listed routes, the key, limits, measurements.",
    "metrics": "Reads the metrics of the others and evaluates the alerts.",
    "dashboard": "Shows the dashboards.",
    "exporter": "Measures the GPUs.",
}


def compose_file(stack: Stack, configs: Configs) -> str:
    """The text of compose.yaml."""
    services = {
        service.name: Noted(_service(stack, service, configs), "\n" + _PURPOSE[service.role])
        for service in stack.services
    }
    document: dict[str, object] = {
        "name": stack.name,
        "services": Noted(services, f"\n{_reach(stack)}"),
    }
    volumes = _volumes(stack)
    if volumes:
        note = (
            "\nVolumes outlive `docker compose down`; `docker compose down --volumes` deletes them."
        )
        document["volumes"] = Noted(volumes, note)
    yours = "Your own settings go into compose.override.yaml, which infra-gen never touches."
    return dump(document, f"{HEADER}\n{yours}")


def _reach(stack: Stack) -> str:
    """Who can reach what is published."""
    if any(port.exposed for service in stack.services for port in service.ports):
        return "Only the proxy listens beyond this machine; every other port is on loopback."
    return "Nothing listens beyond this machine: ports are on loopback."


def beside_host(stack: Stack, project: str, configs: Configs, network: Mapping[str, object]) -> str:
    """A compose file with only what measures, for engines that run on the host.

    `network` is how these containers reach the host.
    """
    roles = ("metrics", "dashboard", "exporter")
    measuring = [service for service in stack.services if service.role in roles]
    bodies = {}
    for service in measuring:
        body = {**_service(stack, service, configs), **network}
        if "network_mode" in body:
            body.pop("ports", None)
        bodies[service.name] = Noted(body, _PURPOSE[service.role])
    document: dict[str, object] = {
        "name": project,
        "services": bodies,
        "volumes": {mount.volume: None for one in measuring for mount in one.mounts},
    }
    return dump(document, HEADER)


def _service(stack: Stack, service: Service, configs: Configs) -> dict[str, object]:
    body: dict[str, object] = {}
    body.update(_image(stack, service))
    if service.role in ("engine", "fetch", "warmup"):
        body["init"] = Noted(True, "A small first process: reaps children, passes signals on.")
    body.update(_command(stack, service))
    body.update(_environment(stack, service))
    published = [port for port in service.ports if port.host is not None]
    if published:
        body["ports"] = [_port(port) for port in published]
    mounts = _mounts(stack, service, configs)
    if mounts:
        body["volumes"] = mounts
    if service.configs:
        body["labels"] = Noted(
            {"infra-gen.config": configs.sha256(service)},
            "A hash of what is mounted: Compose restarts the container when those files change.",
        )
    body.update(_lifecycle(stack, service))
    body.update(hardware(service))
    body.update(hardening(stack, service))
    body["logging"] = _LOGGING
    return body


def _port(port: Port) -> object:
    if not port.exposed:
        return f"127.0.0.1:{port.host}:{port.container}"
    return Noted(f"{port.host}:{port.container}", "Every interface of this host.")


def _image(stack: Stack, service: Service) -> dict[str, object]:
    image = image_of(service)
    if not is_built(stack, service):
        return {"image": literal(image.reference)}
    tag = literal(built_image(stack))
    local = Noted("never", "That image is made here; nobody's image of this name may be pulled.")
    if service.role != "engine":
        return {"image": tag, "pull_policy": local}
    return {
        "build": {"context": "./image"},
        "image": Noted(
            tag, "The tag ends with a hash of image/Dockerfile: a changed one is built."
        ),
        "pull_policy": local,
    }


def _command(stack: Stack, service: Service) -> dict[str, object]:
    command = [
        Noted(literal(word.text), word.because) if word.because else literal(word.text)
        for word in words(service, container_placement(service))
    ]
    if service.role == "metrics" and service.metrics_secret is not None:
        raise ValueError("a metrics service reads the secrets of others, it has none itself")
    if service.role == "metrics" and _scrape_secret(stack):
        run = shlex.join(service.program)
        script = f'umask 077; printf %s "$METRICS_TOKEN" > {METRICS_TOKEN}; exec {run} "$@"'
        entrypoint: object = Noted(
            [literal(word) for word in ("/bin/sh", "-c", script, service.program[0])],
            "Prometheus reads the engine's key from a file only, and compose cannot put a secret "
            "from .env into a read-only container. So the shell writes it to memory (/tmp is a "
            "tmpfs) and hands over. A changed key recreates this container too.",
        )
    else:
        entrypoint = [literal(word) for word in service.program]
    return {"entrypoint": entrypoint} | ({"command": command} if command else {})


def _environment(stack: Stack, service: Service) -> dict[str, object]:
    placement = container_placement(service)
    variables: dict[str, object] = {
        variable.name: Noted(literal(placement.text(variable.value)), variable.because)
        for variable in service.env
    }
    for secret in service.secrets:
        variables[secret.env] = Noted(_reference(secret), secret.because)
    scraped = _scrape_secret(stack)
    if service.role == "metrics" and scraped:
        variables["METRICS_TOKEN"] = Noted(
            _reference(scraped), "The engine's metrics need its key."
        )
    if service.role == "engine" and not stack.build_image and runs_as_plain_user(stack, service):
        home = Noted("/tmp", "The only place that this user can write to.")  # noqa: S108
        variables.setdefault("HOME", home)
    return {"environment": variables} if variables else {}


def _reference(secret: Secret) -> str:
    if not secret.required:
        return f"${{{secret.name}:-}}"
    return f"${{{secret.name}:?is not set, README.md says how}}"


def _scrape_secret(stack: Stack) -> Secret | None:
    """The secret that some service wants from whoever reads its metrics."""
    for service in stack.services:
        for secret in service.secrets:
            if secret.name == service.metrics_secret:
                return secret
    return None


def _mounts(stack: Stack, service: Service, configs: Configs) -> list[object]:
    mounts: list[object] = [
        Noted(_mount(stack, mount), mount.because) if mount.because else _mount(stack, mount)
        for mount in service.mounts
    ]
    if service.role == "fetch":
        mounts.append(Noted(f"./bin/fetch-model:{FETCH_SCRIPT}:ro", "The script that downloads."))
    mounts += [
        Noted(f"{literal(path)}:{literal(path)}:ro", "The certificate that infra-gen.yaml names.")
        for path in certificates(service)
    ]
    mounts += [
        Noted(f"{configs.source(one)}:{one.path}:ro", _sentence(one.because))
        for one in service.configs
    ]
    return mounts


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def _mount(stack: Stack, mount: Mount) -> object:
    if mount.volume == "models" and stack.storage_path:
        return {
            "type": "bind",
            "source": literal(stack.storage_path),
            "target": mount.path,
            "read_only": mount.read_only,
            "bind": Noted(
                {"create_host_path": False}, "Docker would make a missing folder as root."
            ),
        }
    return f"{mount.volume}:{mount.path}" + (":ro" if mount.read_only else "")


def _volumes(stack: Stack) -> Mapping[str, object]:
    return {
        mount.volume: None
        for service in stack.services
        for mount in service.mounts
        if not (mount.volume == "models" and stack.storage_path)
    }


def _lifecycle(stack: Stack, service: Service) -> dict[str, object]:
    body: dict[str, object] = {}
    if service.needs:
        body["depends_on"] = {
            name: {"condition": _condition(stack, name)} for name in service.needs
        }
    if service.probe:
        body["healthcheck"] = healthcheck(service.probe, service.devices)
    elif service.role == "fetch":
        note = "The image's own check asks the engine; a long download would count as unhealthy."
        body["healthcheck"] = Noted({"disable": True}, note)
    body["stop_grace_period"] = Noted(
        f"{service.stop_seconds}s", "Docker kills whatever is still running after this time."
    )
    body["restart"] = "unless-stopped" if service.restart else "no"
    return body


def _condition(stack: Stack, name: str) -> str:
    needed = next(service for service in stack.services if service.name == name)
    if needed.role == "fetch":
        return "service_completed_successfully"
    return "service_healthy" if needed.probe else "service_started"
