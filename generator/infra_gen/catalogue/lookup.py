"""From a name to a preset of any kind."""

from __future__ import annotations

import re

from infra_gen.catalogue.reading import ids
from infra_gen.catalogue.rows import KINDS
from infra_gen.errors import UsageError, did_you_mean
from infra_gen.knowledge import store
from infra_gen.knowledge.hardware_words import spoken
from infra_gen.knowledge.machines import split_count
from infra_gen.knowledge.repositories import preset_with

_MEMORY = re.compile(r"-\d+gb$")


def _canonical(kind: str, name: str) -> str | None:
    if kind in ("engines", "targets", "rules"):
        return name.lower() if name.lower() in ids(kind) else None
    return store.canonical(kind, name) if kind in store.index() else None


def _hardware(text: str) -> str | None:
    """The device in `2x4090`, `h100:8` and `apple-m3-16gb`."""
    found = _canonical("hardware", text)
    if found:
        return found
    try:
        word = split_count(spoken(text) or text).name
    except UsageError:
        return None
    return _canonical("hardware", word) or _canonical("hardware", _MEMORY.sub("", word))


def _model(text: str) -> str | None:
    """By preset name, or by any repository that a preset lists."""
    return _canonical("models", text) or preset_with(text)


def lookup(kind: str, text: str) -> str | None:
    """The id that `text` stands for in `kind`, or None."""
    if kind == "hardware":
        return _hardware(text)
    return _model(text) if kind == "models" else _canonical(kind, text)


def _hint(text: str, kinds: tuple[str, ...]) -> str:
    """Close ids, else close aliases, else how to search."""
    names = [name for kind in kinds for name in ids(kind)]
    aliases = [alias for kind in kinds for alias in store.index()["aliases"].get(kind, ())]
    for known in (names, [*names, *aliases]):
        close = did_you_mean(text, known)
        if close.startswith("did you mean"):
            return close
    return f"infra-gen list {kinds[0] if len(kinds) == 1 else 'KIND'} names what there is"


def _unknown(text: str, kind: str | None) -> UsageError:
    kinds = (kind,) if kind else tuple(KINDS)
    elsewhere = [other for other in KINDS if kind and lookup(other, text)]
    what = "name" if kind is None else kind if kind == "hardware" else kind.removesuffix("s")
    hint = f"infra-gen show {elsewhere[0]} {text}" if elsewhere else _hint(text, kinds)
    return UsageError(f"unknown {what} {text!r}", hint=hint)


def find(text: str, kind: str | None = None) -> tuple[str, str]:
    """(kind, id) of what `text` names, in every kind unless one is given.

    Raises UsageError when it names nothing, with close matches, or presets of two kinds.
    """
    kinds = (kind,) if kind else tuple(KINDS)
    found = [(one, name) for one in kinds if (name := lookup(one, text))]
    if not found:
        raise _unknown(text, kind)
    if len(found) > 1:
        named = " and ".join(f"{one} {name}" for one, name in found)
        commands = " or ".join(f"infra-gen show {one} {text}" for one, _ in found)
        raise UsageError(f"{text!r} names {named}", hint=commands)
    return found[0]
