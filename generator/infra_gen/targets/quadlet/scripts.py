"""The scripts of a Quadlet deployment: install, look, start, stop, logs, key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from infra_gen.model.filetree import File
from infra_gen.model.stack import Role, Secret, Service, Stack
from infra_gen.render.text import render
from infra_gen.targets.host import HostView, host_view
from infra_gen.targets.names import (
    HEADER,
    KEY_FILE,
    api_key,
    engine_of,
    image_of,
    secret_file,
    secrets_made,
    secrets_of,
    stop_note,
)
from infra_gen.targets.quadlet.container import KEEP_GROUPS
from infra_gen.targets.quadlet.names import (
    image_reference,
    pulled_images,
    secret_name,
    secrets_of_service,
    unit_name,
    volume_name,
)
from infra_gen.targets.quadlet.units import held, volumes

MIN_PODMAN = "5.4"
"""The oldest podman: .build units and NetworkAlias= need 5.2, comments in the middle of Exec= 5.4."""

_SCRIPTS = ("install", "preflight", "start", "stop", "uninstall", "logs")


@dataclass(frozen=True, slots=True)
class SecretView:
    """A secret as a file here and as podman keeps it.

    `container` is the unit that may do without it, and `line` what that unit gets where it is there.
    """

    name: str
    file: str
    podman: str
    made: bool
    required: bool
    container: str
    line: str


@dataclass(frozen=True, slots=True)
class PublishedPort:
    """A port of the host, its service and unit, and the setting that avoids it."""

    host: int
    service: str
    unit: str
    setting: str


@dataclass(frozen=True, slots=True)
class VolumeView:
    """A volume, as podman calls it, and what is lost with it."""

    name: str
    holds: str


@dataclass(frozen=True, slots=True)
class Wait:
    """What bin/start waits for: a unit, its service as bin/logs takes it, and words for it."""

    unit: str
    service: str
    what: str


@dataclass(frozen=True, slots=True)
class QuadletView:
    """The names that the templates in templates/scripts/quadlet use."""

    header: str
    name: str
    min_podman: str
    keep_groups: str
    containers: tuple[str, ...]
    engine: str
    engine_name: str
    waits: tuple[Wait, ...]
    waited_for: str
    folders: tuple[str, ...]
    secrets: tuple[SecretView, ...]
    keys: tuple[SecretView, ...]
    key: str | None
    key_file: str
    images: tuple[str, ...]
    image: str
    offline: bool
    host: HostView
    ports: tuple[PublishedPort, ...]
    low_port: int
    volumes: tuple[VolumeView, ...]
    model_volume: str
    storage_path: str | None
    writes_storage: bool
    owner: str
    stop_note: str
    own_images: bool


def scripts(stack: Stack, configs: Mapping[str, File]) -> dict[str, File]:
    """The scripts by path."""
    view = _view(stack, configs)
    wanted = [*_SCRIPTS, *(["rotate-key"] if secrets_made(stack) else [])]
    return {
        f"bin/{script}": File(render(f"scripts/quadlet/{script}.sh.j2", view), executable=True)
        for script in wanted
    }


def _view(stack: Stack, configs: Mapping[str, File]) -> QuadletView:
    engine, key = engine_of(stack), api_key(stack)
    secrets = tuple(_secret(stack, secret) for secret in secrets_of(stack))
    host = host_view(stack)
    ports = _ports(stack, host)
    image = image_of(engine)
    folders = {path.split("/")[0] for path in configs}
    folders |= {"image"} if stack.build_image else set()
    return QuadletView(
        header=HEADER,
        name=stack.name,
        min_podman=MIN_PODMAN,
        keep_groups=KEEP_GROUPS,
        containers=tuple(unit_name(stack, service) for service in stack.services),
        engine=unit_name(stack, engine),
        engine_name=engine.name,
        waits=tuple(_waits(stack)),
        waited_for=(
            "engine and proxy are healthy" if stack.has("proxy") else "the engine is healthy"
        ),
        folders=tuple(sorted(folders)),
        secrets=secrets,
        keys=tuple(secret for secret in secrets if secret.made),
        key=key.name if key else None,
        key_file=KEY_FILE,
        images=pulled_images(stack),
        image=image_reference(stack, engine),
        offline=stack.offline,
        host=host,
        ports=ports,
        low_port=min((port.host for port in ports), default=1024),
        volumes=tuple(
            VolumeView(volume_name(stack, volume), _holds(stack, volume))
            for volume in volumes(stack)
        ),
        model_volume=volume_name(stack, "models"),
        storage_path=stack.storage_path,
        writes_storage=stack.has("fetch") and _writes_models(stack.service("fetch")),
        owner=image.user if image.user and stack.build_image else "0:0",
        stop_note=stop_note(stack),
        own_images=stack.build_image,
    )


def _waits(stack: Stack) -> Iterator[Wait]:
    """In the order in which they come up."""
    words: tuple[tuple[Role, str], ...] = (
        ("fetch", "the model's files"),
        ("engine", "the model to load"),
        ("proxy", "the proxy"),
    )
    for role, what in words:
        if stack.has(role):
            service = stack.service(role)
            yield Wait(unit_name(stack, service), service.name, what)


def _holds(stack: Stack, volume: str) -> str:
    """What is in a volume. The proxy's can hold what nobody can make again."""
    tls = stack.front.gate.tls if stack.front.gate else "off"
    if volume == "proxy" and tls == "internal":
        return "the authority that clients trust: with a new one they need its root certificate"
    if volume == "proxy" and tls == "acme":
        return "the account and certificates: authorities limit how many new ones you get"
    return held(stack, volume)


def _writes_models(fetch: Service) -> bool:
    return any(mount.volume == "models" and not mount.read_only for mount in fetch.mounts)


def _secret(stack: Stack, secret: Secret) -> SecretView:
    name = secret_name(stack, secret)
    users = [one for one in stack.services if secret in secrets_of_service(stack, one)]
    return SecretView(
        name=secret.name,
        file=secret_file(secret),
        podman=name,
        made=secret.made,
        required=secret.required,
        container=unit_name(stack, users[0]),
        line=f"Secret={name},type=env,target={secret.env}",
    )


def _ports(stack: Stack, host: HostView) -> tuple[PublishedPort, ...]:
    return tuple(
        PublishedPort(port.host, port.service, f"{stack.name}-{port.service}", port.setting)
        for port in host.ports
    )
