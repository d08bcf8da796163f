"""What a tool's words mean, or None: tools print [N/A], ERR!, warnings before JSON, and worse."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

_NUMBER = re.compile(r"\d{1,20}(?:\.\d{1,9})?", re.ASCII)
_VERSION = re.compile(r"\d[0-9A-Za-z.+~_-]{0,31}", re.ASCII)
_CAPABILITY = re.compile(r"\d{1,2}\.\d", re.ASCII)
_GFX = re.compile(r"gfx[0-9a-f]{3,5}")
# Identities have no place in a profile.
_IDENTITY = re.compile(
    r"\(?(?:UUID:\s*)?(?:(?:GPU|MIG)-[0-9a-f][0-9a-f/-]{6,}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\)?",
    re.IGNORECASE,
)
_NOTHING = re.compile(r"\[?(?:n/?a|none|unknown(?: error)?|not (?:supported|available|found)|err!?|"
                      r"insufficient permissions|gpu is lost|no data|-)\]?", re.IGNORECASE)  # fmt: skip
_MIB, _KIB = 1 << 10, 1 << 20  # in a GiB
_BYTES = 1 << 30
_JSON_STARTS = 20


def number(value: object) -> float | None:
    """A finite number that is not negative, alone in its text: `24564`, not `24564 MiB`."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value) if 0 <= value < 10**20 and math.isfinite(value) else None
    if not isinstance(value, str):
        return None
    text = value.strip()
    return float(text) if _NUMBER.fullmatch(text) else None


def whole(value: object) -> int | None:
    """A number without a fraction."""
    found = number(value)
    return int(found) if found is not None and found == int(found) else None


def mib(value: object) -> float | None:
    """GiB from a number of MiB; zero memory is no answer."""
    return _scaled(value, _MIB)


def kib(value: object) -> float | None:
    """GiB from a number of KiB."""
    return _scaled(value, _KIB)


def size(value: object) -> float | None:
    """GiB from a number of bytes."""
    return _scaled(value, _BYTES)


def _scaled(value: object, per_gib: int) -> float | None:
    found = number(value)
    return found / per_gib if found else None


def rounded_down(gib: float | None) -> float | None:
    """Two decimals, never more than there is."""
    return None if gib is None else math.floor(gib * 100) / 100


def word(value: object, limit: int = 80) -> str | None:
    """One line of printable text without identities; None for the many ways to say nothing."""
    if not isinstance(value, str):
        return None
    plain = "".join(c if c.isprintable() else " " for c in _IDENTITY.sub("", value))
    text = " ".join(plain.split())[:limit].strip()
    return None if not text or _NOTHING.fullmatch(text) else text


def version(value: object) -> str | None:
    """A version number; kernel banners and the like are none."""
    text = word(value)
    return text if text and _VERSION.fullmatch(text) else None


def capability(value: object) -> str | None:
    """A CUDA compute capability such as 8.9."""
    text = word(value)
    return text if text and _CAPABILITY.fullmatch(text) else None


def gfx(value: object) -> str | None:
    """An AMD target such as gfx942; feature suffixes are dropped."""
    text = word(value)
    found = _GFX.match(text.lower()) if text else None
    return found.group() if found else None


def first_line(text: str) -> str:
    """The first line that says something, for a note."""
    for line in text.splitlines():
        said = word(line, 120)
        if said:
            return said
    return "nothing was printed"


def json_in(text: str) -> Any:
    """The first JSON object or list in a text that may begin with warnings; None without one."""
    decoder = json.JSONDecoder()
    starts = [match.start() for match in re.finditer(r"^[ \t]*[\[{]", text, re.MULTILINE)]
    for start in starts[:_JSON_STARTS]:
        try:
            return decoder.raw_decode(text[start:].lstrip())[0]
        except (ValueError, RecursionError):
            continue
    return None


def at(node: object, *keys: str) -> Any:
    """`node[key][key]...`, None where something on the way is not a mapping."""
    for key in keys:
        if not isinstance(node, Mapping):
            return None
        node = node.get(key)
    return node


def fields(text: str, separator: str = ":") -> dict[str, str]:
    """`key: value` lines; the first of a key counts."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        key, mark, value = line.partition(separator)
        if mark and key.strip():
            found.setdefault(key.strip(), value.strip())
    return found
