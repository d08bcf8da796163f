"""What a machine without a network must be given: images and the model's files, and by which commands."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import PurePosixPath

from infra_gen.model.plan import Plan
from infra_gen.model.stack import Image, Stack
from infra_gen.targets.fetching import OTHER_COPIES


@dataclass(frozen=True, slots=True)
class Carried:
    """An image by the name under which its makers publish it, and the one that is looked for here."""

    upstream: str
    here: str


@dataclass(frozen=True, slots=True)
class Bring:
    """The names below `bring` in templates/readme/_bring_*.md.j2.

    `mirrored`: images come from a registry of the network, else from a file. `digests`: they are
    looked for by digest, which a copy of one platform alone does not keep. `model` downloads the
    files into the folder `model_name`, empty where nobody knows from where; `folder` is their place.
    """

    images: tuple[Carried, ...]
    mirrored: bool
    digests: bool
    platform: str
    model: str
    model_name: str
    folder: str
    gated: bool


def bring(stack: Stack) -> Bring | None:
    """What must be brought, None where a network does it."""
    if not stack.offline:
        return None
    plan, images = stack.plan, stack.images
    folder = plan.weights.local_path or ""
    name = PurePosixPath(folder).name or "model"
    return Bring(
        images=tuple(_carried(image) for image in images),
        mirrored=any(image.upstream for image in images),
        digests=any(image.digest for image in images),
        platform=plan.machine.platform,
        model=_download(plan, name),
        model_name=name,
        folder=folder,
        gated=plan.gated,
    )


def _carried(image: Image) -> Carried:
    tail = image.reference.removeprefix(image.repository)
    # A copy is given its tag; its digest comes of itself.
    return Carried(f"{image.upstream or image.repository}{tail}", image.name)


def _download(plan: Plan, name: str) -> str:
    """The command that brings the planned files into a folder of that name."""
    weights = plan.weights
    if weights.repo is None:
        return ""
    if any("*" in file for file in weights.files):
        chosen = [word for file in weights.files for word in ("--include", file)]
    elif weights.files:
        chosen = list(weights.files)
    else:
        chosen = [word for pattern in OTHER_COPIES for word in ("--exclude", pattern)]
    revision = ["--revision", weights.revision or "main"]
    return shlex.join(["hf", "download", weights.repo, *chosen, *revision, "--local-dir", name])
