"""The environment variables of Ollama, as its Go sources read them.

envconfig/config.go lists what `ollama serve` documents; the rest is read here and there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from tools.tables.records import Record, TableError, by_name, compact

CONFIG = "envconfig/config.go"

_READER = re.compile(
    r'(?P<var>\w+)\s+=\s+(?P<reader>BoolWithDefault|Bool|Uint64|Uint|String)\("(?P<name>\w+)"'
    r"(?:,\s*(?P<default>\d+))?\)"
)
_LISTED = re.compile(r'"(?P<name>\w+)"\]?\s*(?::|= EnvVar)\s*\{"\w+", (?P<read>[^\n]*?), "')
_READ = re.compile(r'(?:os\.(?:Getenv|LookupEnv)|Var|Environ)\("([A-Z][A-Z0-9_]+)"\)')
# Not those that are only logged, nor the names by which help pages look a variable up.
_OWN_NAME = re.compile(r'(?m)^(?!.*(?:slog\.|envVars\[)).*"(OLLAMA_[A-Z0-9_]+)"')
# Read, but nobody's setting of Ollama: they belong to the system, the desktop or the terminal.
_NOT_ITS_OWN = {
    "GHOSTTY_RESOURCES_DIR",
    "HIP_PATH",
    "KITTY_WINDOW_ID",
    "LD_LIBRARY_PATH",
    "LOCALAPPDATA",
    "PATH",
    "TERM_PROGRAM",
    "WEZTERM_PANE",
    "XDG_CONFIG_HOME",
}
# Unset is neither on nor off: the devices decide.
_UNSET = {"OLLAMA_FLASH_ATTENTION", "OLLAMA_IGPU_ENABLE"}


def _function(source: str, name: str) -> str:
    match = re.search(rf"\nfunc {name}\(.*?\n\}}", source, re.DOTALL)
    if match is None:
        raise TableError(f"{CONFIG}: no function {name}")
    return match[0]


def _found(pattern: str, body: str) -> str:
    match = re.search(pattern, body)
    if match is None:
        raise TableError(f"{CONFIG}: {body.split(chr(10))[1]} is not understood")
    return match[1]


def _host(body: str) -> Record:
    port = _found(r'defaultPort := "(\d+)"', body)
    host = _found(r'host, port = "([\d.]+)", defaultPort', body)
    _found(r"(invalid port, using default)", body)
    return {"type": "str", "default": f"{host}:{port}", "on_bad_value": "default port"}


def _duration(body: str) -> Record:
    number = _found(r"= (\d+) \* time\.Minute\n", body)
    return {"type": "duration", "default": f"{number}m", "on_bad_value": "default"}


def _models(body: str) -> Record:
    words = re.findall(r'"([^"]+)"', _found(r"filepath\.Join\(home, ([^)]*)\)", body))
    return {"type": "path", "default": "/".join(["$HOME", *words])}


def _remotes(body: str) -> Record:
    return {"type": "list", "default": _found(r'\[\]string\{"([^"]+)"\}', body)}


def _level(body: str) -> Record:
    _found(r"level := (slog\.LevelInfo)", body)
    return {"type": "str", "default": "0", "on_bad_value": "default"}


def _origins(body: str) -> Record:
    _found(r'strings\.Split\(s, (",")\)', body)
    return {"type": "list", "default": None}


def _runners(body: str) -> Record:
    _found(r'(Var\("OLLAMA_RUNNERS_DIR"\))', body)
    return {"type": "path", "default_known": False}


# What envconfig does by hand rather than with one of its readers: variable -> its functions.
_BY_HAND: dict[str, tuple[tuple[str, ...], Callable[[str], Record]]] = {
    "OLLAMA_DEBUG": (("LogLevel",), _level),
    "OLLAMA_HOST": (("Host",), _host),
    "OLLAMA_KEEP_ALIVE": (("KeepAlive",), _duration),
    "OLLAMA_LOAD_TIMEOUT": (("LoadTimeout",), _duration),
    "OLLAMA_MODELS": (("Models",), _models),
    "OLLAMA_ORIGINS": (("Origins", "AllowedOrigins"), _origins),
    "OLLAMA_REMOTES": (("Remotes",), _remotes),
    "OLLAMA_RUNNERS_DIR": (("RunnersDir",), _runners),
}


def _readers(source: str) -> dict[str, Record]:
    """Return what is read by envconfig's own readers, and what a bad value does there."""
    if "BoolWithDefault" in source:
        _found(r"(err != nil \{\s*return true\s)", _function(source, "BoolWithDefault"))
    else:
        _found(r"(err != nil \{\s*return true\s)", _function(source, "Bool"))
    _found(
        r'(slog\.Warn\("invalid environment variable, using default")', _function(source, "Uint")
    )
    found: dict[str, Record] = {}
    for match in _READER.finditer(source):
        reader, name = match["reader"], match["name"]
        call = re.search(rf"\b{match['var']}\((true|false)\), \"", source)
        row: Record = {"type": "str", "default": None}
        if reader.startswith("Bool"):
            default = bool(call and call[1] == "true")
            row = {"type": "bool", "default": default, "on_bad_value": "true"}
            if reader == "BoolWithDefault" and name in _UNSET:
                row["default"] = None
            elif reader == "BoolWithDefault" and call is None:
                raise TableError(f"{name}: nobody says its default")
        elif reader.startswith("Uint"):
            row = {"type": "int", "default": int(match["default"]), "on_bad_value": "default"}
        found[name] = row
    return found


def _listed(config: str, found: dict[str, Record]) -> None:
    """Add what the documented list has that no reader of envconfig's own reads."""
    body = _function(config, "AsMap")
    listed = list(_LISTED.finditer(body))
    if len(listed) != len(re.findall(r'\{"\w+",', body)):
        raise TableError(f"{CONFIG}: a row of the list is not understood")
    for match in listed:
        name, read = match["name"], match["read"]
        called = read.split("(")[0]
        functions, by_hand = _BY_HAND.get(name, ((), None))
        if by_hand is not None and called in functions:
            found[name] = by_hand(_function(config, called))
        elif name not in found and read == f'String("{name}")()':
            found[name] = {"type": "str", "default": None}
        elif name not in found:
            raise TableError(f"{name}: nobody says how {read} is read")


def environment(sources: Mapping[str, str]) -> list[Record]:
    """List the variables that the server or its command line reads; path -> text of the sources."""
    config = sources[CONFIG]
    found = _readers(config)
    _listed(config, found)
    for text in sources.values():
        for pattern in (_READ, _OWN_NAME):
            for name in set(pattern.findall(text)) - _NOT_ITS_OWN:
                found.setdefault(name, {"type": "str", "default_known": False})
    return by_name({"name": name, **compact(row), **_known(row)} for name, row in found.items())


def _known(row: Record) -> Record:
    """Keep the word that a default is not known, which compact would take for nothing."""
    return {"default_known": False} if row.get("default_known") is False else {}
