"""How vLLM reads the values of flags: numbers with suffixes, switches, and JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

Value = str | int | float | bool
_THOUSANDS = {"k": 1000, "m": 1000**2, "g": 1000**3, "t": 1000**4}
# Up to fifteen digits, decimals, a suffix.
_NUMBER = re.compile(r"([0-9]{1,15})(\.[0-9]{1,6})?([kKmMgGtT]?)")


def whole(value: Value) -> int | None:
    """A number above zero of tokens, requests, devices or bytes (1.5k is 1500, 1K 1024)."""
    if isinstance(value, bool):
        return None
    found = _NUMBER.fullmatch(str(value).strip())
    if not found:
        return None
    number, part, suffix = found.groups()
    if suffix.isupper():
        # Binary suffixes take no decimals.
        power = list(_THOUSANDS).index(suffix.lower()) + 1
        return int(number) * 1024**power or None if not part else None
    if part and not suffix and float(part) != 0:
        return None
    return int(float(number + (part or "")) * _THOUSANDS.get(suffix, 1)) or None


def at_least_zero(value: Value) -> float | None:
    """A number of GiB, zero among them."""
    try:
        size = float(value)
    except ValueError:
        return None
    return size if 0 <= size < float("inf") and not isinstance(value, bool) else None


def share(value: Value) -> float | None:
    """A part of one device, above 0 and up to 1."""
    size = at_least_zero(value)
    return size if size is not None and 0 < size <= 1 else None


def switch(value: Value) -> bool:
    """Whether a flag without a value is set."""
    return value is True or str(value).lower() == "true"


def mapping(value: Value) -> Mapping[str, object]:
    """A JSON object; empty where the value is none."""
    try:
        found = json.loads(str(value))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def is_automatic(value: Value) -> bool:
    """Whether the engine is to find the number itself."""
    return str(value).strip().lower() in ("auto", "-1")
