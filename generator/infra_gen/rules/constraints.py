"""Whether a deployment breaks a constraint. Three answers: yes, no, and None for not known."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from infra_gen.rules.settings import Reading, Settings

if TYPE_CHECKING:  # what rows are checked by when they are read costs more than judging them
    from infra_gen.model.constraint import Constraint
    from infra_gen.model.operand import Condition, Factor

Answer = bool | None
_PLACE = re.compile(r"\{([^{}]*)\}")
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    ">": lambda one, other: one > other,
    ">=": lambda one, other: one >= other,
    "<": lambda one, other: one < other,
    "<=": lambda one, other: one <= other,
}


def holds(condition: Condition, settings: Settings) -> Answer:
    """Whether the operand is as the condition says."""
    reading = settings.read(condition.of)
    if condition.test in ("set", "unset", "empty"):
        return _is_written(reading, condition.test)
    if not reading.known:
        return None
    if condition.test in ("on", "off"):
        return _switched(reading, condition)
    return _valued(reading, condition)


def _is_written(reading: Reading, test: str) -> Answer:
    if reading.written is None:
        return None
    if test == "empty":
        return reading.written and reading.text == ""
    return (reading.written and reading.text != "") == (test == "set")


def _switched(reading: Reading, condition: Condition) -> Answer:
    if reading.on is not None:
        return reading.on == (condition.test == "on")
    if reading.text is None and condition.of.isupper():
        return False  # nobody set the variable to anything
    # `auto` is not off, and whether it comes to on is not known.
    return False if reading.text and condition.test == "off" else None


def _valued(reading: Reading, condition: Condition) -> Answer:
    text, number = reading.text, reading.number
    if condition.test in _COMPARE:
        if number is None:
            return None
        return _COMPARE[condition.test](number, float(condition.values[0]))
    if text is None and not condition.of.isupper():
        return None  # the engine finds it out by itself
    text = text or ""
    if condition.test == "contains":
        return condition.values[0] in text
    same = any(_equal(text, value) for value in condition.values)
    return same == (condition.test == "in")


def _equal(one: str, other: str) -> bool:
    if one.lower() == other.lower():
        return True
    try:
        return float(one) == float(other)
    except ValueError:
        return False


def _all(conditions: Iterable[Condition], settings: Settings) -> Answer:
    answers = [holds(condition, settings) for condition in conditions]
    if False in answers:
        return False
    return None if None in answers else True


def amount(product: Iterable[Factor], settings: Settings) -> float | None:
    """The product as a number, None where a factor is none or not known."""
    total = 1.0
    for factor in product:
        reading = settings.read(factor.of)
        if not reading.known or reading.number is None:
            return None
        total *= reading.number + factor.plus
    return total


def _out_of_bounds(row: Constraint, settings: Settings) -> Answer:
    left, right = amount(row.left or (), settings), amount(row.right or (), settings)
    if left is None or right is None:
        return None
    if row.kind == "divides":
        return None if left < 1 else not math.isclose(right % left, 0)
    return {"at-most": left > right, "at-least": left < right, "below": left >= right}[row.kind]


def _differs(row: Constraint, settings: Settings) -> Answer:
    sides = [settings.read(factor.of) for side in (row.left, row.right) for factor in side or ()]
    if any(not side.known or side.text is None for side in sides):
        return None
    return not _equal(sides[0].text or "", sides[1].text or "")


def _is_none_of(row: Constraint, settings: Settings) -> Answer:
    left = amount(row.left or (), settings)
    values = [amount(value, settings) for value in row.values]
    if left is None or None in values:
        return None
    return left not in values


def _lacks(row: Constraint, settings: Settings) -> Answer:
    met = _all(row.needs, settings)
    return None if met is None else not met


def _clash(row: Constraint, settings: Settings) -> Answer:
    return sum(holds(condition, settings) is True for condition in row.of) > 1


def _without_effect(row: Constraint, settings: Settings) -> Answer:
    reading = settings.read(row.setting or "")
    return reading.written is True and bool(reading.text) and reading.on is not False


def _too_old(row: Constraint, settings: Settings) -> Answer:
    have = settings.read("machine.capability").number
    least = row.capability
    if row.setting:
        method = settings.read(row.setting).text or ""
        least = settings.command.table.quantization.get(method)
    return None if have is None or least is None else have < least


def _always(row: Constraint, settings: Settings) -> Answer:
    return bool(row.when) and settings is not None


_BROKEN: dict[str, Callable[[Constraint, Settings], Answer]] = {
    "at-most": _out_of_bounds,
    "at-least": _out_of_bounds,
    "below": _out_of_bounds,
    "divides": _out_of_bounds,
    "same": _differs,
    "one-of": _is_none_of,
    "requires": _lacks,
    "conflicts": _clash,
    "ignored": _without_effect,
    "refused": _always,
    "needs-capability": _too_old,
}


def is_broken(row: Constraint, settings: Settings) -> bool:
    """Whether the deployment certainly breaks the row; what is not known breaks nothing."""
    if _all(row.when, settings) is not True:
        return False
    if any(holds(condition, settings) is not False for condition in row.unless):
        return False
    return _BROKEN[row.kind](row, settings) is True


def said(text: str, row: Constraint, settings: Settings) -> str:
    """A text of the row with the values in place of their names."""

    def value(place: re.Match[str]) -> str:
        name = place[1]
        if name in ("left", "right"):
            found = amount((row.left if name == "left" else row.right) or (), settings)
            return "?" if found is None else f"{found:.10g}"
        return settings.read(name).text or "?"

    return _PLACE.sub(value, text)
