"""Compose files: every service in either spelling of a key as one record."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from typing import Any

from infra_gen.rules.reading.values import duration_s, items, nested, resolve, size_mib, variables
from infra_gen.rules.reading.values import words as words_of
from infra_gen.rules.service import Health, Mount, PublishedPort, Reservation, Service


def is_compose_file(path: str) -> bool:
    """Whether Docker Compose would take a file of that name as its own."""
    name = posixpath.basename(path)
    return bool(re.fullmatch(r"(docker-)?compose(\.[\w.-]+)?\.ya?ml", name))


def compose_services(document: object, path: str) -> tuple[Service, ...]:
    """The services of a parsed compose file, none when it has none."""
    found = nested(document, "services")
    if not isinstance(found, Mapping):
        return ()
    return tuple(
        _service(str(name), body, path) for name, body in found.items() if isinstance(body, Mapping)
    )


def _service(name: str, body: Mapping[str, Any], path: str) -> Service:
    program = words_of(body.get("entrypoint"))
    flags_at = next((i for i, word in enumerate(program) if word.startswith("-")), len(program))
    shell = bool(program) and posixpath.basename(program[0]) in ("sh", "bash")
    own = () if shell else program[flags_at:]
    return Service(
        name=name,
        file=path,
        key_path=f"services.{name}",
        words=(*own, *words_of(body.get("command"))),
        env=variables(body.get("environment")),
        native=False,
        program=program,
        image=resolve(str(body["image"])) if body.get("image") else None,
        build=_dockerfile_path(body.get("build"), path),
        pull_policy=body.get("pull_policy"),
        ports=tuple(_port(item) for item in items(body.get("ports"))),
        mounts=(*map(_mount, items(body.get("volumes"))), *map(_tmpfs, items(body.get("tmpfs")))),
        user=str(body["user"]) if body.get("user") is not None else None,
        read_only=bool(body.get("read_only")),
        shm_mib=size_mib(body["shm_size"]) if body.get("shm_size") is not None else None,
        memory_mib=_memory(body),
        ipc=body.get("ipc"),
        network_mode=body.get("network_mode"),
        stop_s=duration_s(body["stop_grace_period"]) if body.get("stop_grace_period") else None,
        restart=_restart(body),
        reservations=_reservations(body),
        devices=tuple(_source(item) for item in items(body.get("devices"))),
        group_add=tuple(str(item) for item in items(body.get("group_add"))),
        security_opt=tuple(str(item) for item in items(body.get("security_opt"))),
        health=_health(body.get("healthcheck")),
        labels=variables(body.get("labels")),
        privileged=body.get("privileged") is True,
        cap_add=tuple(str(item) for item in items(body.get("cap_add"))),
        cap_drop=tuple(str(item) for item in items(body.get("cap_drop"))),
        pid=body.get("pid"),
        runtime=str(body["runtime"]) if body.get("runtime") else None,
        logs_limited=_logs_limited(body.get("logging")),
        waits_for=_waits_for(body.get("depends_on")),
        env_files=tuple(map(_env_file, items(body.get("env_file")))),
    )


# Docker's default. It and none of the others keeps everything in a file of the host for ever.
_UNLIMITED_DRIVER = "json-file"


def _logs_limited(logging: object) -> bool:
    driver = nested(logging, "driver") or _UNLIMITED_DRIVER
    return driver != _UNLIMITED_DRIVER or nested(logging, "options", "max-size") is not None


def _waits_for(depends_on: object) -> dict[str, str]:
    if isinstance(depends_on, Mapping):
        return {
            str(name): str(nested(how, "condition") or "service_started")
            for name, how in depends_on.items()
        }
    return {str(name): "service_started" for name in items(depends_on)}


def _env_file(item: object) -> str:
    return str(item.get("path")) if isinstance(item, Mapping) else str(item)


def _dockerfile_path(build: object, path: str) -> str | None:
    """The Dockerfile's path as the tree names it, None when nothing is built."""
    if not build:
        return None
    context = build.get("context", ".") if isinstance(build, Mapping) else build
    file = build.get("dockerfile", "Dockerfile") if isinstance(build, Mapping) else "Dockerfile"
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), str(context), str(file)))


def _number(text: object) -> int | None:
    return int(str(text)) if str(text).isdigit() else None


def _port(item: object) -> PublishedPort:
    if isinstance(item, Mapping):
        address = item.get("host_ip")
        return PublishedPort(
            text=str(item.get("published") or item.get("target")),
            container=_number(item.get("target")),
            host=_number(resolve(str(item.get("published")))),
            address=str(address) if address else None,
        )
    text = resolve(str(item))
    numbers, address = text.partition("/")[0], ""
    if numbers.startswith("["):
        address, _, numbers = numbers[1:].partition("]:")
    *before, container = numbers.split(":")
    host = before.pop() if before else ""
    address = address or ":".join(before)
    return PublishedPort(text, _number(container), _number(host), address or None)


def _mount(item: object) -> Mount:
    if isinstance(item, Mapping):
        kind = str(item.get("type", "volume"))
        return Mount(
            target=str(item.get("target")),
            source=str(item.get("source") or ""),
            kind="tmpfs" if kind == "tmpfs" else "bind" if kind == "bind" else "volume",
            read_only=bool(item.get("read_only")),
        )
    source, _, rest = resolve(str(item)).partition(":")
    if not rest:  # only a target: an anonymous volume
        return Mount(source, "", "volume")
    target, _, options = rest.partition(":")
    folder = source.startswith((".", "/", "~", "$"))
    return Mount(target, source, "bind" if folder else "volume", "ro" in options.split(","))


def _tmpfs(item: object) -> Mount:
    return Mount(str(item).partition(":")[0], "", "tmpfs")


def _source(item: object) -> str:
    if isinstance(item, Mapping):
        return str(item.get("source"))
    return str(item).partition(":")[0]


def _memory(body: Mapping[str, Any]) -> float | None:
    limit = body.get("mem_limit") or nested(body, "deploy", "resources", "limits", "memory")
    return size_mib(limit) if limit is not None else None


def _restart(body: Mapping[str, Any]) -> str | None:
    if "restart" in body:
        return "no" if body["restart"] is False else str(body["restart"])
    condition = nested(body, "deploy", "restart_policy", "condition")
    return None if condition is None else {"none": "no", "any": "always"}.get(condition, condition)


def _reservations(body: Mapping[str, Any]) -> tuple[Reservation, ...]:
    entries = items(nested(body, "deploy", "resources", "reservations", "devices"))
    found = [_reservation(entry, None) for entry in entries if isinstance(entry, Mapping)]
    short = body.get("gpus")
    if short == "all":
        found.append(Reservation("nvidia", -1, None, ("gpu",)))
    # Compose itself adds the capability to the short form.
    found += [_reservation(one, "gpu") for one in items(short) if isinstance(one, Mapping)]
    return tuple(found)


def _reservation(entry: Mapping[str, Any], implied: str | None) -> Reservation:
    count, ids = entry.get("count"), entry.get("device_ids")
    capabilities = [str(one) for one in items(entry.get("capabilities"))]
    return Reservation(
        driver=str(entry["driver"]) if entry.get("driver") else None,
        count=-1 if count == "all" else _number(resolve(str(count))) if count is not None else None,
        device_ids=tuple(str(one) for one in items(ids)) if ids is not None else None,
        capabilities=tuple(capabilities or ([implied] if implied else [])),
    )


def _health(body: object) -> Health | None:
    if not isinstance(body, Mapping):
        return None
    test = words_of(body.get("test"))
    start = body.get("start_period")
    return Health(
        test=test,
        start_s=(duration_s(start) or 0.0) if start is not None else 0.0,
        disabled=bool(body.get("disable")) or test[:1] == ("NONE",),
    )
