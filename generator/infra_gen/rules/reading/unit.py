"""systemd units: a service unit as the same record as a compose service."""

from __future__ import annotations

import posixpath
import re
import shlex

from infra_gen.rules.reading.ini import ini_values
from infra_gen.rules.reading.values import duration_s, size_mib
from infra_gen.rules.reading.yaml_text import UnreadableError
from infra_gen.rules.service import Health, Service

# Programs whose first word says what to do: part of the program, as in a container's entry point.
_SUBCOMMANDS = {("vllm", "serve"), ("caddy", "run")}
_PREFIXES = "@-:+!|"
_SPAN = re.compile(r"([\d.]+)\s*([a-z]*)")
_SPANS = {"": "s", "s": "s", "sec": "s", "second": "s", "seconds": "s", "ms": "ms", "msec": "ms",
          "m": "m", "min": "m", "minute": "m", "minutes": "m", "h": "h", "hr": "h", "hour": "h",
          "hours": "h"}  # fmt: skip

Settings = dict[str, list[str]]


def is_unit(path: str) -> bool:
    """Whether that path is a service unit."""
    return path.endswith(".service")


def unit_service(text: str, path: str) -> Service:
    """The unit in `text`; its name is what follows the last hyphen. Raises UnreadableError."""
    settings = _settings(text)
    command = _command(_last(settings, "ExecStart") or "")
    start = _last(settings, "TimeoutStartSec")
    asked = _command(_last(settings, "ExecStartPost") or "")
    restart = _last(settings, "Restart")
    memory = _last(settings, "MemoryMax")
    named = (posixpath.basename(command[0]), command[1]) if command[1:] else ()
    words_at = 2 if named in _SUBCOMMANDS else 1
    stem = posixpath.basename(path).removesuffix(".service")
    return Service(
        name=stem.rpartition("-")[2],
        file=path,
        key_path="",
        words=command[words_at:],
        env=_environment(settings.get("Environment", [])),
        native=True,
        program=command[:words_at],
        user=_last(settings, "User"),
        read_only=_last(settings, "ProtectSystem") == "strict",
        memory_mib=size_mib(memory) if memory else None,
        stop_s=_seconds(_last(settings, "TimeoutStopSec")),
        restart="no" if restart is None else restart,
        at_boot=bool(settings.get("WantedBy")),
        env_files=tuple(one.removeprefix("-") for one in settings.get("EnvironmentFile", [])),
        devices=tuple(one.split()[0] for one in settings.get("DeviceAllow", []) if one),
        health=Health(asked, _seconds(start) or 0.0) if asked else None,
    )


def _settings(text: str) -> Settings:
    """Values by key; keys of [Unit], [Service] and [Install] have different names."""
    found: Settings = {}
    for (_, key), values in ini_values(text, " ").items():  # systemd puts a space between lines
        found.setdefault(key, []).extend(values)
    return found


def _last(settings: Settings, key: str) -> str | None:
    return next(reversed(settings.get(key) or []), None)


def _command(text: str) -> tuple[str, ...]:
    """The words of a command line as the program gets them."""
    try:
        words = shlex.split(text.lstrip(_PREFIXES))
    except ValueError as error:
        raise UnreadableError(f"ExecStart: {error}", None) from error
    return tuple(word.replace("$$", "$").replace("%%", "%") for word in words)


def _environment(lines: list[str]) -> dict[str, str]:
    found = {}
    for line in lines:
        try:
            pairs = shlex.split(line)
        except ValueError as error:
            raise UnreadableError(f"Environment: {error}", None) from error
        for pair in pairs:
            name, _, value = pair.partition("=")
            found[name] = value.replace("%%", "%")
    return found


def _seconds(text: str | None) -> float | None:
    """A time span of systemd: `90`, `1min 30s`, `infinity`."""
    if text is None:
        return None
    if text == "infinity":
        return float("inf")
    written = "".join(
        f"{number}{_SPANS.get(unit, unit)}" for number, unit in _SPAN.findall(text.lower())
    )
    return duration_s(written)
