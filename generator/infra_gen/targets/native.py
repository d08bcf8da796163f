"""What targets without containers share: the programs they bring, and the scripts around them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from infra_gen.model.filetree import File
from infra_gen.model.plan import GIB
from infra_gen.model.stack import ListenOn, NativeInstall, Service, Stack
from infra_gen.render.text import View, render
from infra_gen.targets.host import PublishedPort, published_ports
from infra_gen.targets.names import HEADER, api_key, engine_of, model_folder, stop_note
from infra_gen.targets.placement import Placement
from infra_gen.targets.repository import Ignored


@dataclass(frozen=True, slots=True)
class Program:
    """A program that bin/install brings: the names below `program` in _install_program.sh.j2.

    It lies at `binary` below `folder`, which is named alike in the deployment's folder, or in a
    folder of the system. `build` is the part of the version that the program itself prints.
    """

    service: str
    folder: str
    binary: str
    python: bool
    version: str
    build: str
    url: str
    archive: str
    sha256: str | None

    @property
    def stamp(self) -> str:
        """What bin/install notes of it: one version comes in several archives."""
        return self.version if self.python else f"{self.version} {self.archive}"

    @property
    def path(self) -> str:
        """The program below the folder of all programs."""
        return f"{self.folder}/{self.binary}"


@dataclass(frozen=True, slots=True)
class Model:
    """What the scripts must know of the model's files."""

    paths: tuple[str, ...]
    gib: str
    kib: int


@dataclass(frozen=True, slots=True)
class KeyView:
    """The names that templates/scripts/_rotate-key.sh.j2 uses."""

    header: str
    key: str | None
    key_file: str
    once: tuple[str, ...]
    apply: str
    stop_note: str
    at_once: bool


def native_of(service: Service) -> NativeInstall:
    """The build of a service that runs without a container; a service without one is a bug."""
    if service.native is None:
        raise LookupError(f"service {service.name!r} has no build that runs without a container")
    return service.native


def program_of(service: Service) -> Program:
    """The program of that service. The engine's folder is `engine`, others have their program's name."""
    native = native_of(service)
    binary = PurePosixPath(native.binary)
    if native.method == "archive" and binary.is_relative_to(native.folder):
        binary = binary.relative_to(native.folder)
    return Program(
        service=service.name,
        folder="engine" if service.role == "engine" else binary.name,
        binary=str(binary),
        python=native.method == "python",
        version=native.version,
        build=native.version.lstrip("bv"),
        url=native.url,
        archive=native.archive,
        sha256=native.sha256,
    )


def programs(stack: Stack) -> tuple[Program, ...]:
    """Every program that is brought, each once."""
    found: dict[str, Program] = {}
    for service in stack.services:
        if service.native:
            program = program_of(service)
            found.setdefault(program.folder, program)
    return tuple(found.values())


def program_path(stack: Stack, service: Service) -> str | None:
    """The program of a service below the folder of all programs.

    A service without a build of its own can run that of the engine: None where it runs neither.
    """
    if service.native:
        return program_of(service).path
    engine = engine_of(stack)
    if engine.native and service.program and service.program[0] == engine.program[0]:
        return program_of(engine).path
    return None


def own_command(service: Service, placement: Placement, program: str) -> str:
    """How a script runs the program beside the service: it must know where the service listens."""
    told = [
        f"{one.name}={placement.text(one.value)}"
        for one in service.env
        if isinstance(one.value, ListenOn)
    ]
    return " ".join(["env", *told, program] if told else [program])


def program_folders(stack: Stack) -> tuple[Ignored, ...]:
    """What git must not see of the programs where they lie in the deployment's folder."""
    return tuple(
        Ignored(f"/{program.folder}{suffix}/", f"The program of {program.service}{why}.")
        for program in programs(stack)
        for suffix, why in (("", ""), (".new", " while it is unpacked"))
    )


def model_of(stack: Stack, folder: str | None = None) -> Model:
    """The model as files; `folder` is where they lie, below the deployment's folder by default."""
    download = stack.service("fetch").download if stack.has("fetch") else None
    place = folder or model_folder(stack)
    weights = stack.plan.weights
    paths: tuple[str, ...] = ()
    if download and download.tool == "curl":
        paths = tuple(f"{place}/{file}" for file in download.files)
    elif download and download.tool == "ollama":
        paths = (f"{place}/{_manifest(download.create or stack.plan.served_name)}",)
    elif weights.local_path:
        paths = tuple(f"{weights.local_path}/{file}" for file in weights.files)
    return Model(
        paths=paths,
        gib=f"{weights.bytes / GIB:.1f} GiB",
        kib=weights.bytes // 1024,
    )


def listening(stack: Stack, services: Iterable[Service]) -> tuple[PublishedPort, ...]:
    """Every port that these take on the host: also that of an engine behind a proxy."""
    names = {service.name for service in services}
    found = {port.host: port for port in published_ports(stack) if port.service in names}
    engine = engine_of(stack)
    for port in engine.ports:
        found.setdefault(port.container, PublishedPort(port.container, engine.name, "serve.port"))
    return tuple(found.values())


def _manifest(name: str) -> str:
    """Where Ollama notes what belongs to a model, below its folder of models."""
    path, _, tag = name.partition(":")
    full = path if "/" in path else f"library/{path}"
    return f"manifests/registry.ollama.ai/{full}/{tag or 'latest'}"


def script(template: str, view: View) -> File:
    """An executable file from templates/scripts."""
    return File(render(f"scripts/{template}.sh.j2", view), executable=True)


def key_view(
    stack: Stack, *, key_file: str, apply: str, made: tuple[str, ...], at_once: bool = False
) -> KeyView:
    """What bin/rotate-key needs.

    `made` are the files of secrets that are made once and kept. `at_once`: what asks for the key
    reads the file itself, so that a new one counts before anything is restarted.
    """
    key = api_key(stack)
    return KeyView(
        header=HEADER,
        key=key.name if key else None,
        key_file=key_file,
        once=made,
        apply=apply,
        stop_note=stop_note(stack),
        at_once=at_once,
    )
