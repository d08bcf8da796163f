"""What a Quadlet unit mounts and publishes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from infra_gen.rules.service import Mount, PublishedPort

_IN_MEMORY = ("/tmp", "/run", "/var/tmp")  # noqa: S108 - podman's own, of a read-only container


def ports(lines: Iterable[str]) -> tuple[PublishedPort, ...]:
    """`PublishPort=` lines."""
    return tuple(map(_port, lines))


def _port(text: str) -> PublishedPort:
    numbers, address = text.partition("/")[0], ""
    if numbers.startswith("["):
        address, _, numbers = numbers[1:].partition("]:")
    *before, container = numbers.split(":")
    host = before.pop() if before else ""
    address = address or ":".join(before)
    return PublishedPort(text, _number(container), _number(host), address or None)


def _number(text: str) -> int | None:
    return int(text) if text.isdigit() else None


def mounts(
    volumes: Iterable[str], listed: Iterable[str], tmpfs: Iterable[str], *, memory: bool
) -> tuple[Mount, ...]:
    """`Volume=`, `Mount=` and `Tmpfs=` lines; `memory`: podman adds its own places in memory."""
    found = [*map(_volume, volumes), *(one for text in listed for one in _listed(text))]
    found += [Mount(text.partition(":")[0], "", "tmpfs") for text in tmpfs]
    taken = {mount.target for mount in found}
    if memory:
        found += [Mount(path, "", "tmpfs") for path in _IN_MEMORY if path not in taken]
    return tuple(found)


def _volume(text: str) -> Mount:
    source, colon, rest = text.partition(":")
    if not colon:
        return Mount(source, "", "volume")
    target, _, options = rest.partition(":")
    folder = source.startswith((".", "/", "%"))
    name = source if folder else source.removesuffix(".volume")
    return Mount(target, name, "bind" if folder else "volume", "ro" in options.split(","))


def _listed(text: str) -> Iterator[Mount]:
    pairs = dict(part.strip('"').partition("=")[::2] for part in text.split(","))
    kind = pairs.get("type", "volume")
    target = next((pairs[key] for key in ("destination", "dst", "target") if key in pairs), None)
    if target is None:
        return
    source = pairs.get("source") or pairs.get("src") or ""
    read_only = any(pairs.get(key, "no") in ("", "true") for key in ("ro", "readonly"))
    yield Mount(
        target,
        source.removesuffix(".volume"),
        "tmpfs" if kind == "tmpfs" else "bind" if kind == "bind" else "volume",
        read_only,
    )
