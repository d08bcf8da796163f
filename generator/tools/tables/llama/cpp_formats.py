"""What printf makes of values, as far as they are known."""

from __future__ import annotations

import re
from typing import Any

# Stands where only the running program could print something.
MISSING = "\0"
_UNSIGNED_32 = 1 << 32


def formatted(values: list[Any]) -> str:
    """What `string_format` prints, MISSING where a value is not known."""
    template, *rest = values
    left = iter(rest)

    def one(match: re.Match[str]) -> str:
        return "%" if match.group() == "%%" else _printed(next(left, None), match)

    return re.sub(r"%%|%[-+ #0]*\d*(?:\.(\d+))?(?:z|h+|l+)?([dufisg])", one, str(template))


def _printed(value: Any, match: re.Match[str]) -> str:
    kind, digits = match.group(2), match.group(1)
    if kind == "s":
        return value if isinstance(value, str) else MISSING
    if not isinstance(value, bool | int | float):
        return MISSING
    if kind == "f":
        return f"{value:.{digits or 6}f}"
    if kind == "g":
        return f"{value:.{digits or 6}g}"
    # The greatest unsigned number is how a seed says "random"; %d prints it as -1.
    return str(
        int(value) - _UNSIGNED_32 if kind == "d" and value >= _UNSIGNED_32 // 2 else int(value)
    )
