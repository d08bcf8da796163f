"""Prices that the user brings: a YAML or CSV file, from hardware to the price of an hour."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from infra_gen.errors import UsageError
from infra_gen.knowledge import store
from infra_gen.knowledge.machines import resolve_machine
from infra_gen.model.machine import Machine
from infra_gen.model.offer import Prices

_MAX_BYTES = 1_000_000
_COLUMNS = ("hardware", "price_per_hour", "currency")
_HINT = "currency: USD, then prices: with a line such as `h100: 2.5` for each"


@dataclass(frozen=True, slots=True)
class PriceTable:
    """Prices of an hour by the id of a machine."""

    currency: str | None
    by_id: Mapping[str, float]

    def names(self, machine: Machine) -> bool:
        """Whether this very machine has a price."""
        return machine.id in self.by_id

    def of(self, machine: Machine) -> float | None:
        """The price of an hour of the whole machine: its own, else that of its devices."""
        if machine.id in self.by_id:
            return self.by_id[machine.id]
        one = self.by_id.get(machine.id.split(":")[0])
        return None if one is None else one * machine.devices


def read_prices(path: Path) -> PriceTable:
    """The prices in a file. Raises UsageError that names the file and the entry."""
    if not path.is_file():
        raise UsageError("no such file of prices", where=str(path), hint=_HINT)
    if path.stat().st_size > _MAX_BYTES:
        raise UsageError("far larger than any table of prices", where=str(path))
    kind = path.suffix.lower()
    if kind not in (".yaml", ".yml", ".csv"):
        raise UsageError("prices are read from .yaml or .csv", where=str(path), hint=_HINT)
    try:
        document = _from_csv(path) if kind == ".csv" else _from_yaml(path)
    except UnicodeDecodeError as error:
        raise UsageError("not UTF-8 text", where=str(path)) from error
    try:
        stated = Prices.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "the file"
        raise UsageError(f"{key}: {first['msg']}", where=str(path), hint=_HINT) from error
    return PriceTable(stated.currency, _by_id(stated.prices, path))


def _by_id(prices: Mapping[str, float], path: Path) -> dict[str, float]:
    """Names as the ids that they stand for; two names of one machine are a contradiction."""
    found: dict[str, float] = {}
    written: dict[str, str] = {}
    for word, price in prices.items():
        try:
            machine = resolve_machine(word)
        except UsageError as error:
            raise UsageError(error.message, where=f"{path}: {word}", hint=error.hint) from error
        if machine.id in found:
            raise UsageError(
                f"{word} and {written[machine.id]} are the same machine", where=str(path),
                hint="keep one of the two",
            )  # fmt: skip
        found[machine.id], written[machine.id] = price, word
    return found


def _from_yaml(path: Path) -> dict[str, Any]:
    try:
        document: Any = store.read_yaml(path)
    except Exception as error:
        if not type(error).__module__.startswith("ruamel"):
            raise  # ruamel is imported only inside `read_yaml`, so its errors are told by name
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        told = str(getattr(error, "problem", None) or "unreadable").splitlines()[0]
        raise UsageError(f"not valid YAML: {told}", where=f"{path}{line}") from error
    if not isinstance(document, dict):
        raise UsageError("not a mapping of keys", where=str(path), hint=_HINT)
    return document


def _from_csv(path: Path) -> dict[str, Any]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.DictReader(stream, strict=True)
        try:
            titles, rows = tuple(reader.fieldnames or ()), list(reader)
        except csv.Error as error:
            raise UsageError(
                f"not valid CSV: {error}", where=f"{path}:{reader.line_num}"
            ) from error
    if titles != _COLUMNS:
        raise UsageError(
            "the first line is not " + ",".join(_COLUMNS), where=f"{path}:1",
            hint="then a line such as h100,2.5,USD for each",
        )  # fmt: skip
    return {"currency": _one_currency(rows, path), "prices": _csv_prices(rows, path)}


def _one_currency(rows: Iterable[Mapping[str, str | None]], path: Path) -> str:
    named = sorted({row["currency"] or "" for row in rows})
    if len(named) > 1:
        raise UsageError(
            f"two currencies: {named[0] or 'none'} and {named[1]}", where=str(path),
            hint="prices are compared, so they must be in one",
        )  # fmt: skip
    return named[0] if named else ""


def _csv_prices(rows: Iterable[Mapping[str, str | None]], path: Path) -> dict[str, float]:
    found: dict[str, float] = {}
    for line, row in enumerate(rows, 2):
        word, text = row["hardware"] or "", row["price_per_hour"] or ""
        if len(row) != len(_COLUMNS):
            raise UsageError("more than three columns", where=f"{path}:{line}")
        if word in found:
            raise UsageError(f"{word} has two prices", where=f"{path}:{line}")
        try:
            found[word] = float(text)
        except ValueError as error:
            raise UsageError(f"{word}: {text!r} is no number", where=f"{path}:{line}") from error
    return found
