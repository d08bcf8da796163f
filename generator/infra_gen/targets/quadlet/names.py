"""Names of a Quadlet deployment that its units, scripts and README agree on."""

from __future__ import annotations

from infra_gen.model.stack import Secret, Service, Stack
from infra_gen.targets.dockerfile import built_image, dockerfile
from infra_gen.targets.names import engine_of, image_of, is_built

UNITS = "quadlet"


def unit_name(stack: Stack, service: Service) -> str:
    """A service's unit and container: `chat-engine` is started by chat-engine.service."""
    return f"{stack.name}-{service.name}"


def volume_name(stack: Stack, volume: str) -> str:
    """A volume, as `podman volume ls` shows it."""
    return f"{stack.name}-{volume}"


def secret_name(stack: Stack, secret: Secret) -> str:
    """A secret, as `podman secret ls` shows it."""
    return f"{stack.name}-{secret.name.lower().replace('_', '-')}"


def secrets_of_service(stack: Stack, service: Service) -> tuple[Secret, ...]:
    """The secrets that a service is given: its own, and for Prometheus what it must present."""
    if service.role != "metrics":
        return service.secrets
    wanted = {one.metrics_secret for one in stack.services if one.metrics_secret}
    found = {
        secret.name: secret
        for one in stack.services
        for secret in one.secrets
        if secret.name in wanted
    }
    return (*service.secrets, *found.values())


def qualified(reference: str) -> str:
    """An image with its registry; without one podman asks which is meant, or refuses."""
    first, slash, _ = reference.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return reference
    return f"docker.io/{reference}" if slash else f"docker.io/library/{reference}"


def build_text(stack: Stack) -> str:
    """image/Dockerfile. Its image has podman's own format, which knows no health check."""
    unit = f"{UNITS}/{unit_name(stack, engine_of(stack))}.container"
    return dockerfile(stack, unit, health=False)


def image_reference(stack: Stack, service: Service) -> str:
    """The image that the service runs, as `podman image exists` takes it."""
    if is_built(stack, service):
        return f"localhost/{built_image(stack, build_text(stack))}"
    return qualified(image_of(service).reference)


def pulled_images(stack: Stack) -> tuple[str, ...]:
    """Every image that comes from a registry, once."""
    found = [qualified(image_of(service).reference) for service in stack.services]
    return tuple(dict.fromkeys(found))
