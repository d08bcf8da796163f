"""Values of the user's own flags, as engines read them; None where an engine would not."""

from __future__ import annotations

import re
from collections.abc import Mapping

Value = str | int | float | bool
_ON = ("true", "1", "on", "enabled")
_OFF = ("false", "0", "off", "disabled", "-1")


def whole(value: Value, least: int = 1) -> int | None:
    """A whole number of at least `least`, without a unit."""
    found = re.fullmatch(r"(-?[0-9]{1,12})(?:\.0)?", str(value).strip())
    return int(found[1]) if found and int(found[1]) >= least else None


def share(value: Value) -> float | None:
    """A number above zero and at most one."""
    try:
        number = float(value)
    except ValueError:
        return None
    return number if 0 < number <= 1 else None


def switch(value: Value) -> bool | None:
    """A switch that is on or off."""
    word = str(value).lower()
    if word in _ON:
        return True
    return False if word in _OFF else None


def shares(value: Value) -> tuple[float, ...] | None:
    """Parts of a whole, such as 3,1 or 3/1, at least one above zero."""
    try:
        found = tuple(float(part) for part in re.split("[,/]", str(value)))
    except ValueError:
        return None
    return found if min(found) >= 0 and 0 < sum(found) < float("inf") else None


def named(engine_args: Mapping[str, Value], short: Mapping[str, str]) -> Mapping[str, str]:
    """Each flag as the user wrote it -> its long name without dashes."""
    return {
        flag: short.get(flag, flag if flag.isupper() else flag.lstrip("-").replace("_", "-"))
        for flag in engine_args
    }
