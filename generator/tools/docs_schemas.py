"""Reference pages of the three documents: infra-gen.yaml, infra-gen.lock, `plan --json`."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from infra_gen.model.lock import Lock
from infra_gen.model.names import RESERVED_TARGETS
from infra_gen.model.offer import Prices
from infra_gen.model.plan_document import PlanDocument
from infra_gen.model.profile import Profile
from infra_gen.model.ranking_document import RankingDocument
from infra_gen.model.spec import RESERVED_KEYS, Spec
from tools.docs_markdown import page, table
from tools.docs_meanings import LOCK, PLAN, SPEC
from tools.docs_meanings_ranking import PRICES, RANKING

_WORDS = {int: "whole number", float: "number", str: "text", bool: "true or false"}
_BOUNDS = (("gt", "above"), ("ge", "at least"), ("lt", "below"), ("le", "at most"))


def _words(annotation: Any) -> str:
    origin, inner = get_origin(annotation), get_args(annotation)
    if annotation is type(None):
        return "null"
    if annotation is Any:
        return "anything"
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in inner)
    if origin in (Union, types.UnionType):
        return " or ".join(_words(one) for one in inner)
    if origin is tuple:
        return f"list of {_words(inner[0])}"
    if origin is dict:
        return f"mapping of {_words(inner[0])} to {_words(inner[1])}"
    if hasattr(annotation, "__metadata__"):
        return _words(inner[0]) + _bounds(annotation.__metadata__)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "mapping"
    return _WORDS.get(annotation, "text")


def _bounds(metadata: Any) -> str:
    found = []
    for rule in metadata:
        inner = getattr(rule, "metadata", None) or [rule]
        for one in inner:
            found += [
                f"{word} {getattr(one, name)}"
                for name, word in _BOUNDS
                if getattr(one, name, None) is not None
            ]
    return f" ({', '.join(found)})" if found else ""


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.default
    if value is PydanticUndefined:
        value = field.default_factory() if field.default_factory else None  # type: ignore[call-arg]
    if isinstance(value, BaseModel):
        return ""
    if value in ((), {}):
        return "empty"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return "not set" if value is None else f"`{value}`"


# Described on a page of their own.
_ELSEWHERE: tuple[type[BaseModel], ...] = (Profile,)


def _records_of(annotation: Any) -> Iterator[tuple[type[BaseModel], str]]:
    """The records inside an annotation, and what marks their keys as those of one of many."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if annotation not in _ELSEWHERE:
            yield annotation, ""
        return
    many = {tuple: "[]", dict: ".*"}.get(get_origin(annotation), "")
    for inner in get_args(annotation):
        for record, mark in _records_of(inner):
            yield record, many + mark


def keys_of(record: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Every key as a dotted path, depth first."""
    for name, field in record.model_fields.items():
        path = f"{prefix}{field.alias or name}"
        yield path, field
        for inner, mark in _records_of(field.annotation):
            yield from keys_of(inner, f"{path}{mark}.")


def _rows(
    record: type[BaseModel], meanings: Mapping[str, str], *, defaults: bool
) -> list[tuple[str, ...]]:
    found = []
    for path, field in keys_of(record):
        meaning = meanings[path]  # KeyError: a new key needs a line in docs_meanings.py
        kind = _words(field.annotation) + _bounds(field.metadata)
        row = (f"`{path}`", kind, _default(field)) if defaults else (f"`{path}`", kind)
        found.append((*row, meaning))
    stale = set(meanings) - {path for path, _ in keys_of(record)}
    if stale:
        raise KeyError(f"docs_meanings.py explains keys that are gone: {sorted(stale)}")
    return found


def spec_page() -> str:
    """docs/reference/spec.md."""
    reserved = [(f"`{key}`", purpose) for key, purpose in RESERVED_KEYS.items()]
    reserved += [(f"`target: {name}`", "another target") for name in RESERVED_TARGETS]
    return page(
        "infra-gen.yaml",
        "The spec: what you ask for. `infra-gen new` writes it with a comment on each key. It is "
        "yours: only `update --engine-version` and `update --adopt` write into it, on your word, and "
        "leave the rest of it as it is. Unknown keys are errors, with the closest known key in "
        "the hint. Editors that read `# yaml-language-server` complete and check it by "
        "`.infra-gen/spec.schema.json`, which lies beside it.",
        table(["Key", "Takes", "Default", "Meaning"], _rows(Spec, SPEC, defaults=True)),
        "## Reserved\n\nThese are refused with a message that says so, never ignored. Nothing reads "
        "them yet.",
        table(["Key", "Reserved for"], reserved),
    )


def lock_page() -> str:
    """docs/reference/lock.md."""
    return page(
        "infra-gen.lock",
        "What every `auto` became, and the hash of every file as written. `check` and `update` read "
        "it: same spec, same lock and same infra-gen give the same bytes. Commit it. Do not edit it: "
        "change infra-gen.yaml and run `infra-gen update`. JSON, schema in "
        "`presets/schemas/lock.schema.json`.",
        table(["Key", "Holds", "Meaning"], _rows(Lock, LOCK, defaults=False)),
    )


def plan_page() -> str:
    """docs/reference/plan-json.md."""
    return page(
        "plan --json",
        "The document that `infra-gen plan --json` prints. Its schema is "
        "`presets/schemas/plan.schema.json`. What is unknown is `null`. When nothing fits it is "
        "printed too, with `fits: false`, and the exit code is 5. "
        "[How to read it](../how-to/read-plan-json.md).",
        table(["Key", "Holds", "Meaning"], _rows(PlanDocument, PLAN, defaults=False)),
    )


def ranking_page() -> str:
    """docs/reference/ranking-json.md."""
    return page(
        "plan --json without --hardware",
        "The document that `infra-gen plan --json` prints when no hardware is given. Its schema is "
        "`presets/schemas/ranking.schema.json`. What is unknown is `null`. When no hardware carries "
        "the load it is printed too, with an empty `ranking`, and the exit code is 5. "
        "[How to choose hardware](../how-to/choose-hardware.md).",
        table(["Key", "Holds", "Meaning"], _rows(RankingDocument, RANKING, defaults=False)),
        "## The file of prices\n\nWhat `--prices` reads, as YAML; schema in "
        "`presets/schemas/prices.schema.json`. As CSV: the columns `hardware`, `price_per_hour` and "
        "`currency`. infra-gen holds no prices of its own.",
        table(["Key", "Takes", "Meaning"], _rows(Prices, PRICES, defaults=False)),
    )
