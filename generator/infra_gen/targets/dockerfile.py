"""image/Dockerfile: the pinned official image, made to run as a plain user."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from infra_gen.model.stack import Service, Stack
from infra_gen.render.text import render
from infra_gen.targets.health import health_command
from infra_gen.targets.names import HEADER, engine_of, image_of


@dataclass(frozen=True, slots=True)
class DockerfileView:
    """The names that templates/dockerfile uses. `uid` is empty where the image must run as root."""

    header: str
    name: str
    base: str
    pinned: bool
    version: str
    uid: str
    gid: str
    folders: tuple[str, ...]
    owned: tuple[str, ...]
    home: str
    cache: str
    port: int | None
    interval_s: int
    timeout_s: int
    start_s: int
    retries: int
    health: str
    entrypoint: str
    runs: str


def dockerfile(stack: Stack, runs: str = "compose.yaml", *, health: bool = True) -> str:
    """The text of image/Dockerfile.

    `runs` is the file that starts its containers. `health`: the image carries a health check, which
    only images in Docker's own format can.
    """
    engine = engine_of(stack)
    image, probe = image_of(engine), engine.probe
    uid, _, gid = (image.user or "").partition(":")
    mounts = [
        mount.path
        for service in stack.services
        if service.image == image
        for mount in service.mounts
    ]
    writable = _writable(engine)
    home = f"{writable}/home" if writable else "/tmp"  # noqa: S108 - a tmpfs of that container
    cache = f"{writable}/xdg" if writable else "/tmp/.cache"  # noqa: S108
    view = DockerfileView(
        header=HEADER,
        name=f"{stack.name}-{engine.name}",
        base=image.reference,
        pinned=image.digest is not None,
        version=stack.plan.engine_version,
        uid=uid,
        gid=gid or uid,
        folders=tuple(dict.fromkeys([*mounts, *([home, cache] if writable else [])])),
        owned=tuple(dict.fromkeys(mounts)),
        home=home,
        cache=cache,
        port=probe.port if probe else None,
        interval_s=probe.interval_s if probe else 0,
        timeout_s=probe.timeout_s if probe else 0,
        start_s=probe.start_s if probe else 0,
        retries=probe.retries if probe else 0,
        health=json.dumps(health_command(probe)) if probe and health else "",
        entrypoint=json.dumps(engine.program),
        runs=runs,
    )
    return render("dockerfile/Dockerfile.j2", view)


def built_image(stack: Stack, text: str | None = None) -> str:
    """Local tag of the image that image/Dockerfile makes; `text` is that file, as compose has it.

    It names the content, so that a changed Dockerfile is a missing image, which is then built.
    """
    content = hashlib.sha256((text or dockerfile(stack)).encode()).hexdigest()[:12]
    name = f"infra-gen/{stack.name}-{engine_of(stack).name}"
    return f"{name}:{stack.plan.engine_version}-{content}"


def _writable(service: Service) -> str | None:
    """The volume for caches: the first that the engine may write to."""
    return next((mount.path for mount in service.mounts if not mount.read_only), None)
