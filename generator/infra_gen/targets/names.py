"""Names and places that several files of one deployment must agree on."""

from __future__ import annotations

from infra_gen.model.stack import Image, Secret, Service, Stack
from infra_gen.targets.placement import Placement

HEADER = "Written by infra-gen from infra-gen.yaml; change that file and run `infra-gen update`."

# Inside the containers.
FETCH_SCRIPT = "/opt/infra-gen/fetch-model"
METRICS_TOKEN = "/tmp/metrics-token"  # noqa: S105, S108 - a path, on a tmpfs of that container alone
# launchd knows neither variables nor relative paths: bin/install puts the folder here.
DEPLOY_DIR = "__DEPLOY_DIR__"
KEY_FILE = "secrets/api-key"


def secret_file(secret: Secret) -> str:
    """Where a secret that a script makes up lies on a host without containers, alone in its file."""
    return f"secrets/{secret.name.lower().replace('_', '-')}"


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
    """The secret that clients must present: the first required one of what they talk to."""
    return next((secret for secret in stack.front.secrets if secret.required), None)


def secrets_made(stack: Stack) -> tuple[Secret, ...]:
    """The secrets that bin/rotate-key makes up: those that belong to nobody outside."""
    return tuple(one for one in secrets_of(stack) if one.made)


def client_port(stack: Stack) -> int:
    """The port of the host that clients use."""
    port = stack.front.ports[0].host
    if port is None:
        raise LookupError(f"service {stack.front.name!r} is published nowhere")
    return port


def certificates(service: Service) -> tuple[str, ...]:
    """Files of the host with a certificate of the user's own, which the proxy reads."""
    gate = service.gate
    if gate is None or gate.tls != "files":
        return ()
    return tuple(path for path in (gate.certificate, gate.certificate_key) if path)


def base_url(stack: Stack) -> str:
    """Where programs on this host find the API, without the path."""
    gate = stack.front.gate
    scheme = "http" if gate is None or gate.tls == "off" else "https"
    name = "127.0.0.1"
    if gate and gate.host and scheme == "https":
        name = gate.host
    return f"{scheme}://{name}:{client_port(stack)}"


def host_placement(stack: Stack, service: Service) -> Placement:
    """Where things are on a host without containers, below the token for the deployment's folder."""
    folders = {mount.volume: f"{DEPLOY_DIR}/{mount.volume}" for mount in service.mounts}
    models = model_folder(stack)
    folders["models"] = models if models.startswith("/") else f"{DEPLOY_DIR}/{models}"
    return Placement(
        listen="127.0.0.1",
        volumes=folders,
        secret_files={one.name: f"{DEPLOY_DIR}/{secret_file(one)}" for one in service.secrets},
        configs={one.source: f"{DEPLOY_DIR}/{one.source}" for one in service.configs},
        peer="127.0.0.1",
    )


def downloads_model(stack: Stack) -> bool:
    """Whether a model comes from a network: not where its files are on the host already."""
    return stack.has("fetch") and stack.plan.weights.local_path is None


def download_token(stack: Stack) -> Secret | None:
    """The secret that the download may or must present."""
    if not stack.has("fetch"):
        return None
    return next(iter(stack.service("fetch").secrets), None)


def secrets_of(stack: Stack) -> tuple[Secret, ...]:
    """Every secret of the deployment once, required ones first."""
    found = {secret.name: secret for service in stack.services for secret in service.secrets}
    return tuple(sorted(found.values(), key=lambda secret: (not secret.required, secret.name)))
