"""Where things are on a target: turns the references that engines write into text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from infra_gen.model.stack import Arg, ListenAddress, SecretFile, Service, Value, VolumePath


@dataclass(frozen=True, slots=True)
class Placement:
    """Folders of volumes, files of secrets (none where a target has no such files), address."""

    listen: str
    volumes: Mapping[str, str]
    secret_files: Mapping[str, str]

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


def _known(places: Mapping[str, str], name: str, kind: str) -> str:
    if name not in places:
        raise LookupError(f"no {kind} {name!r} on this target, only {sorted(places)}")
    return places[name]
