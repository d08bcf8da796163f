"""docs/reference/constraints.md: what settings of each engine must not be together."""

from __future__ import annotations

import re
from collections import Counter

from infra_gen.engines.registry import ENGINES
from infra_gen.knowledge.constraints import constraints_of
from infra_gen.knowledge.engines import engine_info
from infra_gen.model.constraint import Constraint, Constraints
from infra_gen.model.operand import FACTS
from tools.docs_markdown import page, table

_PLACE = re.compile(r"\{([^{}]*)\}")


def _said(text: str) -> str:
    """A message with dots where values stand."""
    return _PLACE.sub("…", text)


def _versions(row: Constraint) -> str:
    if row.since and row.until:
        return f"{row.since} to below {row.until}"
    if row.until:
        return f"below {row.until}"
    return f"from {row.since}" if row.since else "all"


def _row(row: Constraint) -> tuple[str, ...]:
    return (f"`{row.id}`", row.severity, _versions(row), _said(row.message), row.source)


def _engine(stated: Constraints) -> str:
    title = engine_info(stated.engine).facts.title
    counted = Counter(row.severity for row in stated.rows)
    return (
        f"## {title}\n\n{len(stated.rows)} constraints, {counted['error']} of them errors, compared "
        f"with versions up to {stated.checked}. For a later one they are warnings.\n\n"
        + table(
            ["Constraint", "Severity", "Versions", "What is said", "Source"], map(_row, stated.rows)
        )
    )


def constraints_page() -> str:
    """The page of all of them."""
    found = [constraints_of(name) for name in ENGINES]
    stated = [one for one in found if one is not None]
    return page(
        "Constraints",
        f"{sum(len(one.rows) for one in stated)} things that an engine's settings must not be together, or "
        "not with a model or a machine. The rule [constraint-broken](rules/constraint-broken.md) judges "
        "deployments by those of their version; the name of the constraint ends the message. Each value "
        "alone is judged by [flag-value-wrong](rules/flag-value-wrong.md).",
        "A flag that is left out counts with the default of that version. Where a value is a variable, or "
        "a default is not known, nothing is said.",
        *(_engine(one) for one in stated),
        "## Facts\n\nBeside flags and variables, constraints speak of these.\n\n"
        + table(["Fact", "What it is"], [(f"`{name}`", what) for name, what in FACTS.items()]),
        "## More\n\n[Add a constraint](../../CONTRIBUTING.md#add-a-constraint).",
    )
