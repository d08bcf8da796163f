"""Random launches of `vllm serve`, drawn from the engine's table: legal ones, and spoilt ones."""

from __future__ import annotations

import json
from dataclasses import dataclass

from hypothesis import strategies as st

from infra_gen.model.engine_table import FlagSpec, Table

# Where the table and a parser on this machine may differ, and why; these are not drawn.
EXPLAINED = {
    "--config": "reads a file while it is parsed",
    "--model": "is the positional argument by another name: with both, one is left over",
    "--mm-processor-device": "its choices are those of the platform that the parser runs on",
}
# Parsed by code of their own, which the table's types do not tell.
_FORMS = {
    "--lora-modules": ["sql=/models/sql"],
    "--default-mm-loras": ['{"image": "/models/lora"}'],
}


@dataclass(frozen=True)
class Launch:
    """The words after `vllm serve`, and what was spoilt (nothing in a legal one)."""

    words: tuple[str, ...]
    spoilt: str = ""


def usable(table: Table) -> list[FlagSpec]:
    """The flags that a launch may be drawn from, each once."""
    found = {spec.name: spec for spec in table.flags.values()}
    return [
        spec
        for name, spec in sorted(found.items())
        if name.startswith("-") and name not in EXPLAINED
    ]


def spelling(spec: FlagSpec) -> st.SearchStrategy[str]:
    """Any way to write the flag; long ones in underscores too, as vLLM reads them."""
    names = [name for name in spec.spellings if name.startswith("-")]
    under = ["--" + name[2:].replace("-", "_") for name in names if name.startswith("--")]
    return st.sampled_from([*names, *under])


def _number(spec: FlagSpec) -> st.SearchStrategy[str]:
    low = spec.minimum if spec.minimum is not None else spec.exclusive_minimum
    high = spec.maximum if spec.maximum is not None else spec.exclusive_maximum
    low, high = (1.0 if low is None else low), (4096.0 if high is None else high)
    if spec.type == "float":
        steps = st.integers(1, 999)  # thousandths of the way, both ends left out
        return steps.map(lambda step: f"{low + (high - low) * step / 1000:.6f}")
    whole = st.integers(int(low) + 1, max(int(low) + 1, int(high) - 1))
    return whole.map(lambda number: f"{number}")


def value(spec: FlagSpec) -> st.SearchStrategy[str]:
    """A value that the flag takes."""
    if spec.name in _FORMS:
        return st.sampled_from(_FORMS[spec.name])
    listed = spec.choices or spec.known_values
    if listed:
        return st.sampled_from([word for word in listed if word != "None"] or list(listed))
    if spec.type in ("int", "float"):
        return _number(spec)
    if spec.type == "size":
        return st.sampled_from(["4096", "8k", "8K", *spec.special_values])
    if spec.type == "json":
        known = spec.default_known and spec.default is not None
        return st.just(json.dumps(spec.default) if known else "{}")
    if spec.type == "bool":
        return st.sampled_from(["True", "False"])
    return st.sampled_from(["/data/x"] if spec.type == "path" else ["word", "two-words"])


@st.composite
def flag_words(draw: st.DrawFn, spec: FlagSpec) -> tuple[str, ...]:
    """One flag as it may be written: a switch, `--flag value`, or `--flag=value`."""
    if spec.kind in ("switch", "bool_pair"):
        return (draw(st.sampled_from([*spec.spellings, *spec.negatives])),)
    name, text = draw(spelling(spec)), draw(value(spec))
    if spec.kind == "list":
        return (name, *draw(st.lists(value(spec), min_size=1, max_size=3)))
    joined = name.startswith("--") and draw(st.booleans())
    return (f"{name}={text}",) if joined or text.startswith("-") else (name, text)


@st.composite
def legal(draw: st.DrawFn, table: Table) -> Launch:
    """A model and up to eight flags."""
    specs = draw(
        st.lists(st.sampled_from(usable(table)), max_size=8, unique_by=lambda spec: spec.name)
    )
    words: list[str] = [draw(st.sampled_from(["org/model", "/models/m"]))]
    for spec in specs:
        words += draw(flag_words(spec))
    return Launch(tuple(words))


@st.composite
def illegal(draw: st.DrawFn, table: Table) -> Launch:
    """A legal launch with one thing in it that the parser itself must refuse."""
    base = draw(legal(table))
    specs = usable(table)
    kind = draw(st.sampled_from(["removed", "unknown", "switch", "choice", "number"]))
    if kind == "removed":
        gone = sorted(set(table.removed_flags) - set(table.flags))
        return Launch((*base.words, draw(st.sampled_from(gone))), kind)
    if kind == "unknown":
        return Launch((*base.words, "--zz-no-such-flag"), kind)
    if kind == "switch":
        switches = [spec for spec in specs if spec.kind in ("switch", "bool_pair")]
        spec = draw(st.sampled_from(switches))
        return Launch((*base.words, f"{spec.name}=false"), kind)
    if kind == "choice":
        closed = [spec for spec in specs if spec.choices and spec.kind == "value"]
        spec = draw(st.sampled_from(closed))
        return Launch((*base.words, spec.name, "zz-none-of-them"), kind)
    numbers = [spec for spec in specs if spec.type in ("int", "float") and spec.kind == "value"]
    spec = draw(st.sampled_from([spec for spec in numbers if not spec.known_values]))
    return Launch((*base.words, spec.name, "many"), kind)
