"""Values as deployment files write them: sizes, durations, words, variables."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any

_SIZE = re.compile(r"^(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?$", re.IGNORECASE)
_FACTOR = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|s|us|ns)")
_UNIT_S = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_WITH_DEFAULT = re.compile(r"(?<!\$)\$\{\w+:?-([^{}]*)\}")


def size_mib(text: object) -> float | None:
    """`2gb`, `64m` or bytes as MiB; None when it is no size."""
    match = _SIZE.match(str(text).strip())
    return float(match[1]) * _FACTOR[match[2].lower()] / 2**20 if match else None


def duration_s(text: object) -> float | None:
    """`1m30s` as seconds; None when it is no duration."""
    written = str(text).strip()
    parts = _DURATION.findall(written)
    if not parts or "".join(number + unit for number, unit in parts) != written:
        return None
    return sum(float(number) * _UNIT_S[unit] for number, unit in parts)


def resolve(text: str) -> str:
    """`text` with the defaults of its variables put in, as compose does without an .env."""
    return _WITH_DEFAULT.sub(lambda match: match[1], text)


def words(value: object) -> tuple[str, ...]:
    """A command in either form as words; variables that have a default are resolved."""
    if isinstance(value, list):
        return tuple(resolve(str(word)).replace("$$", "$") for word in value)
    if not value:
        return ()
    text = resolve(str(value)).replace("$$", "$")
    try:
        return tuple(shlex.split(text))
    except ValueError:  # an unfinished quote: Docker would refuse it, its words still tell a lot
        return tuple(text.split())


def variables(value: object) -> dict[str, str]:
    """An environment in either form; a name without a value is passed on from the host: empty."""
    if isinstance(value, Mapping):
        return {str(name): "" if text is None else _text(text) for name, text in value.items()}
    pairs = (str(item).partition("=") for item in value) if isinstance(value, list) else ()
    return {name: text for name, _, text in pairs}


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def nested(body: object, *keys: str) -> Any:
    """What lies below these keys, None where one of them is missing."""
    node: Any = body
    for key in keys:
        node = node.get(key) if isinstance(node, Mapping) else None
    return node


def items(value: object) -> tuple[Any, ...]:
    """A list as it is, one value as a list of one, nothing as an empty list."""
    if value is None:
        return ()
    return tuple(value) if isinstance(value, list) else (value,)
