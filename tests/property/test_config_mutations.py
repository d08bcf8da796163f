"""Any config.json is either sized with sane numbers or refused in words: never a traceback."""

from __future__ import annotations

import contextlib
import copy
import json
import math
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.hf_documents import DOCUMENTS

from infra_gen import api
from infra_gen.cli.options import Asked, spec_from
from infra_gen.errors import InfraGenError, UsageError
from infra_gen.knowledge.hf_config import model_of, parse_json
from infra_gen.model.plan import Plan
from infra_gen.model.spec import Spec

ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2, 3, 7, 10**6, 2**31, 10**30, 0.5, -0.5, 4096.0, math.nan,
    math.inf, "", "32", "auto", "\u202e", [], [1], [[]], [None], ["full_attention"], {}, {"a": 1},
    {"quant_method": "hqq"}, {"quant_method": 5}, {"quant_algo": "MIXED_PRECISION"}, [{}],
    {"kda_layers": [0]}, {"kda_layers": [[1]]}, {"rope_type": "linear", "factor": math.nan},
    {"rope_type": "linear", "factor": -2}, {"config_groups": {"x": []}},
)  # fmt: skip


def paths(node: object, at: tuple[object, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place below a document, the longest lists only at their ends."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield (*at, key)
            yield from paths(value, (*at, key))
    elif isinstance(node, list) and node:
        yield (*at, 0)
        yield from paths(node[0], (*at, 0))


@st.composite
def mutated(draw: st.DrawFn) -> dict[str, Any]:
    """A published document with up to four fields changed, taken away, or brought in."""
    name = draw(st.sampled_from(sorted(DOCUMENTS)))
    document = copy.deepcopy(DOCUMENTS[name])
    for _ in range(draw(st.integers(1, 4))):
        other = draw(st.sampled_from(sorted(DOCUMENTS)))
        kind = draw(st.sampled_from(["change", "remove", "bring"]))
        place = draw(st.sampled_from(list(paths(document))))
        node: Any = document
        for key in place[:-1]:
            node = node[key]
        if kind == "change":
            node[place[-1]] = copy.deepcopy(draw(st.sampled_from(ODD)))
        elif kind == "remove":
            del node[place[-1]]
        else:
            fields = DOCUMENTS[other]
            key = draw(st.sampled_from(sorted(fields)))
            document[key] = copy.deepcopy(fields[key])
        if not document:
            break
    return document


def numbers(node: object) -> Iterator[float]:
    if isinstance(node, dict):
        for value in node.values():
            yield from numbers(value)
    elif isinstance(node, list | tuple):
        for value in node:
            yield from numbers(value)
    elif isinstance(node, int | float) and not isinstance(node, bool):
        yield node


@given(mutated())
@settings(max_examples=600, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_mutated_config_is_read_or_refused(document: dict[str, Any]) -> None:
    refused: UsageError | None = None
    try:
        model = model_of(document, "config.json", date(2026, 1, 1), "test")
    except UsageError as error:
        refused = error
    if refused:
        assert "config.json" in "\n".join(refused.lines())
        assert refused.message.isprintable()
        return
    found = model.architecture
    assert 0 < model.params.active <= model.params.total
    assert found.layers == sum(group.layers for group in found.layer_groups)
    assert all(value >= 0 for value in numbers(found.model_dump(exclude={"checked"})))


@given(mutated())
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
def test_a_mutated_folder_is_planned_or_refused(
    tmp_path_factory: pytest.TempPathFactory, document: dict[str, Any]
) -> None:
    folder = tmp_path_factory.mktemp("model")
    (folder / "config.json").write_text(json.dumps(document), "utf-8")
    spec = spec_from(Asked(hardware="h200:8", users=4, model=str(folder)))
    with contextlib.suppress(InfraGenError):
        planned, _ = api.plan(spec, folder.parent)
        _check(spec, planned)


def _check(spec: Spec, planned: Plan) -> None:
    found = list(numbers(api.plan_document(spec, planned, ()).model_dump(mode="json")))
    assert all(math.isfinite(value) and value >= 0 for value in found)


@given(st.binary(max_size=200))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_json_or_refused(text: bytes) -> None:
    with contextlib.suppress(UsageError):
        parse_json(text, "config.json")
