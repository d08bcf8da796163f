"""What a row of constraints may say, and what of versions is older."""

from __future__ import annotations

from typing import Any

import pytest
from packaging.version import InvalidVersion
from pydantic import ValidationError

from infra_gen.model.constraint import Constraint, Constraints
from infra_gen.model.operand import FACTS, Condition, Factor, kind_of
from infra_gen.model.versions import version_key, within
from infra_gen.rules import facts

ROW: dict[str, Any] = {
    "id": "one-two",
    "kind": "at-most",
    "severity": "error",
    "left": "--a",
    "right": ["--b", "model.heads", "2"],
    "message": "{--a} is more than {right}",
    "fix": "Lower it.",
    "source": "a file",
}


def row(**changes: Any) -> Constraint:
    given = {**ROW, **changes}
    return Constraint.model_validate({k: v for k, v in given.items() if v is not None})


@pytest.mark.parametrize(
    ("operand", "kind"),
    [
        ("--max-num-seqs", "flag"),
        ("-tp", "flag"),
        ("--a.b.c_d", "flag"),
        ("VLLM_PORT", "env"),
        ("256", "number"),
        ("-1", "number"),
        ("1.5", "number"),
        ("model.heads", "fact"),
        ("--a=b", None),
        ("a b", None),
        ("__import__('os')", None),
        ("", None),
    ],
)
def test_an_operand_is_one_of_four_kinds(operand: str, kind: str | None) -> None:
    assert kind_of(operand) == kind


def test_a_row_knows_all_it_speaks_of() -> None:
    found = row(when={"--c": "on"}, unless={"DD": "set"})
    assert found.operands == ("--a", "--b", "model.heads", "2", "--c", "DD")
    assert row(kind="one-of", right=None, values=[1, ["--x", "--y"]]).operands == (
        "--a", "1", "--x", "--y",
    )  # fmt: skip


def test_a_factor_may_have_a_number_added() -> None:
    assert Factor.model_validate("--tokens + 1") == Factor(of="--tokens", plus=1)
    assert Factor.model_validate(5) == Factor(of="5")
    with pytest.raises(ValidationError, match="NAME or NAME"):
        Factor.model_validate("--tokens - 1")


@pytest.mark.parametrize(
    ("written", "test", "values"),
    [
        ("on", "on", ()),
        ("unset", "unset", ()),
        ("> 1", ">", ("1",)),
        (">= 2", ">=", ("2",)),
        ("!= mp", "!=", ("mp",)),
        ("contains ://", "contains", ("://",)),
        ("mp", "in", ("mp",)),
        (1, "in", ("1",)),
        (["a", 2], "in", ("a", "2")),
    ],
)
def test_a_condition_is_written_short(written: object, test: str, values: tuple[str, ...]) -> None:
    (found,) = row(when={"--c": written}).when
    assert (found.of, found.test, found.values) == ("--c", test, values)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"id": "One"}, "id"),
        ({"kind": "formula"}, "kind"),
        ({"left": None}, "needs left"),
        ({"needs": {"--c": "on"}}, "has no needs"),
        ({"kind": "requires", "left": None, "right": None, "when": {"--c": "on"}}, "needs needs"),
        ({"kind": "conflicts", "left": None, "right": None, "of": {"--c": "on"}}, "alone"),
        ({"kind": "needs-capability", "left": None, "right": None}, "one of setting, capability"),
        ({"left": "model.colour"}, "no flag, variable"),
        ({"when": {"a b": "on"}}, "no flag, variable"),
        ({"when": {"--c": "> many"}}, "could not convert"),
        ({"message": "{nobody}"}, "no flag, variable"),
        ({"message": "It is wrong."}, "period"),
        ({"fix": "lower it"}, "fix"),
        ({"since": "1.0", "until": "1.0"}, "not before"),
        ({"since": "soon"}, "soon"),
        ({"source": ""}, "source"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_wrong_row_is_refused(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises((ValidationError, InvalidVersion), match=problem):
        row(**changes)


def test_names_are_unique_and_defaults_known() -> None:
    given = {"engine": "x", "checked": "1", "rows": [ROW, ROW]}
    with pytest.raises(ValidationError, match="two rows have the id one-two"):
        Constraints.model_validate(given)
    with pytest.raises(ValidationError, match=r"model\.colour"):
        Constraints.model_validate({**given, "rows": [ROW], "defaults": {"--a": "model.colour"}})
    kept = Constraints.model_validate({**given, "rows": [ROW], "defaults": {"--a": "off"}})
    assert kept.defaults == {"--a": "off"}


def test_every_fact_can_be_found() -> None:
    found = {f"model.{name}" for name in facts._ARCHITECTURE} | set(facts._OTHERS) | {"model.task"}
    assert set(FACTS) == found


def test_a_condition_keeps_its_form() -> None:
    one = Condition(of="--a", test="on")
    assert Condition.model_validate(one.model_dump()) == one


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("0.9.2", "0.10.0"),
        ("0.8.5", "0.8.5.post1"),
        ("0.33.0-rc2", "0.33.0"),
        ("9999", "11669"),
        ("b9999", "b11669"),
        ("v3.3.6", "3.3.7"),
    ],
)
def test_versions_are_ordered(older: str, newer: str) -> None:
    assert version_key(older) < version_key(newer)


def test_until_is_exclusive() -> None:
    assert within("1.0", "1.0", "2.0")
    assert not within("2.0", "1.0", "2.0")
    assert not within("0.9", "1.0", None)
    assert within("0.9", None, None)
    with pytest.raises(ValueError, match="latest"):
        version_key("latest")
