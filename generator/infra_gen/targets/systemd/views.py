"""What the scripts of a systemd deployment are given."""

from __future__ import annotations

from dataclasses import dataclass

from infra_gen.model.stack import Role, Secret, Service, Stack
from infra_gen.targets.host import HostView, PublishedPort, host_view
from infra_gen.targets.names import (
    HEADER,
    base_url,
    downloads_model,
    engine_of,
    secret_file,
    secrets_made,
    secrets_of,
    stop_note,
)
from infra_gen.targets.native import Program, listening, native_of, programs
from infra_gen.targets.systemd.beside import GPU, needs_gpu_unit
from infra_gen.targets.systemd.places import (
    Folders,
    credential_name,
    env_file,
    folders,
    in_file,
    unit_name,
    user_name,
    volume_folder,
)
from infra_gen.targets.systemd.units import host_services

MIN_SYSTEMD = 247
"""The first with LoadCredential."""

_UNIT_FOLDER = "/etc/systemd/system"
_ROLES = ("proxy", "warmup", "engine", "fetch", GPU)


@dataclass(frozen=True, slots=True)
class Copied:
    """A file that bin/install puts in its place; `mode` is octal."""

    source: str
    place: str
    mode: str


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable that a program reads, and the file or the name in .env that has its value."""

    name: str
    source: str


@dataclass(frozen=True, slots=True)
class EnvFile:
    """A file of variables: `made` have files of their own here, `given` stand in .env."""

    place: str
    made: tuple[Variable, ...]
    given: tuple[Variable, ...]


@dataclass(frozen=True, slots=True)
class ScriptView:
    """The names that the templates in templates/scripts/systemd use. Units end with .service."""

    header: str
    name: str
    service: str
    folders: Folders
    models: str
    storage_path: str | None
    files: tuple[Copied, ...]
    credentials: tuple[Copied, ...]
    env_files: tuple[EnvFile, ...]
    env_required: tuple[str, ...]
    secrets_made: bool
    first_secret: str
    users: tuple[str, ...]
    programs: tuple[Program, ...]
    archives: tuple[Program, ...]
    pythons: tuple[Program, ...]
    offline: bool
    all_units: tuple[str, ...]
    enabled: tuple[str, ...]
    gone: tuple[str, ...]
    engine: str
    fetch: str
    proxy: str
    warmup: str
    downloads: bool
    local_files: tuple[str, ...]
    copies: str
    start_s: int
    stop_note: str
    base: str
    drop_in: str | None
    min_systemd: int
    host: HostView
    ports: tuple[PublishedPort, ...]
    tools: tuple[str, ...]
    vulkan: bool
    shm_mib: int | None


def host_view_of(stack: Stack, configs: tuple[str, ...]) -> ScriptView:
    """The view; `configs` are the files that services of the host or containers read."""
    engine, host = engine_of(stack), host_view(stack)
    services, brought = host_services(stack), programs(stack)
    native = native_of(engine)
    made = [secret_file(one) for one in secrets_made(stack)]
    all_units = [unit_name(stack, one.name) for one in services]
    running = [unit_name(stack, one.name) for one in services if one.role != "fetch"]
    if needs_gpu_unit(stack):
        all_units.append(unit_name(stack, GPU))
    possible = [unit_name(stack, role) for role in _ROLES]
    return ScriptView(
        header=HEADER,
        name=stack.name,
        service=engine.name,
        folders=folders(stack),
        models=volume_folder(stack, "models"),
        storage_path=stack.storage_path,
        files=_files(stack, services, configs),
        credentials=_credentials(stack, services),
        env_files=_env_files(stack, services),
        env_required=tuple(one.name for one in secrets_of(stack) if one.required and not one.made),
        secrets_made=bool(made),
        first_secret=made[0] if made else "",
        users=tuple(dict.fromkeys(user_name(stack, one) for one in _engine_first(services))),
        programs=brought,
        archives=tuple(one for one in brought if not one.python),
        pythons=tuple(one for one in brought if one.python),
        offline=stack.offline,
        all_units=tuple(f"{unit}.service" for unit in all_units),
        enabled=tuple(f"{unit}.service" for unit in running),
        gone=tuple(f"{unit}.service" for unit in possible if unit not in all_units),
        engine=_unit(stack, "engine"),
        fetch=_unit(stack, "fetch"),
        proxy=_unit(stack, "proxy"),
        warmup=_unit(stack, "warmup"),
        downloads=downloads_model(stack),
        local_files=_local_files(stack),
        copies=volume_folder(stack, "store") if _copies(engine) else "",
        start_s=engine.probe.start_s if engine.probe else stack.plan.startup.budget_s,
        stop_note=stop_note(stack),
        base=base_url(stack),
        drop_in=native.service_unit,
        min_systemd=MIN_SYSTEMD,
        host=host,
        ports=listening(stack, services),
        tools=_tools(brought),
        vulkan=native.accelerator == "vulkan",
        shm_mib=engine.resources.shm_mib,
    )


def _unit(stack: Stack, role: Role) -> str:
    """The unit of that role, empty where there is none."""
    if not stack.has(role):
        return ""
    return f"{unit_name(stack, stack.service(role).name)}.service"


def _copies(engine: Service) -> bool:
    """Whether the engine keeps a copy of a model that is on the host already."""
    return any(mount.volume == "store" for mount in engine.mounts)


def _local_files(stack: Stack) -> tuple[str, ...]:
    """The files of a model that is on the host already, its folder where they have no names."""
    if downloads_model(stack) or stack.plan.weights.local_path is None:
        return ()
    folder = volume_folder(stack, "models")
    named = [file for file in stack.plan.weights.files if "*" not in file]
    return tuple(f"{folder}/{file}" for file in named) or (folder,)


def _engine_first(services: tuple[Service, ...]) -> list[Service]:
    return sorted(services, key=lambda one: one.role != "engine")


def _files(
    stack: Stack, services: tuple[Service, ...], configs: tuple[str, ...]
) -> tuple[Copied, ...]:
    places = folders(stack)
    names = [one.name for one in services] + ([GPU] if needs_gpu_unit(stack) else [])
    copied = []
    for name in names:
        unit = f"{unit_name(stack, name)}.service"
        copied.append(Copied(f"systemd/{unit}", f"{_UNIT_FOLDER}/{unit}", "644"))
    read = {mount.source for one in services for mount in one.configs}
    copied += [Copied(path, f"{places.config}/{path}", "644") for path in configs if path in read]
    if any(one.download for one in services):
        copied.append(Copied("bin/fetch-model", f"{places.programs}/bin/fetch-model", "755"))
    return tuple(copied)


def _credentials(stack: Stack, services: tuple[Service, ...]) -> tuple[Copied, ...]:
    found: dict[str, Secret] = {
        credential_name(secret): secret
        for service in services
        for secret in service.secrets
        if in_file(service, secret)
    }
    config = folders(stack).config
    return tuple(
        Copied(secret_file(secret), f"{config}/{name}", "600") for name, secret in found.items()
    )


def _env_files(stack: Stack, services: tuple[Service, ...]) -> tuple[EnvFile, ...]:
    files = []
    for service in services:
        read = [secret for secret in service.secrets if not in_file(service, secret)]
        if read:
            made = tuple(Variable(one.env, secret_file(one)) for one in read if one.made)
            given = tuple(Variable(one.env, one.name) for one in read if not one.made)
            files.append(EnvFile(env_file(stack, service), made, given))
    return tuple(files)


_UNPACKERS = ((".zip", "unzip"), (".zst", "zstd"))


def _tools(brought: tuple[Program, ...]) -> tuple[str, ...]:
    """What unpacks the archives, where the system may lack it."""
    wanted = {
        tool
        for program in brought
        for ending, tool in _UNPACKERS
        if program.archive.lower().endswith(ending)
    }
    return tuple(sorted(wanted))
