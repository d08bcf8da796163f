"""Where things are on a target: turns the references that engines write into text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from infra_gen.model.stack import (
    Arg,
    ConfigPath,
    ListenAddress,
    ListenOn,
    PeerAddress,
    SecretFile,
    Service,
    Stack,
    Value,
    VolumePath,
)


@dataclass(frozen=True, slots=True)
class Placement:
    """Folders of volumes, files of secrets (none where a target has no such files), address.

    `configs` maps files and folders of the deployment to where the program finds them. `peer` is
    the address of every other service, None where services are found by name.
    """

    listen: str
    volumes: Mapping[str, str]
    secret_files: Mapping[str, str]
    configs: Mapping[str, str]
    peer: str | None = None

    def line(self, pieces: tuple[Value, ...]) -> str:
        """The values one after another, as a line of a file."""
        return "".join(self.text(piece) for piece in pieces)

    def text(self, value: Value) -> str:
        """The value as the program will read it."""
        match value:
            case str():
                return value
            case VolumePath(volume, path):
                return str(PurePosixPath(_known(self.volumes, volume, "volume")) / path)
            case SecretFile(secret):
                return _known(self.secret_files, secret, "secret file")
            case ListenAddress():
                return self.listen
            case ListenOn(port):
                return f"{self.listen}:{port}"
            case PeerAddress(service, port):
                return f"{self.peer or service}:{port}"
            case ConfigPath(source):
                return self._config(source)

    def _config(self, source: str) -> str:
        """A file that is placed itself, or lies in a folder that is."""
        for placed, path in self.configs.items():
            if source == placed:
                return path
            if source.startswith(f"{placed}/"):
                return str(PurePosixPath(path) / source.removeprefix(f"{placed}/"))
        raise LookupError(f"{source!r} is placed nowhere, only {sorted(self.configs)}")


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a command line; a word that begins a flag carries the reason for it."""

    text: str
    because: str = ""


def words(service: Service, placement: Placement) -> tuple[Word, ...]:
    """What follows the program, word by word, in the dialect that the program reads."""
    return tuple(word for arg in service.argv for word in _words(arg, service, placement))


def _words(arg: Arg, service: Service, placement: Placement) -> Iterator[Word]:
    because = f"Yours, from engine_args: {arg.because}" if arg.mine else arg.because
    if arg.value is None:
        yield Word(arg.flag, because)
        return
    text = placement.text(arg.value)
    if not arg.flag:
        yield Word(text, because)
    elif service.equals_dialect:
        yield Word(f"{arg.flag}={text}", because)
    else:
        yield Word(arg.flag, because)
        yield Word(text)


LOOPBACK = "127.0.0.1"


def in_container(_: Stack, service: Service) -> Placement:
    """Where things are inside this service's container, whatever else is in the stack."""
    return container_placement(service)


def container_placement(service: Service) -> Placement:
    """Where things are inside this service's container."""
    return Placement(
        listen="0.0.0.0",  # noqa: S104 - in a container
        volumes={mount.volume: mount.path for mount in service.mounts},
        secret_files={},
        configs={config.source: config.path for config in service.configs},
    )


def _known(places: Mapping[str, str], name: str, kind: str) -> str:
    if name not in places:
        raise LookupError(f"no {kind} {name!r} on this target, only {sorted(places)}")
    return places[name]
