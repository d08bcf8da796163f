"""What bin/preflight of a compose deployment looks at."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from infra_gen.model.stack import Service, Stack
from infra_gen.targets.dockerfile import built_image
from infra_gen.targets.host import HostView, host_view
from infra_gen.targets.names import (
    HEADER,
    engine_of,
    image_of,
    is_built,
    secrets_made,
    secrets_of,
)
from infra_gen.targets.placement import container_placement

_MIN_COMPOSE = "2.20"  # first with depends_on conditions and build policies as used here


@dataclass(frozen=True, slots=True)
class Required:
    """A variable that .env must set, and what to do about one that is missing."""

    name: str
    remedy: str


@dataclass(frozen=True, slots=True)
class ModelDisk:
    """Where the service `fetch` puts a model: the names below `disk` in preflight.sh.j2.

    `volume` is Docker's name of it, empty for a folder of the host. `parts` are the model's files
    below that place as words of a shell, empty where they cannot be told from others; `kib` is their
    size when all are there.
    """

    volume: str
    parts: str
    kib: int


@dataclass(frozen=True, slots=True)
class PreflightView:
    """The names that templates/scripts/compose/preflight.sh.j2 uses.

    `disk` is None where no model is written. `mirror`: the images come from a registry of this
    network.
    """

    header: str
    service: str
    min_compose: str
    host: HostView
    env_required: tuple[Required, ...]
    read_folders: str
    storage_path: str | None
    read_only_store: bool
    owner: str
    disk: ModelDisk | None
    image: str
    needed_images: tuple[str, ...]
    mirror: bool


def preflight_view(stack: Stack, configs: Iterable[str]) -> PreflightView:
    """The checks for that deployment; `configs` are its files that containers read."""
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
        disk=_disk(stack),
        image=built_image(stack) if is_built(stack, engine) else image.reference,
        needed_images=_needed_images(stack),
        mirror=image.upstream is not None,
    )


def _needed_images(stack: Stack) -> tuple[str, ...]:
    """Images that must be had without a network; those built here by their base."""
    images = [service.image.reference for service in stack.services if service.image]
    return tuple(dict.fromkeys(images)) if stack.offline else ()


def _disk(stack: Stack) -> ModelDisk | None:
    """Where the model is written, None where its files are used as they lie."""
    if not stack.has("fetch"):
        return None
    fetch = stack.service("fetch")
    written = next(mount.volume for mount in fetch.mounts if not mount.read_only)
    in_folder = written == "models" and stack.storage_path is not None
    return ModelDisk(
        volume="" if in_folder else f"{stack.name}_{written}",
        parts=shlex.join(_parts(fetch)),
        kib=stack.plan.weights.bytes // 1024,
    )


def _parts(fetch: Service) -> tuple[str, ...]:
    """The model's files below the volume, as bin/fetch-model names them."""
    download = fetch.download
    if download is None or download.tool == "ollama":
        return ()  # its files are called after their hashes, whatever model they belong to
    if download.tool == "curl":
        return tuple(name for file in download.files for name in (file, f"{file}.part"))
    placement = container_placement(fetch)
    hub = [placement.text(one.value) for one in fetch.env if one.name == "HF_HUB_CACHE"]
    folder = "models--" + download.repo.replace("/", "--")
    root = placement.volumes["models"]
    return tuple(str(PurePosixPath(path).relative_to(root) / folder) for path in hub)
