"""The tables of the README: what runs, and what is not pinned."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from infra_gen.model.plan import Plan
from infra_gen.model.stack import NativeInstall, Service, Stack
from infra_gen.targets.capacity import Row

_ASKED = " `infra-gen pin` asks {} for it."


def facts(stack: Stack) -> tuple[Row, ...]:
    """What runs, and in which version."""
    plan = stack.plan
    machine, weights = plan.machine, plan.weights
    count = "" if machine.devices == 1 else f"{machine.devices} x "
    count = f"{machine.nodes} nodes, each " + count if machine.nodes > 1 else count
    rows = [
        Row("Engine", f"{plan.engine} {plan.engine_version}"),
        Row("Model", f"{plan.model_name} (`{plan.hf_id}`)"),
        Row("Licence", plan.licence + ("; a form must be accepted first" if plan.gated else "")),
        Row("Quantization", weights.quantization),
        Row("Files", _files(plan)),
        Row("Hardware", f"{count}{machine.name}{_split(plan)}"),
    ]
    for service in stack.services:
        if service.native:
            rows.append(Row(f"Program of {service.name}", _program(service.native)))
        elif service.image and _in_container(stack, service):
            pinned = "digest pinned" if service.image.digest else "pinned by tag only"
            rows.append(Row(f"Image of {service.name}", f"`{service.image.reference}`, {pinned}"))
    return tuple(rows)


def _program(native: NativeInstall) -> str:
    return f"`{native.archive}`" if native.method == "python" else f"<{native.url}>"


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
    """Whether the image is worth a line: a download or warm-up runs in the engine's."""
    measures = service.role in ("metrics", "dashboard", "exporter")
    own = service.role in ("engine", "proxy")
    return measures or (own and stack.plan.runtime == "container")


def _images(stack: Stack) -> Iterator[str]:
    for service in stack.services:
        native, image = service.native, service.image
        if native and native.sha256 is None:
            yield _unknown_hash(native)
        if native or image is None or not _in_container(stack, service):
            continue
        if image.digest is None:
            asked = "" if stack.offline and not image.upstream else _ASKED.format("its registry")
            yield f"`{image.name}`: its digest is not known; the tag can be moved.{asked}"
        if image.verified == "never":
            yield f"`{image.name}`: infra-gen's authors have not run this image."


def _unknown_hash(native: NativeInstall) -> str:
    if native.method == "python":
        return f"`{native.archive}`: what it depends on is resolved when it is installed."
    return f"`{native.archive}`: no hash is known. `bin/install` keeps the first one it sees."


def _downloads(stack: Stack) -> Iterator[str]:
    download = stack.service("fetch").download if stack.has("fetch") else None
    if download is None:
        return
    if len(download.revision) != 40:
        asked = "" if download.tool == "ollama" else _ASKED.format("the Hub")
        yield f"`{download.repo}` at `{download.revision}`: a moving name, not a commit.{asked}"
    if download.tool == "curl" and download.sha256 is None:
        yield f"`{download.repo}`: no hash is known; only the size of its files is checked."


@dataclass(frozen=True, slots=True)
class HostFacts:
    """The names below `on_host` in the README's parts for hosts without containers.

    Empty strings: there is none. `to_bring` is what a host without a network must be given before
    programs can be installed there.
    """

    fetched: bool
    warmed: bool
    own_storage: str
    own_unit: str
    offline: bool
    to_bring: tuple[str, ...]


def host_facts(stack: Stack) -> HostFacts:
    """What runs on the host itself, and what it needs."""
    own = [service.native for service in stack.services if service.native is not None]
    units = [native.service_unit for native in own if native.service_unit]
    return HostFacts(
        fetched=stack.has("fetch"),
        warmed=stack.has("warmup"),
        own_storage=stack.storage_path or "",
        own_unit=next(iter(units), ""),
        offline=stack.offline,
        to_bring=tuple(_carried(native) for native in own),
    )


def _carried(native: NativeInstall) -> str:
    if native.method == "python":
        return f"what `pip download --dest downloads '{native.archive}'` brings on a like machine"
    return f"`{native.archive}` from <{native.url}>"
