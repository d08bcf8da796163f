"""What settings of an engine must not be together, beyond the value of each: rows of data.

`presets/engines/<engine>/constraints.yaml`; what a row may name is in `operand.py`. The kinds:

- `at-most`, `at-least`, `below`, `divides`: `left` against `right`, amounts;
- `same`: `left` and `right` have the same value, as text;
- `one-of`: `left` is one of the amounts `values`;
- `requires`: where `when` holds, all of `needs` must hold;
- `conflicts`: at most one of `of` may hold;
- `ignored`: `setting` is written down, and without effect where `when` holds;
- `refused`: all of `when` together is what the engine refuses, or what nobody means;
- `needs-capability`: of the GPU, `capability`, or that of the quantization method that `setting` names.
"""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, model_validator

from infra_gen.model.finding import Severity
from infra_gen.model.operand import Conditions, Operand, Product, known_operand
from infra_gen.model.sourced import Record
from infra_gen.model.versions import version_key

RowKind = Literal[
    "at-most", "at-least", "below", "divides", "same", "one-of", "requires", "conflicts",
    "ignored", "refused", "needs-capability",
]  # fmt: skip
_SIDES = ("left", "right")
# What a row of each kind must have beside what all have; nothing else may be there.
_FIELDS: dict[str, tuple[str, ...]] = {
    "at-most": _SIDES,
    "at-least": _SIDES,
    "below": _SIDES,
    "divides": _SIDES,
    "same": _SIDES,
    "one-of": ("left", "values"),
    "requires": ("when", "needs"),
    "conflicts": ("of",),
    "ignored": ("setting", "when"),
    "refused": ("when",),
    "needs-capability": (),
}
_OWN = ("left", "right", "values", "needs", "of", "setting", "capability")
_OPTIONAL = {"needs-capability": ("setting", "capability")}
_PLACE = re.compile(r"\{([^{}]*)\}")


class Constraint(Record):
    """One row. It is judged where all of `when` hold and none of `unless` does.

    `since` and `until` (exclusive) bound the versions of the engine. `message` and `fix` may name
    operands in braces; `{left}` and `{right}` are the amounts compared.
    """

    id: str = Field(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)+$")
    kind: RowKind
    severity: Severity
    left: Product | None = None
    right: Product | None = None
    values: tuple[Product, ...] = ()
    needs: Conditions = ()
    of: Conditions = ()
    setting: Operand | None = None
    capability: float | None = None
    when: Conditions = ()
    unless: Conditions = ()
    since: str | None = None
    until: str | None = None
    message: str = Field(min_length=1)
    fix: str = Field(pattern=r"\.$")
    source: str = Field(min_length=1)

    @model_validator(mode="after")
    def _has_what_its_kind_has(self) -> Constraint:
        must, may = _FIELDS[self.kind], _OPTIONAL.get(self.kind, ())
        missing = [name for name in must if not getattr(self, name)]
        extra = [name for name in _OWN if name not in (*must, *may) and getattr(self, name)]
        if missing or extra:
            said = f"needs {', '.join(missing)}" if missing else f"has no {', '.join(extra)}"
            raise ValueError(f"{self.id}: {self.kind} {said}")
        if may and sum(bool(getattr(self, name)) for name in may) != 1:
            raise ValueError(f"{self.id}: {self.kind} needs one of {', '.join(may)}")
        if self.kind == "conflicts" and len(self.of) < 2:
            raise ValueError(f"{self.id}: one condition alone cannot conflict")
        return self

    @model_validator(mode="after")
    def _can_be_said(self) -> Constraint:
        since, until = (version_key(end) if end else None for end in (self.since, self.until))
        if since and until and since >= until:
            raise ValueError(f"{self.id}: since {self.since} is not before until {self.until}")
        if self.message.endswith("."):
            raise ValueError(f"{self.id}: a message has no period at its end")
        for name in _PLACE.findall(self.message + self.fix):
            if name not in _SIDES:
                known_operand(name)
        return self

    @property
    def operands(self) -> tuple[str, ...]:
        """Every operand, in the order in which a finding looks for a place to point at."""
        factors = (*(self.left or ()), *(self.right or ()), *(f for v in self.values for f in v))
        conditions = (*self.of, *self.needs, *self.when, *self.unless)
        names = [self.setting] if self.setting else []
        names += [factor.of for factor in factors]
        names += [condition.of for condition in conditions]
        return tuple(dict.fromkeys(names))


class Constraints(Record):
    """`presets/engines/<engine>/constraints.yaml`.

    `checked` is the newest version whose source the rows were compared with: for a later one they
    are likely and no more. `defaults`: what a flag stands for, a fact or a word, where its own
    default says nothing.
    """

    engine: str
    checked: str
    defaults: dict[Operand, str] = Field(default_factory=dict)
    rows: tuple[Constraint, ...]

    @model_validator(mode="after")
    def _are_distinct(self) -> Constraints:
        ids = [row.id for row in self.rows]
        twice = sorted({one for one in ids if ids.count(one) > 1})
        if twice:
            raise ValueError(f"two rows have the id {twice[0]}")
        for stands_for in self.defaults.values():
            if "." in stands_for:
                known_operand(stands_for)
        return self
