"""The tables of the README: what runs, and what is not pinned."""

from __future__ import annotations

from collections.abc import Iterator

from infra_gen.model.plan import Plan
from infra_gen.model.stack import Service, Stack
from infra_gen.targets.capacity import Row
from infra_gen.targets.names import engine_of


def facts(stack: Stack) -> tuple[Row, ...]:
    """What runs, and in which version."""
    plan, engine = stack.plan, engine_of(stack)
    machine, weights = plan.machine, plan.weights
    count = "" if machine.devices == 1 else f"{machine.devices} x "
    rows = [
        Row("Engine", f"{plan.engine} {plan.engine_version}"),
        Row("Model", f"{plan.model_name} (`{plan.hf_id}`)"),
        Row("Licence", plan.licence + ("; a form must be accepted first" if plan.gated else "")),
        Row("Quantization", weights.quantization),
        Row("Files", _files(plan)),
        Row("Hardware", f"{count}{machine.name}{_split(plan)}"),
    ]
    if engine.native and plan.target == "launchd":
        rows.append(Row("Program", f"<{engine.native.url}>"))
    for service in stack.services:
        if service.image and (service.role == "metrics" or _in_container(stack, service)):
            pinned = "digest pinned" if service.image.digest else "pinned by tag only"
            rows.append(Row(f"Image of {service.name}", f"`{service.image.reference}`, {pinned}"))
    return tuple(rows)


def _files(plan: Plan) -> str:
    weights = plan.weights
    if weights.local_path:
        return f"`{weights.local_path}` on this host"
    names = ", ".join(f"`{file}`" for file in weights.files)
    return f"`{weights.repo}` at `{weights.revision or 'main'}`" + (f": {names}" if names else "")


def _split(plan: Plan) -> str:
    parallel = plan.parallelism
    ways = (
        ("tensor parallel", parallel.tensor),
        ("pipeline parallel", parallel.pipeline),
        ("data parallel", parallel.data),
        ("layers split", parallel.layer_split),
    )
    used = [f"{name} over {count}" for name, count in ways if count > 1]
    return f" ({', '.join(used)})" if used else ""


def unpinned(stack: Stack) -> tuple[str, ...]:
    """What could change without notice, and what nobody has tried."""
    lines = [*_images(stack), *_downloads(stack)]
    if stack.plan.performance.basis != "calibrated":
        lines.append("The speeds above were never measured on this hardware.")
    return tuple(lines) or ("Everything is pinned and has been run.",)


def _in_container(stack: Stack, service: Service) -> bool:
    """Whether the image is worth a line: the download runs in the engine's."""
    return stack.plan.target == "compose" and service.role != "fetch"


def _images(stack: Stack) -> Iterator[str]:
    native = engine_of(stack).native
    on_host = stack.plan.target == "launchd"
    if native and on_host and native.sha256 is None:
        yield f"`{native.archive}`: no hash is known. `bin/install` keeps the first one it sees."
    for service in stack.services:
        image = service.image
        if image is None or not (service.role == "metrics" or _in_container(stack, service)):
            continue
        if image.digest is None:
            yield f"`{image.reference}`: its digest is not known; the tag can be moved."
        if image.verified == "never":
            yield f"`{image.reference}`: infra-gen's authors have not run this image."


def _downloads(stack: Stack) -> Iterator[str]:
    download = stack.service("fetch").download if stack.has("fetch") else None
    if download is None:
        return
    if len(download.revision) != 40:
        yield f"`{download.repo}` at `{download.revision}`: a moving name, not a commit."
    if download.tool == "curl" and download.sha256 is None:
        yield f"`{download.repo}`: no hash is known; only the size of its files is checked."
