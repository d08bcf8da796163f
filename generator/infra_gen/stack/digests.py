"""Images by the digest that the lock holds for their tag."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from infra_gen.model.lock import LockedImage
from infra_gen.model.stack import Image, Stack


def carried_as_files(stack: Stack) -> bool:
    """Whether images come in a file: `docker load` knows no digests (moby/moby#22011, #43570)."""
    return stack.offline and not any(image.upstream for image in stack.images)


def pinned(stack: Stack, locked: Iterable[LockedImage]) -> Stack:
    """The stack with the digests of the tags that it still uses."""
    known = {one.ref: one for one in locked if one.digest}
    if not known or carried_as_files(stack):
        return stack
    services = (
        replace(service, image=_by_digest(service.image, known)) if service.image else service
        for service in stack.services
    )
    return replace(stack, services=tuple(services))


def _by_digest(image: Image, known: Mapping[str, LockedImage]) -> Image:
    found = known.get(image.name)
    return replace(image, digest=found.digest, pinned_on=found.verified) if found else image
