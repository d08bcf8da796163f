"""From what was found to a hardware preset: equal names and equal memory, never a guess.

Presets are the raw documents of the index (`knowledge.store.index()["hardware"]`).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from infra_gen.detect.records import Found, Host

Presets = Mapping[str, Mapping[str, Any]]
# Words of a name that say who made it, not what it is.
_EMPTY = frozenset(
    {"nvidia", "corporation", "amd", "ati", "advanced", "micro", "devices", "inc", "intel", "r",
     "tm", "tesla", "gpu", "graphics", "processor", "cpu"}
)  # fmt: skip
_PART = re.compile(r"[a-z0-9]+(?:\+)?")
_SIZE = re.compile(r"(\d{1,4})gb")
_BRACKETS = re.compile(r"\[([^\[\]]+)\]\s*$")
_SLASH = re.compile(r"(?<=[0-9A-Z])\s*/\s*(?=\d)")
_DIGIT = re.compile(r"\d")
_REVISION = re.compile(r"\bModel [A-Z]\b.*|\bRev \d.*", re.IGNORECASE)
# A board of N GB shows a little less (ECC, firmware); the next size down is three quarters at most.
_LEAST, _MOST = 0.85, 1.03


@dataclass(frozen=True, slots=True)
class Match:
    """`word` names a preset as --hardware takes it (without a count); else `note` says why not."""

    word: str | None = None
    preset: str | None = None
    note: str | None = None


def label(name: str) -> tuple[str, ...]:
    """The words of a product name that tell it from others; memory sizes are compared as numbers."""
    words = _PART.findall(name.lower())
    return tuple(one for one in words if one not in _EMPTY and not _SIZE.fullmatch(one))


def products(name: str) -> tuple[str, ...]:
    """The products that a name may stand for.

    `Navi 21 [Radeon RX 6800/6800 XT / 6900 XT]` stands for three: drivers know the chip, which AMD
    sold under several names.
    """
    inner = _BRACKETS.search(name)
    first, *others = _SLASH.split(inner[1] if inner else name)
    family = " ".join(itertools.takewhile(lambda one: not _DIGIT.search(one), first.split()))
    return tuple(one.strip() for one in (first, *(f"{family} {other}" for other in others)))


def match(found: Found, presets: Presets) -> Match:
    """The preset of a device, or why there is none."""
    possible = products(found.name)
    labels = {label(name) for name in (found.name, *possible, *found.other_names)} - {()}
    named = {
        key: preset
        for key, preset in sorted(presets.items())
        if preset.get("vendor") == found.vendor and labels & set(_labels(key, preset))
    }
    fitting = {key: w for key, preset in named.items() if (w := _word(key, preset, found))}
    if len(fitting) == 1 and len(possible) == 1:
        key, word = next(iter(fitting.items()))
        return Match(word, key)
    if fitting:
        return Match(
            note=f"{found.name} may be {' or '.join(fitting.values())}: name the right one"
        )
    if named:
        return Match(note=f"{found.name} is named like {', '.join(named)}, and has {_facts(found)}")
    return Match(note=f"{found.name} is not among the hardware presets")


def _facts(found: Found) -> str:
    memory = "memory that was not measured"
    if found.total_gib is not None:
        memory = f"{found.total_gib:.1f} GiB of memory"
    target = found.compute_capability or found.gfx
    return f"{memory}, {target}" if target else memory


def _labels(key: str, preset: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for name in (key, preset.get("name"), *_listed(preset.get("aliases"))):
        if isinstance(name, str):
            yield label(name)


def _listed(value: object) -> Iterable[Any]:
    return value if isinstance(value, list | tuple) else ()


def _word(key: str, preset: Mapping[str, Any], found: Found) -> str | None:
    """The preset's word when nothing measured contradicts it."""
    for field, value in (("compute_capability", found.compute_capability), ("gfx", found.gfx)):
        if value and preset.get(field) not in (None, value):
            return None
    total = found.total_gib if found.total_gib is not None else _size_in(found.name)
    sizes = _sizes(preset)
    if sizes:
        option = next((s for s in sizes if total and _agrees(total, s)), None)
        return f"{key}-{option}gb" if option else None
    nominal = preset.get("nominal_gib")
    nominal = nominal.get("value") if isinstance(nominal, Mapping) else None
    if total is None or not isinstance(nominal, int | float):
        return key
    return key if _agrees(total, nominal) else None


def _sizes(preset: Mapping[str, Any]) -> list[int]:
    options = _listed(preset.get("memory_options"))
    gibs = (option.get("gib") for option in options if isinstance(option, Mapping))
    return sorted(gib for gib in gibs if isinstance(gib, int))


def _size_in(name: str) -> float | None:
    sizes = _SIZE.findall(name.lower().replace(" gb", "gb"))
    return float(sizes[0]) if len(sizes) == 1 else None


def _agrees(total: float, nominal: float) -> bool:
    return _LEAST * nominal <= total <= _MOST * nominal


def match_host(host: Host, presets: Presets) -> Match:
    """The preset of a machine without an accelerator: its board, its processor, or a generic one."""
    board = _REVISION.sub("", host.board).strip() if host.board else None
    for name in (board, host.cpu_name):
        if name:
            matched = match(Found("cpu", name, "host", total_gib=host.memory_gib), presets)
            if matched.word:
                return matched
    return _generic(host, presets)


def _generic(host: Host, presets: Presets) -> Match:
    """Presets that say `(generic)` fit every processor of their kind with these extensions."""
    has = set(host.vector_extensions)
    fitting = sorted(
        (-len(_listed_set(preset)), key)
        for key, preset in presets.items()
        if preset.get("vendor") == "cpu"
        and "(generic)" in str(preset.get("name"))
        and preset.get("arch", "x86_64") == host.arch
        and preset.get("os", "linux") == host.os
        and _listed_set(preset) <= has
    )
    if not fitting:
        return Match(note="no hardware preset is of this kind of processor")
    key = fitting[0][1]
    size = next((s for s in _sizes(presets[key]) if _agrees(host.memory_gib or 0.0, s)), None)
    note = f"{host.cpu_name or 'this processor'}: taken for {key}, whose bandwidth and compute are assumed"
    return Match(f"{key}-{size}gb" if size else key, key, note)


def _listed_set(preset: Mapping[str, Any]) -> set[str]:
    return {str(one) for one in _listed(preset.get("vector_extensions"))}
