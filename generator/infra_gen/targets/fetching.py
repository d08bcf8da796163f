"""bin/fetch-model: brings the pinned files of the model, once, with the tool that is at hand."""

from __future__ import annotations

from dataclasses import dataclass

from infra_gen.model.filetree import File
from infra_gen.model.plan import GIB
from infra_gen.model.stack import Service
from infra_gen.render.text import render
from infra_gen.targets.names import HEADER

# Second copies of the weights that publishers keep beside the ones an engine reads.
OTHER_COPIES = (
    "original/*", "metal/*", "consolidated*", "onnx/*", "openvino/*", "*.pth", "*.bin", "*.gguf",
)  # fmt: skip

# Of the server that a fetch starts for itself; next to Ollama's own and never published.
_OWN_PORT = 11499


@dataclass(frozen=True, slots=True)
class FetchView:
    """The names that templates/scripts/fetch-*.sh.j2 use."""

    header: str
    service: str
    repo: str
    revision: str
    files: tuple[str, ...]
    allowed: tuple[str, ...]
    weights: str
    whole_repo: bool
    excluded: tuple[str, ...]
    cache_folder: str
    single: bool
    bytes: int
    gib: str
    sha256: str | None
    mark: str
    folder: str
    folder_is_relative: bool
    compose: bool
    unit: str
    again: str
    kib: int
    pull: str | None
    create: str
    program: str
    config: str
    port: int


def _weights(files: tuple[str, ...]) -> str:
    """What must be there after a download: the named file of weights, or any safetensors file."""
    return next((file for file in files if file.endswith(".bin")), "*.safetensors")


def fetch_script(
    service: Service,
    folder: str,
    *,
    compose: bool,
    again: str | None = None,
    unit: str = "",
    program: str | None = None,
    config: str = "",
) -> File:
    """The script for that service; `folder` is where the model's files belong.

    `compose`: it runs inside a container; `unit`: a systemd unit of that name runs it, with the
    engine's `program` and the folder `config` of what is written for it. `again` is how an operator
    downloads everything anew.
    """
    download = service.download
    if download is None:
        raise LookupError(f"service {service.name!r} has nothing to download")
    name = f"{download.repo}-{download.revision}".replace("/", "--")
    view = FetchView(
        header=HEADER,
        service=service.name,
        repo=download.repo,
        revision=download.revision,
        files=download.files,
        allowed=download.files,
        weights=_weights(download.files),
        whole_repo=not download.files,
        excluded=() if download.files else OTHER_COPIES,
        cache_folder="models--" + download.repo.replace("/", "--"),
        single=len(download.files) == 1,
        bytes=download.bytes,
        gib=f"{download.bytes / GIB:.1f}",
        sha256=download.sha256 if len(download.files) == 1 else None,
        mark=f".infra-gen-complete-{name}",
        folder=folder,
        folder_is_relative=not folder.startswith("/"),
        compose=compose,
        unit=unit,
        again=again or f"docker compose run --rm {service.name} --force",
        kib=download.bytes // 1024,
        pull=download.pull,
        create=download.create or "",
        program=program or service.program[0].rpartition("/")[2],
        config=config,
        port=_OWN_PORT,
    )
    return File(render(f"scripts/fetch-{download.tool}.sh.j2", view), executable=True)
