"""Dockerfiles: what the last stage is based on, runs as, and sets."""

from __future__ import annotations

import json
import posixpath
import re
import shlex
from collections.abc import Iterator

from infra_gen.rules.reading.values import duration_s
from infra_gen.rules.service import Dockerfile, Health

_VARIABLE = re.compile(r"\$(?:\{(\w+)(?::-([^}]*))?\}|(\w+))")


def is_dockerfile(path: str) -> bool:
    """Whether that path is a Dockerfile."""
    name = posixpath.basename(path)
    return name == "Dockerfile" or name.startswith("Dockerfile.") or name.endswith(".dockerfile")


def read_dockerfile(text: str, path: str) -> Dockerfile:
    """The Dockerfile in `text`; a FROM starts a new stage, whose user and health count anew."""
    arguments: dict[str, str] = {}
    bases: list[tuple[str, int]] = []
    stages: set[str] = set()
    user: str | None = None
    health: Health | None = None
    env: dict[str, str] = {}
    entrypoint: tuple[str, ...] = ()
    for line, instruction, rest in _instructions(text):
        if instruction == "ARG":
            name, _, value = rest.partition("=")
            arguments[name.strip()] = value.strip().strip("\"'")
        elif instruction == "FROM":
            reference, stage = _from(rest, arguments)
            if reference not in stages and reference != "scratch":
                bases.append((reference, line))
            stages.add(stage)
            user, health, env, entrypoint = None, None, {}, ()
        elif instruction == "USER":
            user = rest.strip()
        elif instruction == "ENV":
            env.update(_env(rest))
        elif instruction == "HEALTHCHECK":
            health = _health(rest)
        elif instruction == "ENTRYPOINT":
            entrypoint = _words(rest)
    return Dockerfile(path, tuple(bases), user, env, health, entrypoint)


def _instructions(text: str) -> Iterator[tuple[int, str, str]]:
    """(line, instruction, rest), continuation lines joined, comments dropped."""
    start = 0
    parts: list[str] = []
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if line.startswith("#") or (not line and not parts):
            continue
        start = start or number
        parts.append(line.removesuffix("\\").strip())
        if not line.endswith("\\"):
            instruction, _, rest = " ".join(parts).partition(" ")
            yield start, instruction.upper(), rest
            start, parts = 0, []


def _from(rest: str, arguments: dict[str, str]) -> tuple[str, str]:
    words = [word for word in rest.split() if not word.startswith("--")]
    reference = _VARIABLE.sub(
        lambda match: arguments.get(match[1] or match[3]) or match[2] or match[0],
        words[0] if words else "",
    )
    stage = words[2] if len(words) > 2 and words[1].lower() == "as" else ""
    return reference, stage


def _env(rest: str) -> dict[str, str]:
    try:
        words = shlex.split(rest)
    except ValueError:
        words = rest.split()
    if words and "=" not in words[0]:  # the old form: ENV NAME the whole rest
        return {words[0]: " ".join(words[1:])}
    return {name: value for name, _, value in (word.partition("=") for word in words)}


def _words(rest: str) -> tuple[str, ...]:
    try:
        found = json.loads(rest)
    except ValueError:
        return tuple(rest.split())
    return tuple(str(word) for word in found) if isinstance(found, list) else ()


def _health(rest: str) -> Health:
    options, _, command = rest.partition("CMD")
    if not command:
        return Health(test=(), disabled=rest.strip().upper() == "NONE")
    start = re.search(r"--start-period=(\S+)", options)
    seconds = duration_s(start[1]) if start else None
    return Health(test=_words(command.strip()), start_s=seconds or 0.0)
