"""Podman's own Quadlet generator on written deployments, and its services as this machine's systemd
would read them."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from infra_gen.model.filetree import FileTree

_LOADING = re.compile(r"quadlet-generator\[\d+\]: Loading source (?:unit|drop-in) file ")
_BOUNDARY = re.compile(r"^---(.+?)---$", re.MULTILINE)
_SWITCHES = {"--rm", "--replace", "--init", "-d", "--read-only"}


@dataclass(frozen=True)
class Generator:
    """One release of the generator; `root` is where its package was unpacked."""

    root: Path

    @property
    def podman(self) -> Path:
        """The podman that the services are to run."""
        return self.root / "usr/bin/podman"

    def run(self, units: Path, *, user: bool = True) -> subprocess.CompletedProcess[str]:
        """`quadlet --dryrun` on the units in that folder."""
        command = [str(self.root / "usr/libexec/podman/quadlet"), "--dryrun"]
        env = {**os.environ, "QUADLET_UNIT_DIRS": str(units), "PODMAN": str(self.podman)}
        return subprocess.run(
            [*command, *(["--user"] if user else [])],
            env=env, text=True, capture_output=True, timeout=60, check=False,
        )  # fmt: skip

    def services(self, units: Path, *, user: bool = True) -> dict[str, str]:
        """The services by file name; AssertionError for every word of complaint."""
        done = self.run(units, user=user)
        complaints = [line for line in done.stderr.splitlines() if not _LOADING.match(line)]
        assert not complaints, "\n".join(complaints)
        assert done.returncode == 0
        parts = _BOUNDARY.split(done.stdout)
        return dict(zip(parts[1::2], parts[2::2], strict=True))


@dataclass(frozen=True)
class PodmanRun:
    """The `podman run` of a service: options, each with all its values, the image, its arguments."""

    options: Mapping[str, tuple[str, ...]]
    image: str
    words: tuple[str, ...]

    def one(self, name: str) -> str | None:
        """The value of an option that is given once."""
        values = self.options.get(name, ())
        assert len(values) <= 1, values
        return values[0] if values else None

    @property
    def env(self) -> dict[str, str]:
        """Plain variables."""
        return dict(pair.split("=", 1) for pair in self.options.get("--env", ()))


def values(service: str, key: str) -> list[str]:
    """Every value of a key of a generated service."""
    return re.findall(rf"^{key}=(.*)$", service, re.MULTILINE)


def podman_run(service: str) -> PodmanRun:
    """The words of its ExecStart= line as systemd hands them to podman."""
    (line,) = values(service, "ExecStart")
    raw = shlex.split(line.replace(r"\x20", " ").replace(r"\t", "\t"))
    words = [word.replace("$$", "$").replace("%%", "%") for word in raw]
    assert words[1] == "run", words
    options: dict[str, tuple[str, ...]] = {}
    place = 2
    while words[place].startswith("-"):
        name, equals, value = words[place].partition("=")
        if not equals and name not in _SWITCHES:
            place += 1
            value = words[place]
        options[name] = (*options.get(name, ()), value)
        place += 1
    return PodmanRun(options, words[place], tuple(words[place + 1 :]))


def write(tree: FileTree, root: Path) -> Path:
    """Write a tree; gives its root."""
    for path, file in tree.items():
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(file.text, "utf-8")
        place.chmod(0o755 if file.executable else 0o644)
    return root
