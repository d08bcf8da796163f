"""Names and places that several files of one deployment must agree on."""

from __future__ import annotations

from infra_gen.model.stack import Image, Secret, Service, Stack

HEADER = "Written by infra-gen from infra-gen.yaml; change that file and run `infra-gen update`."

# Inside the containers.
FETCH_SCRIPT = "/opt/infra-gen/fetch-model"
METRICS_CONFIG = "/etc/prometheus"
METRICS_TOKEN = "/tmp/metrics-token"  # noqa: S105, S108 - a path, on a tmpfs of that container alone
# launchd knows neither variables nor relative paths: bin/install puts the folder here.
DEPLOY_DIR = "__DEPLOY_DIR__"
KEY_FILE = "secrets/api-key"


def engine_of(stack: Stack) -> Service:
    """The service that answers requests."""
    return stack.service("engine")


def image_of(service: Service) -> Image:
    """The image of a service that runs in a container; a service without one is a bug."""
    if service.image is None:
        raise LookupError(f"service {service.name!r} has no image, so no container can run it")
    return service.image


def stop_note(stack: Stack) -> str:
    """What happens to running answers when the engine stops."""
    drain_s = stack.plan.startup.drain_s
    return (
        f"running answers have {drain_s} s to finish" if drain_s else "running answers are cut off"
    )


def is_built(stack: Stack, service: Service) -> bool:
    """Whether the service runs in the image that image/Dockerfile makes."""
    return stack.build_image and service.image == engine_of(stack).image


def label(stack: Stack) -> str:
    """The launchd label of the engine; its companions add a suffix."""
    return f"infra-gen.{stack.name}"


def model_folder(stack: Stack) -> str:
    """Where models lie on a host without containers: a folder of the deployment or of the host."""
    return stack.storage_path or "models"


def api_key(stack: Stack) -> Secret | None:
    """The secret that clients must present: the engine's first required one."""
    return next((secret for secret in engine_of(stack).secrets if secret.required), None)


def download_token(stack: Stack) -> Secret | None:
    """The secret that the download may or must present."""
    if not stack.has("fetch"):
        return None
    return next(iter(stack.service("fetch").secrets), None)


def secrets_of(stack: Stack) -> tuple[Secret, ...]:
    """Every secret of the deployment once, required ones first."""
    found = {secret.name: secret for service in stack.services for secret in service.secrets}
    return tuple(sorted(found.values(), key=lambda secret: (not secret.required, secret.name)))
