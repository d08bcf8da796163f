"""Deployments on a machine without a network: mirrored images, nothing downloaded."""

from __future__ import annotations

from dataclasses import replace

from infra_gen.model.spec import Offline
from infra_gen.model.stack import Image, Service


def mirrored(service: Service, offline: Offline) -> Service:
    """The service with its image from the mirror."""
    if service.image is None or offline.mirror is None:
        return service
    return replace(service, image=_mirrored(service.image, offline.mirror))


def _mirrored(image: Image, mirror: str) -> Image:
    """`docker.io/vllm/vllm-openai` becomes `MIRROR/vllm/vllm-openai`: the registry is replaced."""
    first, slash, rest = image.repository.partition("/")
    path = rest if slash and ("." in first or ":" in first) else image.repository
    copy = f"{mirror}/{path}"
    return replace(image, repository=copy, upstream=image.repository, verified="never")
